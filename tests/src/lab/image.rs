//! The guest's file system: an initramfs of our programs, a few of Debian's, and kernel modules.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::build::Programs;
use super::cpio::Archive;
use super::kernel::Kernel;
use super::place;
use crate::guest::cni::REFERENCE;
use crate::protocol::{ORDERS, Orders};

/// Programs of the host that the guest cannot do without, with the libraries that they load.
const NEEDED: &[&str] = &["bash", "ip", "bridge", "tc", "ethtool", "strace", "jq", "setpriv"];

/// Programs of the host that are nice to have in a shell.
const WELCOME: &[&str] = &["tcpdump", "lspci", "setpci"];

/// Where the package puts what is in `systemd/`, below `/usr/lib`.
const SYSTEMD: &[(&str, &str)] = &[
    ("railhead.service", "systemd/system/railhead.service"),
    ("railhead-boot.service", "systemd/system/railhead-boot.service"),
    ("railhead.rules", "udev/rules.d/10-railhead.rules"),
    ("railhead.network", "systemd/network/00-railhead.network"),
    ("tmpfiles.d/railhead.conf", "tmpfiles.d/railhead.conf"),
];

/// Names under which a container runtime finds the plugins.
const PLUGINS: &[&str] = &["sriov", "nv-ipam"];

/// Writes an initramfs without orders.
///
/// # Errors
/// When a program is missing or the file cannot be written.
pub fn write(file: &Path, programs: &Programs) -> Result<()> {
    let out = File::create(file).with_context(|| format!("make {}", file.display()))?;
    let mut archive = Archive::new(BufWriter::new(out));
    archive.program("/init", &read(&programs.guest)?)?;
    archive.program("/bin/nothing", &read(&programs.nothing)?)?;
    archive.program("/bin/peak", &read(&programs.peak)?)?;
    archive.program("/bin/railhead", &read(&programs.railhead)?)?;
    archive.program("/opt/cni/bin/railhead-cni", &read(&programs.plugins)?)?;
    for name in PLUGINS {
        archive.link(&format!("/opt/cni/bin/{name}"), "railhead-cni")?;
    }
    peers(&mut archive, &programs.peers)?;
    reference(&mut archive)?;
    archive.program("/bin/cnitool", &read(&place::lab().join("bin/cnitool"))?)?;
    for directory in ["proc", "sys", "dev", "run", "tmp", "root", "var/lib", "etc"] {
        archive.directory(directory)?;
    }
    archive.file("/etc/passwd", b"root:x:0:0:root:/root:/bin/bash\n")?;
    archive.file("/etc/group", b"root:x:0:\n")?;
    let workspace = place::workspace();
    tree(&mut archive, &workspace.join("examples"), "/root/examples")?;
    tree(&mut archive, &workspace.join("tests/rootfs"), "/")?;
    lay_over(&mut archive, &workspace)?;
    debian_programs(&mut archive)?;
    busybox(&mut archive)?;
    modules(&mut archive)?;
    archive.finish()?;
    Ok(())
}

/// Writes an initramfs like `base` with these orders in it: the kernel unpacks one archive after the other.
///
/// # Errors
/// When a file cannot be read or written.
pub fn address(file: &Path, base: &Path, orders: &Orders) -> Result<()> {
    let context = || format!("write {}", file.display());
    fs::copy(base, file).with_context(context)?;
    let out = File::options().append(true).open(file).with_context(context)?;
    let mut archive = Archive::new(BufWriter::new(out));
    archive.file(ORDERS, serde_json::to_string(orders)?.as_bytes())?;
    archive.finish().with_context(context)?;
    Ok(())
}

type Out = Archive<BufWriter<File>>;

/// A directory with all that is in it.
fn tree(archive: &mut Out, from: &Path, to: &str) -> Result<()> {
    let context = || format!("read {}", from.display());
    for entry in fs::read_dir(from).with_context(context)? {
        let entry = entry.with_context(context)?;
        let target = format!("{}/{}", to.trim_end_matches('/'), entry.file_name().display());
        if entry.path().is_dir() {
            tree(archive, &entry.path(), &target)?;
        } else {
            archive.file(&target, &read(&entry.path())?)?;
        }
    }
    Ok(())
}

