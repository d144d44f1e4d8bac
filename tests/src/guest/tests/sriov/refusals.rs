//! Calls that fail: with one error that names the cause, and with everything as it was.

use serde_json::{Value, json};

use super::fake_ipam::FakeIpam;
use super::{Bed, assert_forgotten};
use crate::guest::Test;
use crate::guest::cni::Call;
use crate::guest::host::pf;
use crate::guest::pod::Pod;
use crate::guest::program::run;
use crate::guest::railhead::{forget_that_there_was_a_store, railhead};
use crate::guest::vf_state::{VfState, assert_unchanged};

pub(super) const TESTS: &[Test] = &[
    ("sriov::refusals_change_nothing", refusals_change_nothing),
    ("sriov::an_ipam_that_fails_leaves_nothing", an_ipam_that_fails_leaves_nothing),
    ("sriov::an_ipam_that_takes_nothing_back", an_ipam_that_takes_nothing_back),
];

fn refusals_change_nothing() {
    let bed = Bed::new(1);
    a_config_that_is_wrong_touches_nothing(&bed);
    what_the_driver_refuses_is_undone(&bed);
    a_name_that_is_taken_is_left_alone(&bed);
    an_altname_that_is_taken_is_told(&bed);
    namespaces_that_are_none(&bed);
    a_vf_is_attached_once(&bed);
    a_vf_that_somebody_moved(&bed);
    a_vf_that_the_host_uses(&bed);
    state_that_cannot_be_kept(&bed);
    where_hardly_anything_is_left(&bed);
}

/// ADD fails with this code, its message holds these words, and the VF is as before.
#[track_caller]
fn refused(bed: &Bed, pod: &Pod, config: &Value, code: u64, words: &[&str]) {
    let before = VfState::of(&bed.vfs[0]);
    let error = Call::add("sriov", "c1", pod, config).run().error(code);
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{word:?} was expected in {text}");
    }
    assert_unchanged(&before, &VfState::of(&bed.vfs[0]));
    assert_forgotten();
    assert!(!pod.links().contains(&"net1".to_owned()));
    // The runtime's DEL that follows has nothing to do.
    Call::del("sriov", "c1", pod, config).run().ok();
    assert_unchanged(&before, &VfState::of(&bed.vfs[0]));
}

fn a_vf_that_the_host_uses(bed: &Bed) {
    let pod = Pod::new("pod1");
    let netdev = bed.vfs[0].wait_for_netdev();
    run(&format!("ip link set {netdev} up")).ok();
    for (set_up, take_off, sign) in [
        (
            "ip addr add 198.51.100.7/24 dev VF",
            "ip addr del 198.51.100.7/24 dev VF",
            "address 198.51.100.7",
        ),
        (
            "ip link add link VF name st100 type vlan id 100",
            "ip link del st100",
            "st100 stands on it",
        ),
        (
            "ip route add 203.0.113.0/24 dev VF",
            "ip route del 203.0.113.0/24",
            "route to 203.0.113.0/24",
        ),
        ("tc qdisc add dev VF clsact", "tc qdisc del dev VF clsact", "clsact"),
        ("ip link add link VF name mv0 type macvlan", "ip link del mv0", "mv0 stands on it"),
    ] {
        run(&set_up.replace("VF", &netdev)).ok();
        refused(
            bed,
            &pod,
            &bed.config(0, json!({})),
            11,
            &[&bed.vfs[0].address, sign, "pods are to have"],
        );
        run(&take_off.replace("VF", &netdev)).ok();
    }
    run("ip link add hbr type bridge").ok();
    run(&format!("ip link set {netdev} master hbr")).ok();
    refused(bed, &pod, &bed.config(0, json!({})), 11, &["port of hbr"]);
    run("ip link del hbr").ok();
    // Up, with a link-local address and the kernel's own routes, it is nobody's.
    Call::add("sriov", "c1", &pod, &bed.config(0, json!({}))).run().ok();
    Call::del("sriov", "c1", &pod, &bed.config(0, json!({}))).run().ok();
    run(&format!("ip link set {netdev} down")).ok();
}

