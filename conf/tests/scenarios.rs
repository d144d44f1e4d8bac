//! Policies as an administrator meets them: what is refused when it is written, and what many of
//! them come to on one node. `docs/scenarios.md` says what each is about.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use std::collections::BTreeMap;

use conf::desired::{Desired, Node, Pf, fold};
use conf::object::{Object, read};
use conf::policy::{DeviceType, EswitchMode, LinkType, Policy, VdpaType};
use conf::{PciAddress, PciId};
use serde_json::{Value, json};

fn document(name: &str, more: &Value) -> Value {
    let mut spec = json!({
        "resourceName": "net", "nodeSelector": {}, "numVfs": 7,
        "nicSelector": {"pfNames": ["eth0"]},
    });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    json!({
        "apiVersion": "sriovnetwork.openshift.io/v1", "kind": "SriovNetworkNodePolicy",
        "metadata": {"name": name, "namespace": "sriov-network-operator"}, "spec": spec,
    })
}

/// A policy for seven VFs of `eth0`, with `more` in its spec.
fn policy(name: &str, more: Value) -> Policy {
    let read = read(document(name, &more));
    assert_eq!(read.warnings, []);
    match read.object {
        Ok(Object::Policy(policy)) => policy,
        other => panic!("{other:?}"),
    }
}

/// Asserts that the policy is refused, and that every one of `parts` is told.
#[track_caller]
fn refused(more: Value, parts: &[&str]) {
    let told = match read(document("p", &more)).object {
        Err(violations) => violations.0.iter().map(ToString::to_string).collect::<Vec<_>>(),
        Ok(object) => panic!("{more} is accepted: {object:?}"),
    };
    let told = told.join("\n");
    for part in parts {
        assert!(told.contains(part), "{part} in {told}");
    }
}

fn address(function: u8) -> PciAddress {
    PciAddress::new(0, 1, 0, function).unwrap()
}

/// Two 82576 with seven VFs at most: `eth0`, with the altname `blue`, and `eth1`.
fn node() -> Node {
    let pf = |function: u8, altnames: &[&str]| Pf {
        address: address(function),
        name: Some(format!("eth{function}").parse().unwrap()),
        altnames: altnames.iter().map(ToString::to_string).collect(),
        vendor: PciId::new(0x8086),
        device: PciId::new(0x10c9),
        vf_device: PciId::new(0x10ca),
        total_vfs: 7,
        link_type: Some(LinkType::Ethernet),
        switchdev: false,
    };
    let pfs = vec![pf(0, &["blue"]), pf(1, &[])];
    Node { name: "n1".to_owned(), labels: BTreeMap::new(), pfs, others: Vec::new() }
}

fn names(names: &[&str]) -> Value {
    json!({ "pfNames": names })
}

/// The groups of a PF: `POLICY RESOURCE FIRST-LAST`.
fn groups(desired: &Desired, function: u8) -> Vec<String> {
    let groups = desired.pfs.get(&address(function)).map(|pf| pf.groups.as_slice());
    let text = |group: &conf::desired::VfGroup| {
        format!("{} {} {}", group.policy, group.resource, group.range)
    };
    groups.unwrap_or_default().iter().map(text).collect()
}

/// What a policy is told of a PF.
fn told(desired: &Desired, policy: &str, function: u8) -> String {
    desired.policies[policy].pfs[&address(function)].to_string()
}

#[test]
fn a01_a_policy_as_upstream_documents_it() {
    let policy = policy(
        "policy-1",
        json!({
            "deviceType": "vfio-pci", "mtu": 1500, "numVfs": 4, "priority": 90,
            "nicSelector": {
                "deviceID": "158b", "rootDevices": ["0000:86:00.0"], "vendor": "8086",
            },
            "nodeSelector": {"feature.node.kubernetes.io/network-sriov.capable": "true"},
            "resourceName": "intelnics",
        }),
    );
    assert_eq!((policy.num_vfs, policy.priority.get()), (4, 90));
    assert_eq!(policy.device_type, DeviceType::VfioPci);
}

#[test]
fn a02_what_is_not_said_has_upstreams_defaults() {
    let policy = policy("p", json!({}));
    assert_eq!(policy.device_type, DeviceType::NetDevice);
    assert_eq!((policy.priority.get(), policy.is_rdma, policy.mtu), (99, false, None));
}

#[test]
fn a03_numbers_and_words_outside_of_their_sets() {
    refused(json!({"priority": -1}), &["spec.priority: -1", "between 0"]);
    refused(json!({"priority": 100}), &["spec.priority: 100"]);
    refused(json!({"numVfs": -1}), &["spec.numVfs: -1"]);
    refused(json!({"numVfs": 65536}), &["spec.numVfs: 65536"]);
    refused(json!({"mtu": 67}), &["spec.mtu: 67"]);
    for (field, words) in [
        ("deviceType", "netdevice or vfio-pci"),
        ("eSwitchMode", "legacy or switchdev"),
        ("linkType", "eth or ETH or ib or IB"),
        ("vdpaType", "virtio or vhost"),
    ] {
        refused(json!({field: "x"}), &[&format!("spec.{field}: \"x\""), words]);
    }
}

