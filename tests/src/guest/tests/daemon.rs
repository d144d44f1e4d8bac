//! `railhead` on real NICs: what policies become, and what becomes of the NICs when policies go.
//!
//! That a PF is exactly as it was found after its policy is gone is not asserted here: the runner compares the
//! whole machine after every test.

use std::thread::sleep;
use std::time::Duration;

use crate::guest::Test;
use crate::guest::host::{Pf, Vf, link, read};
use crate::guest::program::{Output, Program, Running, run};
use crate::guest::railhead::{
    object, policy, railhead, remove_object, settings, wait_until_in_force,
};
use crate::guest::wait::wait_for;

mod boot;
mod crash;
mod discovery;
mod doctor;
mod drift;
mod dump;
mod faults;
mod guard;
mod iommu;
mod markers;
mod metrics;
mod operator;
mod pause;
mod policy;
mod pools;
mod power;
mod service;
mod terminal;
mod trial;
mod unplug;
mod users;

pub(super) const TESTS: &[&[Test]] = &[
    policy::TESTS,
    markers::TESTS,
    users::TESTS,
    discovery::TESTS,
    guard::TESTS,
    operator::TESTS,
    drift::TESTS,
    pause::TESTS,
    service::TESTS,
    metrics::TESTS,
    trial::TESTS,
    terminal::TESTS,
    pools::TESTS,
    crash::TESTS,
    power::TESTS,
    faults::TESTS,
    boot::TESTS,
    doctor::TESTS,
    dump::TESTS,
    iommu::TESTS,
    unplug::TESTS,
];

/// Puts a [`policy`] in force.
fn put_policy(name: &str, pf_names: &str, num_vfs: u16, more: &str) {
    settings("nodeName: node-a\n");
    object(&format!("{name}.yaml"), &policy(name, pf_names, num_vfs, more));
}

/// The PCI address of the first PF.
const FIRST: &str = "0000:01:00.0";

/// Puts a policy `net` in force that names the first PF by where it is, whatever its name.
fn put_policy_by_address(num_vfs: u16) {
    let by_name = policy("net", "NAME", num_vfs, "");
    let by_address = by_name.replace("pfNames: [NAME]", &format!("rootDevices: [\"{FIRST}\"]"));
    settings("nodeName: node-a\n");
    object("net.yaml", &by_address);
}

/// Takes a policy away.
fn drop_policy(name: &str) {
    remove_object(&format!("{name}.yaml"));
}

/// Takes a policy away and brings the host to that.
fn undo(name: &str) {
    drop_policy(name);
    railhead("apply").ok();
}

/// Takes a policy away under a running daemon, and waits until that has undone it.
fn drop_and_wait(name: &str) {
    drop_policy(name);
    wait_until_in_force();
}

/// Waits until the daemon that runs has made a pass.
fn first_pass() {
    wait_for("the first pass", || passes().filter(|passes| *passes > 0));
}

/// How many passes the daemon that runs has made.
fn passes() -> Option<u64> {
    railhead("status -o json").json()["daemon"]["passes"].as_u64()
}

/// Waits until the daemon that runs makes no more passes, and tells how many it has made.
#[track_caller]
fn at_rest() -> u64 {
    wait_for("the daemon to rest", || {
        let before = passes()?;
        sleep(Duration::from_millis(700));
        (passes() == Some(before)).then_some(before)
    })
}

/// That the daemon that runs comes to rest and leaves it at that. What failed once, twice or three times would be tried
/// again after one second, two, or four.
#[track_caller]
fn assert_no_retry() {
    let made = at_rest();
    sleep(Duration::from_secs(5));
    assert_eq!(passes(), Some(made), "nothing happened that is a reason to look again");
}

/// That there is nothing to do.
#[track_caller]
fn assert_in_force() {
    let plan: Output = railhead("plan --exit-code").ok();
    assert!(plan.stdout.contains("Nothing to do"), "{plan}");
}

/// A process that has the VF's VFIO group open, run by `shell`.
#[track_caller]
fn holder_of(vf: &Vf, shell: &str) -> Running {
    let group = format!("/dev/vfio/{}", vf.iommu_group());
    let holder = Program::new(shell).arg(format!("exec 3<>{group}; exec sleep 1000")).start();
    let file = format!("/proc/{}/fd/3", holder.pid());
    wait_for("the group to be held", || {
        let held = std::fs::read_link(&file).is_ok_and(|path| path.as_os_str() == group.as_str());
        held.then_some(())
    });
    holder
}

/// A kernel module that is neither loaded nor to be found. Dropped: it can be loaded again.
struct MissingModule {
    file: String,
}

impl MissingModule {
    /// Unloads the module whose file is `NAME.ko`, and hides the file.
    #[track_caller]
    fn new(name: &str) -> Self {
        let release = read("/proc/sys/kernel/osrelease");
        let found = run(&format!("find /lib/modules/{release} -name {name}.ko")).ok().stdout;
        let file = found.trim().to_owned();
        run(&format!("rmmod {}", name.replace('-', "_"))).ok();
        run(&format!("mv {file} {file}.away")).ok();
        Self { file }
    }
}

impl Drop for MissingModule {
    fn drop(&mut self) {
        // Without a panic of its own: the test may be panicking already.
        run(&format!("mv {0}.away {0}", self.file));
    }
}

/// The drivers of all VFs.
fn drivers(pf: &Pf) -> Vec<String> {
    pf.vfs().iter().map(|vf| vf.driver().unwrap_or_default()).collect()
}

/// The MAC that the PF has assigned to a VF.
fn admin_mac(vf: &Vf) -> String {
    vf.info()["address"].as_str().expect("an address").to_owned()
}

/// The MAC of a VF's own network interface.
fn own_mac(vf: &Vf) -> String {
    link(&vf.wait_for_netdev())["address"].as_str().expect("an address").to_owned()
}

/// The MTU of a network interface.
fn mtu(netdev: &str) -> u64 {
    link(netdev)["mtu"].as_u64().expect("a number")
}

/// Whether a network interface is set up.
fn is_up(netdev: &str) -> bool {
    let link = link(netdev);
    link["flags"].as_array().expect("flags").iter().any(|flag| flag == "UP")
}
