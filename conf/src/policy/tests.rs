use serde_json::{Value, json};

use super::*;
use crate::object::{Object, read};

/// A policy with every field that upstream has, and all of them supported but `more`.
fn document(more: Value) -> Value {
    let mut spec = json!({
        "resourceName": "sriov_net",
        "nodeSelector": {"feature.node.kubernetes.io/network-sriov.capable": "true"},
        "numVfs": 7,
        "nicSelector": {"pfNames": ["ens1f0#0-3"]},
    });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    json!({
        "apiVersion": "sriovnetwork.openshift.io/v1",
        "kind": "SriovNetworkNodePolicy",
        "metadata": {"name": "blue", "namespace": "nvidia-network-operator"},
        "spec": spec,
    })
}

fn policy(more: Value) -> Policy {
    let read = read(document(more));
    assert_eq!(read.warnings, []);
    match read.object {
        Ok(Object::Policy(policy)) => policy,
        other => panic!("{other:?}"),
    }
}

/// The messages about the policy with `more` in its spec, one a line.
fn refused(more: Value) -> String {
    let violations = read(document(more)).object.unwrap_err().0;
    violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn defaults() {
    let policy = policy(json!({}));
    assert_eq!(policy.priority.get(), 99);
    assert_eq!(policy.device_type, DeviceType::NetDevice);
    assert_eq!((policy.is_rdma, policy.mtu, policy.unsupported.len()), (false, None, 0));
    assert_eq!(policy.nic.pf_names[0].range, VfRange::new(0, 3));
}

#[test]
fn every_field_arrives() {
    let policy = policy(json!({
        "nicSelector": {
            "vendor": "15b3", "deviceID": "101d", "rootDevices": ["0000:86:00.1"],
            "pfNames": ["ens1f0", "ens1f1np1#2-5"],
        },
        "priority": 10, "mtu": 9000, "deviceType": "netdevice", "isRdma": true,
        "needVhostNet": true, "linkType": "ETH", "eSwitchMode": "legacy",
        "excludeTopology": true, "externallyManaged": true, "vdpaType": "",
    }));
    insta::assert_json_snapshot!(policy);
}

/// What one wrong field gets. The messages are read by people: all of them are spelled out.
#[test]
fn rules_of_one_field() {
    for (more, message) in [
        (
            json!({"resourceName": ""}),
            r#"spec.resourceName: "": must be 1 to 63 letters, digits, '_' and '-', beginning and ending with a letter or digit"#,
        ),
        (json!({"numVfs": -1}), "spec.numVfs: -1: must be between 0 and 65535"),
        (json!({"numVfs": 65536}), "spec.numVfs: 65536: must be between 0 and 65535"),
        (json!({"numVfs": null}), "spec.numVfs: must be given"),
        (json!({"nodeSelector": null}), "spec.nodeSelector: must be given; {} selects every node"),
        (json!({"nicSelector": null}), "spec.nicSelector: must be given"),
        (
            json!({"nicSelector": {}}),
            "spec.nicSelector: must name vendor, deviceID, rootDevices, pfNames or netFilter; an empty selector matches no NIC",
        ),
        (
            json!({"priority": 100}),
            "spec.priority: 100: must be between 0 (highest) and 99 (lowest)",
        ),
        (json!({"priority": -1}), "spec.priority: -1: must be between 0 (highest) and 99 (lowest)"),
        (json!({"mtu": 67}), "spec.mtu: 67: must be between 68 and 65535"),
        (json!({"mtu": -1}), "spec.mtu: -1: must be between 68 and 65535"),
        (
            json!({"deviceType": "vfio"}),
            r#"spec.deviceType: "vfio": must be netdevice or vfio-pci"#,
        ),
        (json!({"linkType": "Eth"}), r#"spec.linkType: "Eth": must be eth or ETH or ib or IB"#),
        (json!({"eSwitchMode": "sw"}), r#"spec.eSwitchMode: "sw": must be legacy or switchdev"#),
        (
            json!({"nicSelector": {"vendor": "intel"}}),
            r#"spec.nicSelector.vendor: "intel": must be a PCI id of four hex digits, like 8086"#,
        ),
        (
            json!({"nicSelector": {"rootDevices": ["0000:86:00.1", "x"]}}),
            r#"spec.nicSelector.rootDevices[1]: "x": must be a PCI address like 0000:01:10.0"#,
        ),
    ] {
        assert_eq!(refused(more.clone()), message, "{more}");
    }
}

#[test]
fn resource_names() {
    for good in ["a_b-1", "A", &"a".repeat(63)] {
        policy(json!({"resourceName": good}));
    }
    for bad in ["", "a b", "-x", "x-", "a.b", "ü", &"a".repeat(64)] {
        assert!(refused(json!({"resourceName": bad})).starts_with("spec.resourceName: "), "{bad}");
    }
}

#[test]
fn pf_names() {
    let select = |name: &str| json!({"nicSelector": {"pfNames": ["ok", name]}});
    for (name, range) in
        [("eth0#0-6", VfRange::new(0, 6)), ("eth0", None), ("eth0#3-3", VfRange::new(3, 3))]
    {
        assert_eq!(policy(select(name)).nic.pf_names[1].range, range, "{name}");
    }
    for (name, rule) in [
        ("eth0#3-1", "after '#', must be a VF range FIRST-LAST with FIRST not above LAST"),
        ("eth0#a-b", "after '#', must be a VF range FIRST-LAST with FIRST not above LAST"),
        ("eth0#", "after '#', must be a VF range FIRST-LAST with FIRST not above LAST"),
        ("eth0#0-1#2", "must hold one '#' at most"),
        ("eth0#0-7", "must end below numVfs, which is 7; VFs are counted from 0"),
        ("#0-1", "must be the name of a PF, or NAME#FIRST-LAST for some of its VFs"),
        ("", "must be the name of a PF, or NAME#FIRST-LAST for some of its VFs"),
        ("../eth0", "must be the name of a PF, or NAME#FIRST-LAST for some of its VFs"),
    ] {
        let message = format!("spec.nicSelector.pfNames[1]: \"{name}\": {rule}");
        assert_eq!(refused(select(name)), message, "{name}");
    }
}

#[test]
fn fields_that_do_not_go_together() {
    let ovs = json!({"ovs": {}});
    for (more, path) in [
        (json!({"deviceType": "vfio-pci", "isRdma": true}), "spec.isRdma"),
        (json!({"eSwitchMode": "switchdev", "linkType": "ib"}), "spec.eSwitchMode"),
        (json!({"vdpaType": "vhost"}), "spec.vdpaType"),
        (
            json!({"vdpaType": "vhost", "eSwitchMode": "switchdev", "deviceType": "vfio-pci"}),
            "spec.vdpaType",
        ),
        (json!({"bridge": {"groupingPolicy": "perVF"}}), "spec.bridge.groupingPolicy"),
        (
            json!({"devlinkParams": {"params": [{}, {"name": "a", "cmode": "now"}]}}),
            "spec.devlinkParams.params[1].cmode",
        ),
        (
            json!({"devlinkParams": {"params": [{"name": "a", "applyOn": "Pf"}]}}),
            "spec.devlinkParams.params[0].applyOn",
        ),
        (json!({"devlinkParams": [{"name": "a"}]}), "spec.devlinkParams"),
        (json!({"bridge": ovs}), "spec.bridge.ovs"),
        (
            json!({"bridge": ovs, "eSwitchMode": "switchdev", "externallyManaged": true}),
            "spec.bridge.ovs",
        ),
        (
            json!({"nicSelector": {"netFilter": "aws/NetworkID:s", "vendor": "15b3"}}),
            "spec.nicSelector.netFilter",
        ),
        (
            json!({"nicSelector": {"netFilter": "aws/NetworkID:s", "pfNames": ["a"]}}),
            "spec.nicSelector.netFilter",
        ),
        (
            json!({"nicSelector": {"netFilter": "aws/NetworkID:s"}, "eSwitchMode": "legacy"}),
            "spec.eSwitchMode",
        ),
        (
            json!({"nicSelector": {"netFilter": "aws/NetworkID:s"}, "linkType": "ib"}),
            "spec.linkType",
        ),
    ] {
        let message = refused(more.clone());
        assert!(
            message.starts_with(&format!("{path}: ")) && !message.contains('\n'),
            "{more}: {message}"
        );
    }
    policy(json!({"nicSelector": {"netFilter": "aws/NetworkID:s"}, "linkType": "eth"}));
}

/// Such a policy is well formed; what it asks for is told by name where it is to be applied.
#[test]
fn what_is_not_supported_is_named() {
    let paths = |more: Value| -> Vec<String> {
        policy(more).unsupported.into_iter().map(|violation| violation.path).collect()
    };
    assert_eq!(
        paths(json!({"eSwitchMode": "switchdev", "vdpaType": "virtio", "bridge": {"ovs": {
            "bridge": {"datapathType": "netdev", "failMode": "secure", "externalIDs": {"a": "b"}, "otherConfig": {}},
            "uplink": {"interface": {"type": "dpdk", "options": {}, "externalIDs": {}, "otherConfig": {}, "mtuRequest": 9000}},
        }}})),
        ["spec.eSwitchMode", "spec.vdpaType", "spec.bridge.ovs"]
    );
    assert_eq!(paths(json!({"linkType": "IB"})), ["spec.linkType"]);
    // What only NVIDIA's copy of the kind has.
    let param =
        json!({"name": "esw_multiport", "value": "true", "cmode": "runtime", "applyOn": "PF"});
    let devlink = |params: Value| json!({"devlinkParams": {"params": params}});
    assert_eq!(paths(devlink(json!([param]))), ["spec.devlinkParams"]);
    assert_eq!(
        paths(devlink(json!([{"name": "enable_roce", "value": "false"}]))),
        ["spec.devlinkParams"]
    );
    assert_eq!(paths(devlink(json!([]))), [""; 0], "it asks for nothing");
    for policy in ["perPF", "perNIC", "all"] {
        let bridge = json!({"groupingPolicy": policy});
        assert_eq!(paths(json!({"bridge": bridge})), ["spec.bridge.groupingPolicy"]);
    }
    assert_eq!(paths(json!({"linkType": "eth", "eSwitchMode": "legacy", "bridge": {}})), [""; 0]);
}

#[test]
fn infiniband_netdevices_are_rdma() {
    assert!(policy(json!({"linkType": "ib"})).is_rdma);
    assert!(!policy(json!({"linkType": "ib", "deviceType": "vfio-pci"})).is_rdma);
}

#[test]
fn all_violations_are_told_at_once() {
    insta::assert_snapshot!(refused(json!({
        "resourceName": "a b", "numVfs": "seven", "priority": 200, "mtu": 1,
        "deviceType": "vfio-pci", "isRdma": true, "vdpaType": "x", "linkType": 1,
        "nicSelector": {"vendor": "10de ", "pfNames": ["a#1", "b#0-9"], "rootDevices": 5},
    })));
}

#[test]
fn unknown_fields_warn() {
    let mut document = document(json!({"numVFs": 3, "prority": 3, "failMode": "secure"}));
    document["spec"]["bridge"] = json!({"ovs": {"bridge": {"failmode": "secure"}}});
    document["spec"]["eSwitchMode"] = json!("switchdev");
    document["statu"] = json!({});
    let read = read(document);
    let warnings: Vec<_> = read.warnings.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(warnings.join("\n"));
    assert!(matches!(read.object, Ok(Object::Policy(_))));
}