#[test]
fn a04_an_empty_selector_selects_nothing_and_is_refused() {
    refused(json!({"nicSelector": {}}), &["spec.nicSelector", "matches no NIC"]);
}

#[test]
fn a05_resource_names() {
    let long = "a".repeat(64);
    for name in ["", "a b", "-x", &long] {
        refused(json!({"resourceName": name}), &["spec.resourceName"]);
    }
    policy("p", json!({"resourceName": "a_b-1"}));
}

#[test]
fn a06_net_filter_stands_alone_and_is_one_of_a_cloud() {
    let network = "openstack/NetworkID:ada9ec67-2c97-467c-b674-c47200e2f5da";
    let alone = policy("p", json!({"nicSelector": {"netFilter": network}}));
    assert_eq!(alone.nic.net_filter.as_ref().unwrap().to_string(), network);
    let desired = fold(&[alone], &node());
    assert!(desired.pfs.is_empty());
    let why = desired.policies["p"].no_match.as_ref().unwrap().to_string();
    assert!(why.contains("OpenStack and AWS"), "{why}");
    for field in ["vendor", "deviceID"] {
        let both = json!({"netFilter": network, field: "8086"});
        refused(json!({"nicSelector": both}), &["spec.nicSelector.netFilter", "alone"]);
    }
    refused(json!({"nicSelector": {"netFilter": "here"}}), &["openstack/NetworkID:UUID"]);
}

#[test]
fn a07_ranges_of_pf_names() {
    for name in ["eth0#3-1", "eth0#a-b", "eth0#0-1#2", "eth0#0-7"] {
        refused(json!({"nicSelector": names(&[name])}), &["spec.nicSelector.pfNames[0]", name]);
    }
    policy("p", json!({"nicSelector": names(&["eth0#0-6"])}));
}

#[test]
fn a08_ranges_that_overlap_are_told_to_the_loser() {
    let one = policy("one", json!({"nicSelector": names(&["eth0#0-3"]), "priority": 10}));
    for overlapping in [&["eth0#2-5"][..], &["eth0"], &["eth1#0-1", "eth1#2-2", "eth0#3-4"]] {
        let two = policy("two", json!({"nicSelector": names(overlapping), "resourceName": "b"}));
        let desired = fold(&[one.clone(), two], &node());
        assert_eq!(groups(&desired, 0), ["one net 0-3"]);
        let told = told(&desired, "two", 0);
        assert!(told.contains("lost to policy one (its VFs 0-3 overlap"), "{told}");
    }
}

#[test]
fn a09_fields_that_contradict_each_other() {
    refused(json!({"deviceType": "vfio-pci", "isRdma": true}), &["spec.isRdma"]);
    refused(json!({"eSwitchMode": "switchdev", "linkType": "ib"}), &["spec.eSwitchMode"]);
    refused(json!({"vdpaType": "vhost"}), &["spec.vdpaType"]);
    refused(json!({"bridge": {"ovs": {}}}), &["spec.bridge.ovs"]);
}

#[test]
fn a10_more_vfs_than_the_pf_can_have() {
    let desired = fold(&[policy("p", json!({"numVfs": 8}))], &node());
    let told = told(&desired, "p", 0);
    for part in ["eth0", "8 VFs", "7 at most"] {
        assert!(told.contains(part), "{told}");
    }
    assert!(!desired.pfs[&address(0)].refused.is_empty(), "nothing is touched");
}

#[test]
fn a11_a_policy_may_be_there_before_its_nic() {
    let policies = [policy("p", json!({}))];
    let bare = Node { pfs: Vec::new(), ..node() };
    let before = fold(&policies, &bare);
    assert!(before.pfs.is_empty());
    assert!(before.policies["p"].no_match.is_some());
    assert_eq!(groups(&fold(&policies, &node()), 0), ["p net 0-6"]);
}

#[test]
fn a12_what_is_unknown_is_warned_about_and_upstreams_own_is_ignored() {
    let warnings = read(document("p", &json!({"numVFs": 3}))).warnings;
    assert!(warnings[0].to_string().contains("did you mean numVfs"), "{warnings:?}");
    let own = read(document("default", &json!({"numVfs": 0})));
    assert!(!matches!(own.object, Ok(Object::Policy(_))), "{:?}", own.object);
}

#[test]
fn e43_two_ranges_of_one_pf_in_one_policy() {
    let two = policy("p", json!({"nicSelector": names(&["eth0#0-1", "blue#4-5"])}));
    assert_eq!(groups(&fold(&[two], &node()), 0), ["p net 0-1", "p net 4-5"]);
}

