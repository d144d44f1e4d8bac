//! The power goes at ten instants of an apply, and of the undoing: each boot brings the host to what was asked for,
//! before or with that apply, and from there all can still be undone.

use std::fs;
use std::path::Path;

use super::crash::assert_all_json;
use super::{assert_in_force, drivers, is_up, mtu};
use crate::guest::host::{Pf, pf, put, read};
use crate::guest::program::{Program, run};
use crate::guest::railhead::{OBJECTS, policy, railhead, settings};
use crate::guest::wait::wait_for;
use crate::guest::{Test, hand};

pub(super) const TESTS: &[Test] =
    &[("daemon::power::a_cut_at_any_instant_of_an_apply", a_cut_at_any_instant)];

/// What an apply does when the power goes.
struct Instant {
    of: Asked,
    /// What is to be seen of it by then.
    what: &'static str,
    is_here: fn(&Pf) -> bool,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// One VF with a larger MTU, one for user space.
    Vfs,
    /// Nothing any more.
    Nothing,
}

/// In the order in which they come.
const INSTANTS: &[Instant] = &[
    vfs("the apply is at work", |_| lock().contains("railhead apply")),
    vfs("the objects are in their place", |_| objects().len() == 2),
    vfs("the intent is recorded", |pf| Path::new(&journal(pf)).exists()),
    vfs("the PF has its MTU", |pf| mtu(&pf.name) == 4000),
    vfs("there are VFs", |pf| pf.num_vfs() == 2),
    vfs("one is for user space", |pf| drivers(pf).last().is_some_and(|last| last == "vfio-pci")),
    vfs("the other has its driver", |pf| drivers(pf) == ["igbvf", "vfio-pci"]),
    vfs("the objects are saved", |_| saved().contains("vms")),
    nothing("the VFs are gone", |pf| pf.num_vfs() == 0),
    nothing("the objects are saved", |_| !saved().contains("vms")),
];

/// From that instant on the new objects were in their place for good.
const FIRST_LASTING: usize = 2;

const fn vfs(what: &'static str, is_here: fn(&Pf) -> bool) -> Instant {
    Instant { of: Asked::Vfs, what, is_here }
}

const fn nothing(what: &'static str, is_here: fn(&Pf) -> bool) -> Instant {
    Instant { of: Asked::Nothing, what, is_here }
}

fn lock() -> String {
    fs::read_to_string("/run/railhead/daemon.lock").unwrap_or_default()
}

fn journal(pf: &Pf) -> String {
    format!("/run/railhead/journal/{}.json", pf.address)
}

fn saved() -> String {
    fs::read_to_string("/var/lib/railhead/last-good.json").unwrap_or_default()
}

/// The names of the files in force.
fn objects() -> Vec<String> {
    let files = fs::read_dir(OBJECTS).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        files.map(|file| file.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// What is in `objects` for each thing that may be asked for, and the directory that says so.
fn set(asked: Asked) -> (&'static str, Vec<(&'static str, String)>) {
    match asked {
        Asked::Vfs => (
            "/root/vfs",
            vec![
                ("net.yaml", policy("net", "enp1s0#0-0", 2, "  mtu: 4000\n")),
                ("vms.yaml", policy("vms", "enp1s0#1-1", 2, "  deviceType: vfio-pci\n")),
            ],
        ),
        Asked::Nothing => ("/root/nothing", vec![("none.yaml", String::new())]),
    }
}

/// `railhead apply -f` for what is asked.
fn apply(asked: Asked) -> Program {
    let (directory, files) = set(asked);
    for (name, text) in files {
        put(&format!("{directory}/{name}"), &text);
    }
    Program::new(&format!("railhead apply -f {directory}"))
}

fn a_cut_at_any_instant() {
    let cuts = hand::note::<usize>().unwrap_or_default();
    match cuts.checked_sub(1) {
        None => settings("nodeName: node-a\n"),
        Some(last) => after_the_cut(&INSTANTS[last], last >= FIRST_LASTING),
    }
    let Some(instant) = INSTANTS.get(cuts) else { return };
    if instant.of == Asked::Nothing {
        apply(Asked::Vfs).run().ok();
    }
    run("sync").ok();
    let pf = pf(0);
    let _applying = apply(instant.of).start();
    wait_for(instant.what, || (instant.is_here)(&pf).then_some(()));
    hand::cut(&(cuts + 1))
}

/// Nothing is half there, nothing of others is touched, and what is in force is so in the kernel.
fn after_the_cut(instant: &Instant, lasting: bool) {
    assert!(!Path::new("/run/railhead").exists());
    let in_force = whole_set(instant);
    assert!(in_force == instant.of || !lasting, "{}: {in_force:?}", instant.what);
    let foreign = Foreign::make();
    for directory in ["/var/lib/railhead", "/var/lib/railhead/objects"] {
        assert_all_json(Path::new(directory), 0);
    }
    railhead("boot").ok();
    assert_in_force();
    let pf = pf(0);
    let wanted: &[&str] = match in_force {
        Asked::Vfs => &["igbvf", "vfio-pci"],
        Asked::Nothing => &[],
    };
    assert_eq!(drivers(&pf), wanted, "{}", instant.what);
    if in_force == Asked::Vfs {
        assert_eq!(mtu(&pf.name), 4000);
        let journal: serde_json::Value =
            serde_json::from_str(&read(&journal(&pf))).expect("a journal");
        assert_eq!((&journal["numVfs"]["old"], &journal["mtu"]["old"]), (&0.into(), &1500.into()));
    }
    apply(Asked::Nothing).run().ok();
    assert_eq!((pf.num_vfs(), mtu(&pf.name), is_up(&pf.name)), (0, 1500, false));
    assert_eq!(pf.attribute("sriov_drivers_autoprobe"), "1");
    foreign.assert_untouched();
}

/// Which set of objects is there: one of both, and all of it.
#[track_caller]
fn whole_set(instant: &Instant) -> Asked {
    let files: Vec<(String, String)> = objects()
        .into_iter()
        .map(|name| (name.clone(), fs::read_to_string(format!("{OBJECTS}/{name}")).expect("read")))
        .collect();
    if files.is_empty() {
        return Asked::Nothing;
    }
    let is_whole = |asked: &Asked| {
        let (_, wanted) = set(*asked);
        wanted
            .iter()
            .map(|(name, text)| (*name, text.as_str()))
            .eq(files.iter().map(|(name, text)| (name.as_str(), text.as_str())))
    };
    let found = [Asked::Vfs, Asked::Nothing].into_iter().find(is_whole);
    found.unwrap_or_else(|| panic!("{}: half a set: {files:?}", instant.what))
}

/// A PF of somebody else's.
struct Foreign {
    pf: Pf,
    before: String,
}

impl Foreign {
    fn make() -> Self {
        let pf = pf(1);
        run(&format!("ip link set {} mtu 1400 up", pf.name)).ok();
        let before = Self::state(&pf);
        Self { pf, before }
    }

    fn state(pf: &Pf) -> String {
        let autoprobe = pf.attribute("sriov_drivers_autoprobe");
        format!("{} {autoprobe} {} {}", pf.num_vfs(), mtu(&pf.name), is_up(&pf.name))
    }

    #[track_caller]
    fn assert_untouched(&self) {
        assert_eq!(Self::state(&self.pf), self.before);
        run(&format!("ip link set {} mtu 1500 down", self.pf.name)).ok();
    }
}
