//! From ADD to DEL when nothing goes wrong.

use serde_json::{Value, json};

use super::{Bed, attached};
use crate::guest::Test;
use crate::guest::cni::Call;
use crate::guest::pod::Pod;
use crate::guest::program::run;

pub(super) const TESTS: &[Test] = &[
    ("sriov::from_add_to_del", from_add_to_del),
    ("sriov::vlans_keep_pods_apart", vlans_keep_pods_apart),
];

fn from_add_to_del() {
    let bed = Bed::new(2);
    an_address_a_route_and_a_result(&bed);
    results_of_all_versions(&bed);
    altnames_come_home(&bed);
    del_needs_nothing_but_the_record(&bed);
    each_change_is_logged(&bed);
}

fn an_address_a_route_and_a_result(bed: &Bed) {
    let vf = &bed.vfs[0];
    let mac = crate::guest::host::link(&vf.wait_for_netdev())["address"].clone();
    attached(vf, &bed.config(0, json!({})), |pod, result| {
        assert_eq!(
            *result,
            json!({
                "cniVersion": "1.1.0",
                "interfaces": [{
                    "name": "net1", "mac": mac, "mtu": 1500, "sandbox": pod.path(), "pciID": vf.address,
                }],
                "ips": [{"interface": 0, "address": "10.77.0.2/24", "gateway": "10.77.0.1"}],
                "routes": [{"dst": "10.78.0.0/16", "gw": "10.77.0.1"}],
            })
        );
        assert_eq!(pod.links(), ["net1"]);
        assert_eq!(pod.addresses("net1"), ["10.77.0.2/24"]);
        let link = pod.link("net1");
        assert!(link["flags"].to_string().contains("\"UP\""), "{link}");
        let route = pod.run("ip -j route get 10.78.1.1").ok().json();
        assert_eq!((&route[0]["gateway"], &route[0]["dev"]), (&json!("10.77.0.1"), &json!("net1")));
        for key in ["ipv4/conf/net1/arp_notify", "ipv6/conf/net1/ndisc_notify"] {
            let value = pod.run(&format!("cat /proc/sys/net/{key}")).ok().stdout;
            assert_eq!(value.trim(), "1", "{key}");
        }
        assert_eq!(vf.netdev(), None);
    });
}

fn results_of_all_versions(bed: &Bed) {
    for version in ["", "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        let shown = if version.is_empty() { "0.1.0" } else { version };
        attached(&bed.vfs[0], &bed.config(0, json!({"cniVersion": version})), |_, result| {
            assert_eq!(result["cniVersion"], shown);
            assert_eq!(result["ip4"].is_object(), shown < "0.3.0", "{result}");
            assert_eq!(result["interfaces"].is_array(), shown >= "0.3.0", "{result}");
            assert_eq!(result["ips"][0]["version"] == "4", ("0.3.0".."1.0.0").contains(&shown));
            assert_eq!(result["interfaces"][0]["pciID"].is_string(), shown == "1.1.0", "{result}");
        });
        // Without addresses an old result has nothing to say, and says so without failing.
        let config = bed.config(0, json!({"cniVersion": version, "ipam": {}}));
        attached(&bed.vfs[0], &config, |pod, result| {
            assert_eq!(result["ips"], Value::Null);
            assert_eq!(pod.addresses("net1"), Vec::<String>::new());
            assert!(pod.link("net1")["flags"].to_string().contains("\"UP\""));
        });
    }
}

fn altnames_come_home(bed: &Bed) {
    let vf = &bed.vfs[0];
    let netdev = vf.wait_for_netdev();
    // One of them is the name that the pod's interface is to have.
    for altname in ["left", "net1", "a-name-longer-than-fifteen-characters"] {
        run(&format!("ip link property add dev {netdev} altname {altname}")).ok();
    }
    attached(vf, &bed.config(0, json!({})), |pod, _| {
        pod.run("ip link property add dev net1 altname of-the-pod").ok();
        // A link cannot be renamed to an altname of its own.
        pod.run(&format!("ip link property add dev net1 altname {netdev}")).ok();
    });
    for altname in ["left", "net1", "a-name-longer-than-fifteen-characters"] {
        run(&format!("ip link property del dev {netdev} altname {altname}")).ok();
    }
}

