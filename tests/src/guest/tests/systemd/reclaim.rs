//! Containers that died without a DEL: the daemon gives back what they had, from inside its sandbox.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::{Service, attach, config, wait_until_home};
use crate::guest::Test;
use crate::guest::host::{pf, read, remove_if_there};
use crate::guest::pod::Pod;
use crate::guest::program::run;

pub(super) const TESTS: &[Test] = &[(
    "systemd::reclaim::a_dead_containers_lease_and_device_information_come_back",
    all_comes_back,
)];

const DEVICE: &str = "/var/run/k8s.cni.cncf.io/devinfo/cni/ns-net-c1_net1";
const LEASES: &str = "/var/lib/cni/networks/net";

fn leases() -> Vec<String> {
    let files = fs::read_dir(LEASES).into_iter().flatten().flatten();
    files
        .map(|file| file.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("10."))
        .collect()
}

fn all_comes_back() {
    let service = Service::start();
    let vf = service.shape(&pf(0), 1, "").remove(0);
    let home = vf.wait_for_netdev();
    let range = json!({"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]]});
    let config =
        config(&vf, json!({"ipam": range, "runtimeConfig": {"CNIDeviceInfoFile": DEVICE}}));
    for _ in 0..2 {
        let pod = Pod::new("pod1");
        attach(&vf, &pod, &config);
        assert_eq!(leases().len(), 1);
        assert!(read(DEVICE).contains(&vf.address));
        drop(pod);
        wait_until_home(&vf, &home);
        assert_eq!(leases(), Vec::<String>::new());
        assert!(!Path::new(DEVICE).exists());
    }
    let log = run("journalctl -b -o cat -u railhead").ok().stdout;
    assert!(!log.contains("Read-only file system"), "{log}");
    service.undo();
    for left in ["/run/k8s.cni.cncf.io/devinfo", "/var/lib/cni/networks"] {
        remove_if_there(fs::remove_dir_all(left), left);
    }
}
