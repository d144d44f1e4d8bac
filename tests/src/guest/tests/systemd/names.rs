//! A pod calls its interface as it likes: nothing on the host takes that for a command.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Service, attach, config, is_left_alone, wait_until_home};
use crate::guest::Test;
use crate::guest::cni::Call;
use crate::guest::host::pf;
use crate::guest::pod::Pod;

pub(super) const TESTS: &[Test] = &[(
    "systemd::names::what_a_pod_calls_its_vf_is_never_executed",
    what_a_pod_calls_its_vf_is_never_executed,
)];

/// Fifteen octets at most, neither white space nor slash nor colon. Each would make a file `P`, or mean something to
/// udev.
const NAMES: [&str; 12] = [
    "$(touch${IFS}P)",
    "$(>P)",
    "`>P`",
    ";>P;",
    "|>P|",
    "&>P&",
    "'\";>P;'\"",
    "\">P\"",
    "$devpath",
    "$env{ID_PATH}",
    "-rf",
    "..P",
];

/// Where a child of udev's, of the daemon's or of ours would make it.
fn made() -> Vec<PathBuf> {
    let places = ["/", "/run", "/root", "/tmp", "/usr/lib/udev", "/run/railhead"];
    let files = places.into_iter().map(|place| Path::new(place).join("P"));
    files.filter(|file| file.exists()).collect()
}

fn what_a_pod_calls_its_vf_is_never_executed() {
    let service = Service::start();
    let vf = service.shape(&pf(0), 1, "").remove(0);
    let home = vf.wait_for_netdev();
    assert!(is_left_alone(&home));
    for (number, name) in NAMES.into_iter().enumerate() {
        let pod = Pod::new("pod1");
        let config = config(&vf, json!({}));
        attach(&vf, &pod, &config);
        pod.program("ip link set dev net1 name").arg(name).run().ok();
        assert_eq!(pod.links(), [name]);
        // The pod dies, or DEL comes: in both the kernel moves it under the pod's name.
        if number % 2 == 0 {
            drop(pod);
        } else {
            Call::del("sriov", "c1", &pod, &config).run().ok();
        }
        wait_until_home(&vf, &home);
        assert_eq!(made(), Vec::<PathBuf>::new(), "{name}");
        assert!(is_left_alone(&home), "{name}");
    }
    service.undo();
}