#[test]
fn e44_the_lower_number_wins_and_the_other_comes_back() {
    let high = policy("high", json!({"priority": 10, "numVfs": 3}));
    let low = policy("low", json!({"numVfs": 5, "resourceName": "b"}));
    let desired = fold(&[high, low.clone()], &node());
    assert_eq!(groups(&desired, 0), ["high net 0-2"]);
    assert_eq!(desired.pfs[&address(0)].num_vfs, 3);
    assert!(told(&desired, "low", 0).contains("priority 10 beats 99"));
    let desired = fold(&[low], &node());
    assert_eq!(groups(&desired, 0), ["low b 0-4"]);
    assert_eq!(desired.pfs[&address(0)].num_vfs, 5);
}

#[test]
fn e45_the_winner_decides_for_the_whole_pf() {
    let legacy = policy("legacy", json!({"priority": 10, "nicSelector": names(&["eth0#0-1"])}));
    let other = json!({
        "nicSelector": names(&["eth0#2-3"]), "resourceName": "b", "eSwitchMode": "switchdev",
        "vdpaType": "virtio",
    });
    let desired = fold(&[legacy.clone(), policy("other", other.clone())], &node());
    let pf = &desired.pfs[&address(0)];
    assert_eq!((pf.eswitch_mode, pf.refused.len()), (EswitchMode::Legacy, 0));
    let told = told(&desired, "other", 0);
    assert!(told.contains("gives VFs 2-3; eSwitchMode switchdev lost to policy legacy"), "{told}");

    // The other way round switchdev is asked for the whole PF, and what cannot be done is told.
    let mut first = other;
    first["priority"] = json!(1);
    let desired = fold(&[legacy.clone(), policy("other", first)], &node());
    let pf = &desired.pfs[&address(0)];
    assert_eq!((pf.eswitch_mode, pf.refused.is_empty()), (EswitchMode::Switchdev, false));
    assert_eq!(pf.groups[1].vdpa_type, Some(VdpaType::Virtio));

    let ib = policy(
        "other",
        json!({"linkType": "ib", "nicSelector": names(&["eth0#2-3"]), "resourceName": "b"}),
    );
    let eth = Policy { link_type: Some(LinkType::Ethernet), ..legacy };
    let desired = fold(&[eth, ib], &node());
    assert_eq!(desired.pfs[&address(0)].link_type, Some(LinkType::Ethernet));
    let told = self::told(&desired, "other", 0);
    assert!(told.contains("linkType ib lost to policy legacy"), "{told}");
}

#[test]
fn e46_equals_are_decided_by_name_whatever_the_order() {
    let (a, z) = (policy("a", json!({})), policy("z", json!({"resourceName": "b"})));
    for policies in [[a.clone(), z.clone()], [z, a]] {
        let desired = fold(&policies, &node());
        assert_eq!(groups(&desired, 0), ["z b 0-6"]);
        let told = told(&desired, "a", 0);
        assert!(told.contains("lost to policy z"), "{told}");
        assert!(told.contains("equal priority 99, the last name wins"), "{told}");
    }
}

#[test]
fn e47_one_resource_of_two_policies() {
    let one = policy("one", json!({"nicSelector": names(&["eth0#0-1"])}));
    let two = policy("two", json!({"nicSelector": names(&["eth0#4-5", "eth1#0-0"])}));
    let desired = fold(&[one, two], &node());
    assert_eq!(groups(&desired, 0), ["one net 0-1", "two net 4-5"]);
    assert_eq!(groups(&desired, 1), ["two net 0-0"]);
}

#[test]
fn e48_what_the_device_plugin_needs_arrives_and_one_resource_has_one_topology() {
    let one = policy(
        "one",
        json!({
            "nicSelector": names(&["eth0#0-1"]), "isRdma": true, "needVhostNet": true,
            "excludeTopology": true, "priority": 5,
        }),
    );
    // On another PF, where nothing overlaps.
    let two = policy("two", json!({"nicSelector": names(&["eth1#0-1", "eth1#3-3"])}));
    let desired = fold(&[one, two], &node());
    let group = &desired.pfs[&address(0)].groups[0];
    assert!(group.is_rdma && group.need_vhost_net && group.exclude_topology);
    let groups = &desired.pfs[&address(1)].groups;
    assert!(groups.iter().all(|group| group.exclude_topology), "{groups:?}");
    let told = told(&desired, "two", 1);
    assert_eq!(
        told,
        "gives VFs 0-1, 3-3; excludeTopology false lost to policy one (it holds for all of \
         resource net; priority 5 beats 99)"
    );
}

#[test]
fn e49_nodes_are_selected_by_all_labels_and_by_none() {
    let everywhere = policy("everywhere", json!({}));
    let racks = policy("racks", json!({"nodeSelector": {"rack": "r1"}, "priority": 1}));
    let desired = fold(&[everywhere.clone(), racks.clone()], &node());
    assert_eq!(desired.pfs[&address(0)].policies, ["everywhere"]);
    let why = desired.policies["racks"].no_match.as_ref().unwrap().to_string();
    assert!(why.contains("rack=r1"), "{why}");
    let labels = BTreeMap::from([("rack".to_owned(), "r1".to_owned())]);
    let desired = fold(&[everywhere, racks], &Node { labels, ..node() });
    assert_eq!(desired.pfs[&address(0)].policies, ["racks"]);
}