fn a_config_that_is_wrong_touches_nothing(bed: &Bed) {
    let pod = Pod::new("pod1");
    let pf_address = pf(0).address;
    for (keys, code, words) in [
        (json!({"deviceID": null}), 7, &["deviceID", "resourceName"][..]),
        (json!({"deviceID": "0000:99:10.0"}), 7, &["0000:99:10.0", "no PCI device"]),
        (json!({"deviceID": pf_address}), 7, &["it is a PF"]),
        (json!({"deviceID": "x"}), 7, &["deviceID"]),
        (json!({"vlan": 4095}), 7, &["vlan", "4095"]),
        (json!({"vlan": "100"}), 7, &["vlan", "whole number"]),
        (json!({"spoofchk": "On"}), 7, &["spoofchk", "On"]),
        (json!({"trust": true}), 7, &["trust", "true"]),
        (json!({"link_state": "up"}), 7, &["link_state"]),
        (json!({"mac": "01:00:5e:00:00:01"}), 7, &["mac", "unicast"]),
        (json!({"mtu": 9500}), 7, &["mtu", "9500", "9216"]),
        (json!({"ipam": {"type": "../evil"}}), 7, &["ipam.type"]),
        (json!({"ipam": {"type": "nowhere"}}), 7, &["nowhere", "CNI_PATH"]),
        (json!({"ipam": {"type": "nv-ipam", "poolName": "green"}}), 11, &["ippool/green"]),
    ] {
        refused(bed, &pod, &bed.config(0, keys), code, words);
    }
}

fn what_the_driver_refuses_is_undone(bed: &Bed) {
    let pod = Pod::new("pod1");
    for (keys, words) in [
        // In the kernel's order MAC and VLAN come first, and stay when a later one is refused.
        (
            json!({"mac": "02:11:22:33:44:55", "vlan": 100, "spoofchk": "off", "link_state": "enable"}),
            &["VF 0 of", "link state enable", "not supported"][..],
        ),
        (json!({"vlan": 5, "vlanProto": "802.1ad"}), &["VF 0 of", "802.1ad"]),
        (json!({"vlan": 7, "max_tx_rate": 4_000_000}), &["VF 0 of", "max_tx_rate 4000000"]),
        (json!({"trust": "on", "min_tx_rate": 50}), &["VF 0 of", "min_tx_rate 50"]),
    ] {
        refused(bed, &pod, &bed.config(0, keys), 100, words);
    }
}

fn a_name_that_is_taken_is_left_alone(bed: &Bed) {
    let pod = Pod::new("pod1");
    pod.run("ip link add net1 type dummy").ok();
    pod.run("ip addr add 192.0.2.1/24 dev net1").ok();
    let theirs = pod.link("net1");
    let before = VfState::of(&bed.vfs[0]);
    let error = Call::add("sriov", "c1", &pod, &bed.config(0, json!({"vlan": 5}))).run().error(4);
    assert!(error.to_string().contains("net1"), "{error}");
    assert_unchanged(&before, &VfState::of(&bed.vfs[0]));
    Call::del("sriov", "c1", &pod, &bed.config(0, json!({}))).run().ok();
    assert_eq!(pod.link("net1"), theirs);
    // The VF's name on the host may be taken in the pod: it never has that name there.
    pod.run("ip link del net1").ok();
    pod.run(&format!("ip link add {} type dummy", bed.vfs[0].wait_for_netdev())).ok();
    Call::add("sriov", "c1", &pod, &bed.config(0, json!({}))).run().ok();
    Call::del("sriov", "c1", &pod, &bed.config(0, json!({}))).run().ok();
    assert_unchanged(&before, &VfState::of(&bed.vfs[0]));
}

