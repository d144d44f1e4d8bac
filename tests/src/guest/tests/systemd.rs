//! railhead as Debian runs it: under systemd in its sandbox, beside udev, NetworkManager and networkd.
//!
//! These tests have a machine of their own: see [`debian`](crate::guest::debian).

use serde_json::{Value, json};

use crate::guest::Test;
use crate::guest::cni::Call;
use crate::guest::host::{Pf, Vf, pf};
use crate::guest::pod::Pod;
use crate::guest::program::run;
use crate::guest::railhead::{
    object, policy, railhead, remove_object, settings, wait_until_in_force,
};
use crate::guest::wait::wait_for;

mod managers;
mod names;
mod reclaim;
mod units;

pub(super) const TESTS: &[&[Test]] = &[units::TESTS, managers::TESTS, names::TESTS, reclaim::TESTS];

/// `railhead.service`, with its directories as at boot. Dropped: stopped, and what it did is undone.
struct Service;

impl Service {
    fn start() -> Self {
        run("systemctl stop railhead").ok();
        run("systemd-tmpfiles --create /usr/lib/tmpfiles.d/railhead.conf").ok();
        settings("nodeName: node-a\n");
        run("systemctl start railhead").ok();
        Self
    }

    /// Its process.
    fn pid(&self) -> String {
        property("railhead", "MainPID")
    }

    /// Has a policy for so many VFs of a PF put in force.
    fn shape(&self, pf: &Pf, vfs: u16, more: &str) -> Vec<Vf> {
        object("net.yaml", &policy("net", &pf.name, vfs, more));
        wait_until_in_force();
        run("udevadm settle").ok();
        pf.vfs()
    }

    /// Takes the policy away and waits until that is in force.
    fn undo(&self) {
        remove_object("net.yaml");
        wait_until_in_force();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        run("systemctl stop railhead").ok();
        // A test that failed has left its policy, and VFs.
        for number in 0..2 {
            pf(number).remove_vfs();
        }
    }
}

/// A property of a unit.
#[track_caller]
fn property(unit: &str, name: &str) -> String {
    run(&format!("systemctl show -P {name} {unit}")).ok().stdout.trim().to_owned()
}

/// What udev knows of a network interface.
#[track_caller]
fn udev(netdev: &str) -> String {
    run(&format!("udevadm info -q property /sys/class/net/{netdev}")).ok().stdout
}

/// Whether udev has told network managers to leave it alone.
fn is_left_alone(netdev: &str) -> bool {
    let properties = udev(netdev);
    let has = |line: &str| properties.lines().any(|other| other == line);
    assert_eq!(has("NM_UNMANAGED=1"), has("RAILHEAD_VF=1"), "{properties}");
    has("RAILHEAD_VF=1")
}

/// A config of `sriov` for a VF, with `more` keys.
fn config(vf: &Vf, more: Value) -> Value {
    let mut config = json!({
        "cniVersion": "1.0.0", "name": "net", "type": "sriov", "deviceID": vf.address,
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        config[key] = value.clone();
    }
    config
}

/// Attaches a VF to a pod as `net1`.
#[track_caller]
fn attach(vf: &Vf, pod: &Pod, config: &Value) {
    Call::add("sriov", "c1", pod, config).run().ok();
    assert_eq!(vf.netdev(), None);
}

/// Waits until the VF is home and nothing is attached.
#[track_caller]
fn wait_until_home(vf: &Vf, name: &str) {
    wait_for("the VF to be home", || {
        let attachments = railhead("attachments -o json").ok().json();
        let is_free = attachments["attachments"] == json!([]);
        (is_free && vf.netdev().as_deref() == Some(name)).then_some(())
    });
    run("udevadm settle").ok();
}