fn vlans_keep_pods_apart() {
    let bed = Bed::new(3);
    let pods = ["left", "right", "other"].map(Pod::new);
    let add = |number: usize, vlan: u16| {
        let config = bed.config(number, json!({"vlan": vlan}));
        let result = Call::add("sriov", &format!("c{number}"), &pods[number], &config).run().ok();
        let address = result["ips"][0]["address"].as_str().expect("an address");
        address.trim_end_matches("/24").to_owned()
    };
    let (_left, right, other) = (add(0, 100), add(1, 100), add(2, 200));
    assert!(pods[0].reaches(&right), "same VLAN");
    assert!(pods[0].does_not_reach(&other), "another VLAN");
    for (number, pod) in pods.iter().enumerate() {
        Call::del("sriov", &format!("c{number}"), pod, &bed.config(number, json!({}))).run().ok();
    }
    super::assert_forgotten();
}

fn del_needs_nothing_but_the_record(bed: &Bed) {
    let vf = &bed.vfs[0];
    let before = crate::guest::vf_state::VfState::of(vf);
    let pod = Pod::new("pod1");
    let keys = json!({"vlan": 100, "trust": "on", "mac": "02:11:22:33:44:55", "mtu": 2000});
    Call::add("sriov", "c1", &pod, &bed.config(0, keys)).run().ok();
    // Another VF, no IPAM, an invalid key, CNI_ARGS that make no sense, no namespace, no CNI_PATH to speak of.
    let config = json!({
        "cniVersion": "0.4.0", "name": "red", "type": "sriov", "deviceID": bed.vfs[1].address, "vlan": 9999,
    });
    let call = Call::new("sriov", "DEL", "c1", &config);
    call.env("CNI_ARGS", "a=b=c").env("CNI_PATH", "/nowhere").run().ok();
    crate::guest::vf_state::assert_unchanged(&before, &crate::guest::vf_state::VfState::of(vf));
    super::assert_forgotten();
    assert_eq!(pod.links(), Vec::<String>::new());
}

/// What stands between the changes of an ADD, to tell how far it came.
const STEPS: [&str; 8] = [
    "ask for the MAC",
    "set VF attributes",
    "move into the container",
    "set up the link",
    "ask for addresses",
    "give addresses",
    "describe the device",
    "finish",
];

/// At level debug, in order; at level warning nothing is said.
fn each_change_is_logged(bed: &Bed) {
    let vf = &bed.vfs[0];
    let netdev = vf.wait_for_netdev();
    let pod = Pod::new("pod1");
    let of = |verb: &str, level: &str| {
        let keys = json!({"vlan": 100, "trust": "on", "mtu": 2000, "logLevel": level});
        let call =
            Call::new("sriov", verb, "c1", &bed.config(0, keys)).env("CNI_NETNS", pod.path());
        let stderr = call.run().output.ok().stderr;
        let change = |line: &str| {
            let text = line.split_once(" level=debug plugin=sriov msg=\"")?.1.trim_end_matches('"');
            (!STEPS.contains(&text)).then(|| text.to_owned())
        };
        (stderr.lines().filter_map(change).collect::<Vec<String>>(), stderr)
    };
    let add = of("ADD", "debug").0;
    let address = pod.addresses("net1").remove(0);
    let pf = &bed.pf.address;
    assert_eq!(
        add,
        [
            format!("set VF 0 of {pf}: vlan 100 qos 0 802.1q, trust on"),
            format!("move {netdev} to /run/netns/pod1 as net1"),
            "set net1: mtu 2000".to_owned(),
            "set net1: arp_notify 1".to_owned(),
            "set net1: ndisc_notify 1".to_owned(),
            "set net1: up".to_owned(),
            format!("add net1: address {address}"),
            "add net1: route to 10.78.0.0/16".to_owned(),
        ]
    );
    let del = of("DEL", "debug").0;
    assert_eq!(
        del,
        [
            format!("move net1 home as {netdev}"),
            format!("set {netdev}: mtu 1500"),
            format!("set VF 0 of {pf}: vlan 0 qos 0 802.1q, trust off"),
        ]
    );
    for verb in ["ADD", "DEL"] {
        assert_eq!(of(verb, "warning").1, "");
    }
}