/// What the other machine gets on top of its Debian: our units and rules, where the package puts them, and how it is
/// set up.
fn lay_over(archive: &mut Out, workspace: &Path) -> Result<()> {
    tree(archive, &workspace.join("tests/debian"), "/lay-over")?;
    for (file, place) in SYSTEMD {
        let from = workspace.join("systemd").join(file);
        archive.file(&format!("/lay-over/usr/lib/{place}"), &read(&from)?)?;
    }
    Ok(())
}

/// Other projects' plugins, beside ours.
fn peers(archive: &mut Out, peers: &[PathBuf]) -> Result<()> {
    for peer in peers {
        let name = peer.file_name().unwrap_or_default().display();
        // Those that are not static need what the host's other programs need, which is there.
        archive.program(&format!("/opt/cni/bin/{name}"), &read(peer)?)?;
    }
    Ok(())
}

/// The reference plugins, apart from ours: a call has them only when its CNI_PATH says so.
fn reference(archive: &mut Out) -> Result<()> {
    let directory = place::reference();
    let context = || format!("read {}: run make setup", directory.display());
    for entry in fs::read_dir(&directory).with_context(context)? {
        let plugin = entry.with_context(context)?.path();
        let name = plugin.file_name().unwrap_or_default().display();
        archive.program(&format!("{REFERENCE}/{name}"), &read(&plugin)?)?;
    }
    Ok(())
}

fn debian_programs(archive: &mut Out) -> Result<()> {
    let mut libraries = BTreeSet::new();
    for name in NEEDED.iter().chain(WELCOME) {
        let Some(program) = find(name) else {
            ensure!(!NEEDED.contains(name), "{name} is missing: run make setup");
            continue;
        };
        archive.program(&format!("/bin/{name}"), &read(&program)?)?;
        libraries.extend(libraries_of(&program)?);
    }
    for library in libraries {
        archive.program(&library, &read(Path::new(&library))?)?;
    }
    Ok(())
}

/// Everything else that a shell expects. Debian's programs came first, so they win.
fn busybox(archive: &mut Out) -> Result<()> {
    let program = find("busybox").context("busybox is missing: run make setup")?;
    archive.program("/bin/busybox", &read(&program)?)?;
    let list = Command::new(&program).arg("--list").output().context("run busybox --list")?;
    for applet in String::from_utf8_lossy(&list.stdout).lines() {
        archive.link(&format!("/bin/{applet}"), "busybox")?;
    }
    // The kernel itself calls modprobe by this path.
    archive.link("/sbin/modprobe", "/bin/busybox")?;
    Ok(())
}

/// The modules where modprobe finds them, and the order in which init loads them.
fn modules(archive: &mut Out) -> Result<()> {
    let kernel = Kernel::find()?;
    let directory = format!("/lib/modules/{}", kernel.version);
    let (mut order, mut dependencies) = (String::new(), String::new());
    for module in kernel.modules()? {
        let path = format!("{directory}/{}", module.path);
        archive.file(&path, &module.contents)?;
        order.push_str(&format!("{path} {}\n", module.parameters));
        // Init has loaded all that is needed by then: modprobe only has to find that it is so.
        dependencies.push_str(&format!("{}:\n", module.path));
    }
    archive.file("/lib/modules/order", order.as_bytes())?;
    archive.file(&format!("{directory}/modules.dep"), dependencies.as_bytes())?;
    Ok(())
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("read {}", file.display()))
}

/// A program on the search path, or where administrators' programs live.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories: Vec<PathBuf> = std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from))
        .collect();
    directories.iter().map(|directory| directory.join(name)).find(|file| file.is_file())
}

/// The shared libraries that a program loads, and the loader. None for a static program.
fn libraries_of(program: &Path) -> Result<Vec<String>> {
    let output = Command::new("ldd").arg(program).output().context("run ldd")?;
    Ok(libraries_in(&String::from_utf8_lossy(&output.stdout)))
}

/// Every absolute path in the output of ldd.
fn libraries_in(text: &str) -> Vec<String> {
    text.split_whitespace().filter(|word| word.starts_with('/')).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_the_loader_are_found() {
        let text = "\tlinux-vdso.so.1 (0x00007ffc)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x0)\n\t\
            /lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let expected = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"];
        assert_eq!(libraries_in(text), expected);
        assert!(libraries_in("\tnot a dynamic executable\n").is_empty());
    }
}
