//! Addresses by the reference `dhcp` plugin: its daemon asks over the VF, in the pod, while our ADD waits.

use std::fs;

use serde_json::{Value, json};

use super::super::{Bed, assert_forgotten};
use crate::guest::cni::{self, Call};
use crate::guest::host::put;
use crate::guest::pod::Pod;
use crate::guest::program::Program;
use crate::guest::vf_state::{VfState, assert_unchanged};
use crate::guest::wait::wait_for;

const SOCKET: &str = "/run/cni/dhcp.sock";

const SERVER: &str = "/tmp/udhcpd.conf";

/// Another pod's VF of the same PF serves; the container is asked for again, and given back.
pub(super) fn addresses_by_dhcp() {
    let bed = Bed::new(2);
    let before = VfState::of(&bed.vfs[0]);
    let statics = json!({"type": "static", "addresses": [{"address": "10.79.0.1/24"}]});
    let path = format!("{}:{}", cni::BIN, cni::REFERENCE);
    let server = Pod::new("server");
    let serving = bed.config(1, json!({"cniVersion": "1.0.0", "ipam": statics}));
    let call = |verb: &str, pod: &Pod, config: &Value| {
        Call::new("sriov", verb, pod.name(), config)
            .env("CNI_PATH", &*path)
            .env("CNI_NETNS", pod.path())
            .run()
    };
    call("ADD", &server, &serving).ok();
    put(
        SERVER,
        "start 10.79.0.50\nend 10.79.0.59\ninterface net1\noption subnet 255.255.255.0\noption router 10.79.0.1\nlease_file /tmp/udhcpd.leases\n",
    );
    put("/tmp/udhcpd.leases", "");
    let serves = server.program(&format!("udhcpd -f {SERVER}")).start();
    fs::create_dir_all("/run/cni").expect("make a directory");
    let client = format!(
        "{}/dhcp daemon -socketpath {SOCKET} -timeout 5s -resendtimeout 15s",
        cni::REFERENCE
    );
    let daemon = Program::new(&client).start();
    wait_for("the DHCP client", || fs::exists(SOCKET).unwrap_or(false).then_some(()));

    let pod = Pod::new("pod1");
    let ipam = json!({"type": "dhcp", "daemonSocketPath": SOCKET});
    let config = bed.config(0, json!({"cniVersion": "1.0.0", "ipam": ipam}));
    for _ in 0..2 {
        let result = call("ADD", &pod, &config).ok();
        let address = result["ips"][0]["address"].as_str().expect("an address").to_owned();
        assert!(address.starts_with("10.79.0.5") && address.ends_with("/24"), "{result}");
        assert!(pod.addresses("net1").contains(&address), "{address}");
        assert!(pod.reaches("10.79.0.1"));
        let mut checked = config.clone();
        checked["prevResult"] = result;
        call("CHECK", &pod, &checked).ok();
        call("DEL", &pod, &config).ok();
        assert_unchanged(&before, &VfState::of(&bed.vfs[0]));
    }
    // Nobody answers: the client's own deadline ends it, and nothing is left.
    serves.kill();
    let reply = call("ADD", &pod, &config);
    assert!(reply.output.status == 1, "{}", reply.output);
    assert!(reply.output.stdout.contains("plugin dhcp"), "{}", reply.output);
    call("DEL", &pod, &config).ok();
    let client = daemon.kill();
    let count = |words: &str| client.stderr.matches(words).count();
    // The lease goes back over the interface, so before that leaves the pod.
    assert_eq!((count("lease acquired"), count("failed to release")), (2, 0), "{client}");
    call("DEL", &server, &serving).ok();
    assert_unchanged(&before, &VfState::of(&bed.vfs[0]));
    assert_forgotten();
    for file in [SERVER, "/tmp/udhcpd.leases", SOCKET] {
        // The socket goes with its daemon, or stays.
        drop(fs::remove_file(file));
    }
    fs::remove_dir("/run/cni").expect("remove a directory");
}
