//! An administrator works on the NICs, and railhead leaves them alone.

use super::{drivers, drop_and_wait, first_pass, passes, put_policy};
use crate::guest::Test;
use crate::guest::host::{Pf, pf, put};
use crate::guest::railhead::{Daemon, policy, railhead};
use crate::guest::wait::wait_for;

pub(super) const TESTS: &[Test] =
    &[("daemon::pause::drift_stays_until_the_pause_ends", drift_stays_until_the_pause_ends)];

const PAUSED: &str = "/var/lib/railhead/pause.json";

/// Takes the driver of VF 0 away and waits until the daemon has looked.
fn drift(pf: &Pf) {
    let before = passes().expect("a daemon");
    pf.vfs()[0].unbind();
    wait_for("the daemon to look", || passes().filter(|now| *now > before));
}

fn drift_stays_until_the_pause_ends() {
    let daemon = Daemon::start();
    put_policy("net", "enp1s0", 1, "");
    railhead("apply").ok();
    let pf = pf(0);
    wait_for("the VF's driver", || (drivers(&pf) == ["igbvf"]).then_some(()));

    railhead("pause --reason firmware").ok();
    drift(&pf);
    assert_eq!(drivers(&pf), [""], "nobody repairs it");
    let status = railhead("status -o json").failed_with(1).json();
    assert_eq!(status["pause"]["reason"], "firmware");
    put("/root/set/net.yaml", &policy("net", "enp1s0", 2, ""));
    let refused = railhead("apply -f /root/set").failed_with(1);
    assert!(refused.stderr.contains("railhead resume"), "{refused}");
    let stored = crate::guest::host::read("/etc/railhead/objects/net.yaml");
    assert!(stored.contains("numVfs: 1"), "nothing is replaced: {stored}");

    // Killed, and started again: the first pass of the new one leaves the VF alone too.
    drop(daemon);
    let daemon = Daemon::start();
    first_pass();
    assert_eq!(drivers(&pf), [""]);

    railhead("resume").ok();
    assert_eq!(drivers(&pf), ["igbvf"], "resume waits for the repair");

    // One that ends by itself: no event tells the daemon, only its own clock.
    railhead("pause --for 3s").ok();
    drift(&pf);
    assert_eq!(drivers(&pf), [""]);
    wait_for("the pause to end", || (drivers(&pf) == ["igbvf"]).then_some(()));
    wait_for("its record to go", || (!std::path::Path::new(PAUSED).exists()).then_some(()));
    drop_and_wait("net");
    daemon.stop().ok();
}