fn an_altname_that_is_taken_is_told(bed: &Bed) {
    let pod = Pod::new("pod1");
    pod.run("ip link add left type dummy").ok();
    run(&format!("ip link property add dev {} altname left", bed.vfs[0].wait_for_netdev())).ok();
    let keys = json!({"vlan": 100});
    refused(bed, &pod, &bed.config(0, keys), 100, &["altnames (left)"]);
    assert_eq!(pod.links(), ["left"]);
    run(&format!("ip link property del dev {} altname left", bed.vfs[0].wait_for_netdev())).ok();
}

fn namespaces_that_are_none(bed: &Bed) {
    let before = VfState::of(&bed.vfs[0]);
    std::fs::write("/tmp/plain", "").expect("a plain file");
    for path in ["/run/netns/nowhere", "/tmp/plain", "/proc/self/ns/mnt", "/proc/1/ns/net"] {
        let config = bed.config(0, json!({"vlan": 100}));
        let call = Call::new("sriov", "ADD", "c1", &config).env("CNI_NETNS", path);
        let error = call.run().error(8);
        assert!(error["msg"].to_string().contains(path), "{error}");
        assert_unchanged(&before, &VfState::of(&bed.vfs[0]));
        Call::new("sriov", "DEL", "c1", &config).env("CNI_NETNS", path).run().ok();
        assert_unchanged(&before, &VfState::of(&bed.vfs[0]));
    }
}

