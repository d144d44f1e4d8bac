//! Which VFs udev is told to be for containers, and from when on.

use std::fs;

use super::{assert_in_force, drop_policy, put_policy, undo};
use crate::guest::Test;
use crate::guest::host::{Pf, pf};
use crate::guest::program::run;
use crate::guest::railhead::railhead;
use crate::guest::trace::Trace;

pub(super) const TESTS: &[Test] = &[
    ("daemon::markers::vfs_are_marked_before_they_are_made", marked_before_they_are_made),
    ("daemon::markers::vfs_that_were_there_are_marked_when_wanted", marked_when_wanted),
];

const MARKERS: &str = "/run/railhead/vfs";

/// The names of all markers.
pub(super) fn markers() -> Vec<String> {
    let entries = fs::read_dir(MARKERS).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The addresses of a PF's VFs.
pub(super) fn addresses(pf: &Pf) -> Vec<String> {
    pf.vfs().into_iter().map(|vf| vf.address).collect()
}

fn marked_before_they_are_made() {
    put_policy("net", "enp1s0", 2, "");
    let trace = Trace::new("markers").only("open,openat,write").naming_descriptors();
    run(&format!("{} railhead apply", trace.command())).ok();
    let vfs = addresses(&pf(0));
    assert_eq!((vfs.len(), markers()), (2, vfs.clone()));
    let lines = trace.lines();
    let at = |what: &str| {
        let found = lines.iter().position(|line| line.contains(what));
        found.unwrap_or_else(|| panic!("{what} in {lines:#?}"))
    };
    let made = at("/sriov_numvfs>, \"2\"");
    for vf in &vfs {
        assert!(at(&format!("{MARKERS}/{vf}\", O_WRONLY|O_CREAT|O_EXCL")) < made);
    }
    // What is so already is not written again, and what is missing is.
    let lost = format!("{MARKERS}/{}", vfs[1]);
    fs::remove_file(&lost).expect("remove a marker");
    let stale = format!("{MARKERS}/0000:77:00.1");
    fs::write(&stale, "").expect("make a marker");
    railhead("apply").ok();
    assert_eq!(markers(), vfs);
    let trace = Trace::new("markers-rest").only("open,openat,unlink,unlinkat").naming_descriptors();
    run(&format!("{} railhead apply", trace.command())).ok();
    let touched = |line: &&String| line.contains(MARKERS) && !line.contains("O_DIRECTORY");
    assert_eq!(trace.lines().iter().find(touched), None);
    undo("net");
    assert_eq!(markers(), [""; 0]);
}

/// Those of a PF that nobody asks for stay the host's.
fn marked_when_wanted() {
    let (first, second) = (pf(0), pf(1));
    first.make_vfs(2);
    second.make_vfs(1);
    railhead("apply").ok();
    assert_eq!(markers(), [""; 0], "nobody asked");
    put_policy("net", "enp1s0", 2, "");
    railhead("apply").ok();
    assert_in_force();
    assert_eq!(markers(), addresses(&first));
    // VFs that somebody makes anew are the host's once nobody asks.
    drop_policy("net");
    first.remove_vfs();
    first.make_vfs(1);
    railhead("apply").ok();
    assert_eq!((first.num_vfs(), markers()), (1, Vec::new()));
    first.remove_vfs();
    second.remove_vfs();
}
