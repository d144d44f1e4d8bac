//! Processes that hold VFIO groups open, from one look through `/proc`.

use std::collections::BTreeMap;
use std::path::Path;

use procfs::process::{FDTarget, Process, all_processes};

use crate::snapshot::User;

/// Processes by the VFIO group that they hold. Processes come and go while one looks; one that
/// cannot be read is not there any more, or is not ours to see.
pub(super) fn processes() -> BTreeMap<u32, User> {
    let mut found = BTreeMap::new();
    for process in all_processes().into_iter().flatten().flatten() {
        for group in groups(&process) {
            found
                .entry(group)
                .or_insert_with(|| User::Process { pid: process.pid, name: name(&process) });
        }
    }
    found
}

/// A process that holds that group open; `None` when none does by now.
pub(crate) fn holder_of_group(group: u32) -> Option<u32> {
    match processes().get(&group)? {
        User::Process { pid, .. } => u32::try_from(*pid).ok(),
        _ => None,
    }
}

fn groups(process: &Process) -> Vec<u32> {
    let Ok(files) = process.fd() else { return Vec::new() };
    files
        .filter_map(|file| match file.ok()?.target {
            FDTarget::Path(path) => group(&path),
            _ => None,
        })
        .collect()
}

/// The group whose device file `path` is: `/dev/vfio/12`, or `/dev/vfio/noiommu-12`.
fn group(path: &Path) -> Option<u32> {
    let name = path.strip_prefix("/dev/vfio").ok()?.to_str()?;
    name.strip_prefix("noiommu-").unwrap_or(name).parse().ok()
}

fn name(process: &Process) -> String {
    process.stat().map(|stat| stat.comm).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_group_files_are_groups() {
        let group = |path: &str| group(Path::new(path));
        assert_eq!(group("/dev/vfio/12"), Some(12));
        assert_eq!(group("/dev/vfio/noiommu-3"), Some(3));
        assert_eq!(group("/dev/vfio/vfio"), None);
        assert_eq!(group("/dev/vfio/devices/vfio0"), None);
        assert_eq!(group("/tmp/dev/vfio/12"), None);
    }
}