/// Each way in which a foreign IPAM can fail after the VF is in the pod.
fn an_ipam_that_fails_leaves_nothing() {
    let bed = Bed::new(1);
    let pod = Pod::new("pod1");
    for (answer, code, words) in [
        (r#"echo '{"code":11,"msg":"none left"}'; exit 1"#, 11, "none left"),
        ("echo out of cheese; exit 3", 999, "out of cheese"),
        ("echo hello", 6, "no JSON"),
        (r#"echo '{"cniVersion":"1.1.0"}'"#, 6, "no address"),
        (r#"echo '{"cniVersion":"1.1.0","ips":[{"address":"10.0.0.5/99"}]}'"#, 6, "result"),
        (r#"echo '{"cniVersion":"1.1.0","ips":[{"address":"10.1.1.2"}]}'"#, 6, "10.1.1.2"),
        (r#"echo '{"cniVersion":"1.1.0","ips":[{"address":"0.0.0.0/0"}]}'"#, 6, "0.0.0.0/0"),
        (r#"echo '{"cniVersion":"1.1.0","ips":[{"address":"ff02::5/64"}]}'"#, 6, "ff02::5/64"),
        // The plugin's own codes.
        (r#"echo '{"code":100,"msg":"pool exhausted"}'; exit 1"#, 100, "pool exhausted"),
        (r#"echo '{"code":4711,"msg":"none of yours"}'; exit 1"#, 4711, "none of yours"),
        (r#"echo '{"code":12,"msg":"reserved"}'; exit 1"#, 12, "reserved"),
        // Addresses that the kernel refuses to route by.
        (
            r#"echo '{"cniVersion":"1.1.0","ips":[{"address":"10.0.0.5/24"}],"routes":[{"dst":"1.0.0.0/8","gw":"9.9.9.9"}]}'"#,
            100,
            "add route 1.0.0.0/8",
        ),
    ] {
        let ipam =
            FakeIpam::running("fake", &format!("[ $CNI_COMMAND = ADD ] || exit 0\n{answer}"));
        let config = bed.config(0, json!({"vlan": 100, "trust": "on", "ipam": {"type": "fake"}}));
        refused(&bed, &pod, &config, code, &[words]);
        // ADD, its own DEL, and the runtime's.
        assert_eq!(ipam.calls(), ["ADD c1", "DEL c1", "DEL c1"], "{answer}");
    }
    for answer in REFUSALS {
        // As host-local reads its config and dhcp looks for its daemon first, whatever the verb.
        let ipam = FakeIpam::running("fake", answer);
        let config = bed.config(0, json!({"vlan": 100, "ipam": {"type": "fake"}}));
        let error = Call::add("sriov", "c1", &pod, &config).run();
        assert_eq!(error.output.status, 1, "{}", error.output);
        assert_forgotten();
        for netns in [pod.path(), String::new()] {
            let call = Call::new("sriov", "DEL", "c1", &config).env("CNI_NETNS", netns);
            assert_eq!(call.run().ok(), Value::Null, "{answer}");
        }
        assert_eq!(ipam.calls(), ["ADD c1", "DEL c1", "DEL c1", "DEL c1"], "{answer}");
        assert!(railhead("attachments").ok().stdout.contains("nothing is attached"));
    }
}

/// What a plugin says to every verb with a config that it does not understand.
const REFUSALS: [&str; 3] = [
    r#"echo '{"cniVersion":"1.0.0","code":999,"msg":"invalid CIDR address: 10.0.0.0"}'; exit 1"#,
    r#"echo '{"code":100,"msg":"dial unix /run/cni/dhcp.sock: no such file"}'; exit 1"#,
    "echo out of cheese; exit 3",
];

/// It gave an address, and will never take it back: nobody else fails by that.
fn an_ipam_that_takes_nothing_back() {
    let bed = Bed::new(1);
    let other = Pod::new("pod2");
    let before = VfState::of(&bed.vfs[0]);
    for answer in REFUSALS {
        let pod = Pod::new("pod1");
        let gives = r#"[ $CNI_COMMAND = ADD ] && echo '{"cniVersion":"1.1.0","ips":[{"address":"10.79.0.2/24"}]}' && exit 0"#;
        let _ipam = FakeIpam::running("fake", &format!("{gives}\n{answer}"));
        let config = bed.config(0, json!({"vlan": 100, "ipam": {"type": "fake"}}));
        Call::add("sriov", "c1", &pod, &config).run().ok();
        let failed = Call::del("sriov", "c1", &pod, &config).run();
        assert_eq!(failed.output.status, 1, "{}", failed.output);
        assert!(failed.document["details"].to_string().contains("attachments drop c1 net1"));
        assert_unchanged(&before, &VfState::of(&bed.vfs[0]));
        let own = bed.config(0, json!({}));
        Call::add("sriov", "c2", &other, &own).run().ok();
        Call::del("sriov", "c2", &other, &own).run().ok();
        let gone = bed.config(0, json!({"cni.dev/valid-attachments": []}));
        Call::new("sriov", "GC", "unused", &gone).run().ok();
        // The pod has ended in spite of it, as when somebody removes its finalizer.
        drop(pod);
        let applied = railhead("apply").ok();
        assert!(applied.stderr.contains("warning: DEL of plugin fake"), "{applied}");
        for verb in ["status", "doctor"] {
            let shown = railhead(verb).stdout;
            assert!(shown.contains("railhead attachments drop c1 net1"), "{verb}: {shown}");
        }
        railhead("attachments drop c1 net1").ok();
        assert_forgotten();
        assert!(!railhead("status").stdout.contains("attachments drop"));
    }
}

fn a_vf_is_attached_once(bed: &Bed) {
    let pods = ["pod1", "pod2"].map(Pod::new);
    let config = bed.config(0, json!({}));
    Call::add("sriov", "first", &pods[0], &config).run().ok();
    let error = Call::add("sriov", "second", &pods[1], &config).run().error(11);
    assert!(error.to_string().contains("first"), "the holder is named: {error}");
    Call::del("sriov", "second", &pods[1], &config).run().ok();
    assert_eq!(pods[0].links(), ["net1"], "the DEL of the loser leaves the winner alone");
    let again = Call::add("sriov", "first", &pods[0], &config).run().error(4);
    assert!(again.to_string().contains("net1"), "{again}");
    Call::del("sriov", "first", &pods[0], &config).run().ok();
    assert_forgotten();
}

/// By hand, with nothing recorded.
fn a_vf_that_somebody_moved(bed: &Bed) {
    let (pod, owner) = (Pod::new("pod1"), Pod::new("owner"));
    let netdev = bed.vfs[0].wait_for_netdev();
    run(&format!("ip link set {netdev} netns owner")).ok();
    let config = bed.config(0, json!({"vlan": 100}));
    let error = Call::add("sriov", "c1", &pod, &config).run().error(11);
    assert!(error["msg"].to_string().contains("no network interface on the host"), "{error}");
    assert!(error["details"].to_string().contains("another container's namespace"), "{error}");
    Call::del("sriov", "c1", &pod, &config).run().ok();
    assert_eq!(owner.links(), std::slice::from_ref(&netdev));
    assert_forgotten();
    owner.run(&format!("ip link set {netdev} netns 1")).ok();
}

/// A file system of its own under the state: full, and read-only. What is attached comes home all the same.
fn state_that_cannot_be_kept(bed: &Bed) {
    let state = "/run/railhead";
    drop(std::fs::remove_dir_all(state));
    forget_that_there_was_a_store();
    std::fs::create_dir_all(state).expect("make a directory");
    run(&format!("mount -t tmpfs -o size=768k tmpfs {state}")).ok();
    let pod = Pod::new("pod1");
    let config = bed.config(0, json!({"vlan": 100, "trust": "on"}));
    let before = VfState::of(&bed.vfs[0]);
    Call::add("sriov", "c1", &pod, &config).run().ok();
    run(&format!("dd if=/dev/zero of={state}/ballast bs=4k"));
    Call::del("sriov", "c1", &pod, &config).run().ok();
    assert_unchanged(&before, &VfState::of(&bed.vfs[0]));
    assert!(pod.links().is_empty());

    run(&format!("dd if=/dev/zero of={state}/ballast bs=4k conv=notrunc oflag=append"));
    let error = Call::add("sriov", "c1", &pod, &config).run().error(11);
    assert!(error.to_string().contains("state.mdb is full"), "{error}");
    assert_unchanged(&before, &VfState::of(&bed.vfs[0]));
    Call::del("sriov", "c1", &pod, &config).run().ok();
    std::fs::remove_file(format!("{state}/ballast")).expect("make room");
    assert_forgotten();

    run(&format!("mount -o remount,ro {state}")).ok();
    let error = Call::add("sriov", "c1", &pod, &config).run().error(5);
    assert!(error.to_string().contains("Read-only file system"), "{error}");
    assert_unchanged(&before, &VfState::of(&bed.vfs[0]));
    for keys in [json!({}), json!({"ipam": {}})] {
        let error = Call::new("sriov", "STATUS", "unused", &bed.config(0, keys)).run().error(50);
        assert!(error.to_string().contains("Read-only file system"), "{error}");
    }
    run(&format!("umount {state}")).ok();
    forget_that_there_was_a_store();
}

/// A runtime closes what it likes.
fn where_hardly_anything_is_left(bed: &Bed) {
    let pod = Pod::new("pod1");
    let config = bed.config(0, json!({"vlan": 100, "mac": "02:11:22:33:44:55"}));
    let before = VfState::of(&bed.vfs[0]);
    for before_it in ["exec 2>&-", "ulimit -n 32", "mkdir /tmp/gone; cd /tmp/gone; rmdir /tmp/gone"]
    {
        for verb in ["ADD", "DEL"] {
            let call = Call::new("sriov", verb, "c1", &config).env("CNI_NETNS", pod.path());
            call.after(before_it).run().ok();
        }
        assert_unchanged(&before, &VfState::of(&bed.vfs[0]));
        assert_forgotten();
    }
}
