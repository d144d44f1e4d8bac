//! Ids of devices that vfio-pci was told to take (`ids=`), as guides to virtual machines do: it then takes
//! each VF of that id before the driver that makes its netdev.

use std::fs;
use std::path::Path;

use conf::PciId;

/// Where modprobe reads its options, below the root.
const DIRECTORIES: [&str; 4] =
    ["etc/modprobe.d", "run/modprobe.d", "usr/lib/modprobe.d", "lib/modprobe.d"];

/// Who tells vfio-pci to take devices of that id: a file of modprobe's options, or the kernel's
/// arguments.
pub(crate) fn told_by(root: &Path, vendor: PciId, device: PciId) -> Option<String> {
    let is_told = |ids: &str| ids.split(',').any(|id| is_id(id, vendor, device));
    for directory in DIRECTORIES {
        let mut names: Vec<String> = fs::read_dir(root.join(directory))
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name.ends_with(".conf"))
            .collect();
        names.sort();
        for name in names {
            let file = ipam::durable::read_optional(&root.join(directory).join(&name));
            let Ok(Some(text)) = file else { continue };
            let text = String::from_utf8_lossy(&text).into_owned();
            if options(&text).any(is_told) {
                return Some(format!("/{directory}/{name}"));
            }
        }
    }
    let arguments = fs::read_to_string(root.join("proc/cmdline")).unwrap_or_default();
    let mut ids = arguments.split_whitespace().filter_map(argument);
    ids.any(is_told).then(|| "the kernel's argument vfio-pci.ids".to_owned())
}

/// The lists of ids in a file of modprobe's options (`options vfio-pci ids=8086:10ca,…`).
fn options(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| {
        let mut words = line.split_whitespace();
        let is_options = words.next() == Some("options") && words.next().is_some_and(is_vfio_pci);
        words.filter(move |_| is_options).filter_map(|word| word.strip_prefix("ids="))
    })
}

fn argument(word: &str) -> Option<&str> {
    let (module, ids) = word.split_once(".ids=")?;
    is_vfio_pci(module).then_some(ids)
}

fn is_vfio_pci(module: &str) -> bool {
    matches!(module, "vfio-pci" | "vfio_pci")
}

/// Whether `id` (`VENDOR:DEVICE[:…]`, hexadecimal) is that of these devices.
fn is_id(id: &str, vendor: PciId, device: PciId) -> bool {
    let mut numbers = id.trim_matches('"').split(':').map(|part| u16::from_str_radix(part, 16));
    let mut next = || numbers.next().and_then(Result::ok);
    (next(), next()) == (Some(vendor.get()), Some(device.get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_wherever_vfio_pci_is_told() {
        for (path, text, says) in [
            ("etc/modprobe.d/a.conf", "options vfio-pci ids=8086:10ca", true),
            (
                "etc/modprobe.d/a.conf",
                "options vfio_pci disable_vga=1 ids=10de:1eb8,8086:10CA:8086",
                true,
            ),
            ("usr/lib/modprobe.d/a.conf", "# vms\n  options  vfio-pci  ids=\"8086:10ca\"", true),
            ("etc/modprobe.d/a.conf", "#options vfio-pci ids=8086:10ca", false),
            ("etc/modprobe.d/a.conf", "options vfio-pci ids=8086:10cb,15b3:10ca", false),
            ("etc/modprobe.d/a.conf", "options igb ids=8086:10ca", false),
            ("etc/modprobe.d/a.txt", "options vfio-pci ids=8086:10ca", false),
            ("proc/cmdline", "quiet vfio-pci.ids=8086:10ca ro", true),
            ("proc/cmdline", "quiet vfio_pci.ids=1:2,8086:10ca", true),
            ("proc/cmdline", "quiet other.ids=8086:10ca", false),
        ] {
            let root = tempfile::tempdir().unwrap();
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
            let told = told_by(root.path(), PciId::new(0x8086), PciId::new(0x10ca));
            assert_eq!(told.is_some(), says, "{text}: {told:?}");
        }
    }
}
