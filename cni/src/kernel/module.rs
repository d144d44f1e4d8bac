//! Kernel modules.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use conf::DriverName;
use nix::sys::utsname::uname;

use super::child;
use super::sysfs::Sysfs;
use super::{Cause, Change, Error};

/// Whether a module is in the kernel: loaded, or built in with parameters.
pub fn is_loaded(sysfs: &Sysfs, name: &DriverName) -> bool {
    // The kernel spells a module's name with underscores, whatever the file's.
    sysfs.root().join("module").join(name.as_str().replace('-', "_")).exists()
}

/// Loads a module, and what it needs, by the modprobe that the kernel itself would run. The error
/// has what modprobe said.
pub fn load(sysfs: &Sysfs, name: &DriverName, deadline: Duration) -> Result<Change, Error> {
    if is_loaded(sysfs, name) {
        return Ok(Change::Same);
    }
    modprobe(name.as_str(), deadline)
        .map(|()| Change::Changed)
        .map_err(|cause| Error::new("load", format!("module {name}"), cause))
}

/// Loads the modules that say to be meant for a device (`modalias`), as udev does when it appears.
pub fn load_for(modalias: &str, deadline: Duration) -> Result<(), Error> {
    modprobe(modalias, deadline)
        .map_err(|cause| Error::new("load", format!("a module for {modalias}"), cause))
}

/// The drivers that loaded modules have for a device (`modalias`), as the list of this kernel's modules
/// below `root` tells: whatever other driver was told to take it too. None where there is no list.
pub fn drivers_for(root: &Path, sysfs: &Sysfs, modalias: &str) -> Vec<DriverName> {
    let Ok(kernel) = uname() else { return Vec::new() };
    let list = root.join("lib/modules").join(kernel.release()).join("modules.alias");
    let aliases = fs::read_to_string(list).unwrap_or_default();
    let mut drivers: Vec<DriverName> =
        meant_for(&aliases, modalias).flat_map(|module| drivers_of(sysfs, module)).collect();
    drivers.dedup();
    drivers
}

/// The modules that a list of aliases (`alias PATTERN MODULE`) has for a device.
fn meant_for<'a>(aliases: &'a str, modalias: &'a str) -> impl Iterator<Item = &'a str> {
    aliases.lines().filter_map(move |line| {
        let mut words = line.split_whitespace();
        let (verb, pattern, module) = (words.next()?, words.next()?, words.next()?);
        (verb == "alias" && matches(pattern, modalias)).then_some(module)
    })
}

/// Whether `text` is as `pattern`, in which `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let Some((middle, last)) = rest.rsplit_once('*') else { return text.ends_with(rest) };
    for part in middle.split('*') {
        let Some(at) = text.find(part) else { return false };
        text = text.get(at + part.len()..).unwrap_or_default();
    }
    text.ends_with(last)
}

/// The PCI drivers of a module that is loaded.
fn drivers_of(sysfs: &Sysfs, module: &str) -> Vec<DriverName> {
    let directory = sysfs.root().join("module").join(module.replace('-', "_")).join("drivers");
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| name.strip_prefix("pci:")?.parse().ok()).collect()
}

fn modprobe(name: &str, deadline: Duration) -> Result<(), Cause> {
    let mut modprobe = Command::new(program());
    modprobe.arg("--").arg(name);
    let (status, said) = child::run(modprobe, deadline)?;
    if status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&said).trim_end().to_owned();
    Err(Cause::Program(if said.is_empty() { format!("modprobe: {status}") } else { said }))
}

/// The kernel's own setting, else what the path has.
fn program() -> String {
    let configured = fs::read_to_string("/proc/sys/kernel/modprobe").unwrap_or_default();
    let configured = configured.trim_end();
    if configured.is_empty() { "modprobe".to_owned() } else { configured.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VF: &str = "pci:v00008086d000010CAsv00008086sd0000A03Cbc02sc00i00";

    #[test]
    fn modules_are_found_by_their_aliases() {
        let aliases = "# Aliases extracted from modules themselves.
alias pci:v00008086d000010CAsv*sd*bc*sc*i* igbvf
alias pci:v00008086d00001520sv*sd*bc*sc*i* igbvf
alias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci
alias pci:v*d*sv*sd*bc02sc00i* any-nic
alias pci:v00008086d000010CAsv*sd*bc*sc*i*
alias net-pf-10 ipv6
";
        assert_eq!(meant_for(aliases, VF).collect::<Vec<_>>(), ["igbvf", "any-nic"]);
        assert_eq!(meant_for("", VF).count(), 0);
    }

    #[test]
    fn patterns() {
        for (pattern, text, is_match) in [
            ("ab", "ab", true),
            ("ab", "abc", false),
            ("*", "", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c", "abc", true),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a*b*b", "ab", false),
            ("a**c", "abc", true),
        ] {
            assert_eq!(matches(pattern, text), is_match, "{pattern} {text}");
        }
    }

    #[test]
    fn the_drivers_of_a_module_are_those_that_it_has_registered() {
        let directory = tempfile::tempdir().unwrap();
        let release = uname().unwrap().release().to_owned();
        let sys = directory.path().join("sys");
        for driver in ["pci:igbvf", "platform:other"] {
            fs::create_dir_all(sys.join("module/igb_vf/drivers").join(driver)).unwrap();
        }
        let modules = directory.path().join("lib/modules").join(release);
        let drivers = || drivers_for(directory.path(), &Sysfs::at(&sys), VF);
        assert!(drivers().is_empty());
        fs::create_dir_all(&modules).unwrap();
        let alias = "alias pci:v00008086d000010CAsv*sd*bc*sc*i* igb-vf\n";
        fs::write(modules.join("modules.alias"), alias.repeat(2)).unwrap();
        assert_eq!(drivers(), ["igbvf".parse().unwrap()]);
    }
}
