use serde_json::Value;

use crate::machine::{Machine, ip_pool, policy};

fn machine() -> Machine {
    let machine = Machine::new();
    machine.igb(1, "enp1s0", 0);
    machine.igb(2, "enp2s0", 0);
    machine.iommu_group("0000:01:00.0", 1);
    machine.iommu_group("0000:02:00.0", 2);
    machine
}

#[test]
fn two_policies_on_two_pfs() {
    let machine = machine();
    machine.objects("net.yaml", &policy("net", "enp1s0#0-1, enp2s0#0-1", 4, "  mtu: 9000\n"));
    machine.objects("vms.yaml", &policy("vms", "enp1s0#2-3", 4, "  deviceType: vfio-pci\n"));
    let ran = machine.railhead(&["plan"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    insta::assert_snapshot!(ran.out);
}

#[test]
fn for_objects_that_are_not_in_force() {
    let machine = machine();
    machine.objects("old.yaml", &policy("old", "enp1s0", 1, ""));
    machine.write("new/new.yaml", &policy("new", "enp2s0", 1, ""));
    let new = machine.path("new");
    let ran = machine.railhead(&["plan", "-f", new.to_str().unwrap()]);
    insta::assert_snapshot!(ran.out);
    assert_eq!(ran.code, 0);
}

#[test]
fn nothing_is_written() {
    let machine = machine();
    machine.objects("net.yaml", &policy("net", "enp1s0", 4, ""));
    machine.objects("pool.yaml", &ip_pool("blue", "192.168.100.0/24"));
    let before = machine.contents();
    for (verb, code) in
        [("plan", 0), ("discover", 0), ("status", 1), ("attachments", 0), ("ipam", 0)]
    {
        let ran = machine.railhead(&[verb]);
        assert_eq!(ran.code, code, "{verb}: {}", ran.err);
    }
    assert_eq!(machine.contents(), before);
}

/// The other port of the card would get VFs too, were the misspelt name of this one left out.
#[test]
fn a_misspelt_selector_plans_nothing() {
    let machine = machine();
    for key in ["pfName", "PfNames", "pf_names", "names", "interfaces"] {
        let selector = format!("vendor: '8086', deviceID: 10c9, {key}");
        let text = policy("intel", "enp2s0", 4, "").replace("pfNames", &selector);
        machine.write("policy.yaml", &text);
        let path = machine.path("policy.yaml");
        let ran = machine.railhead(&["plan", "-f", path.to_str().unwrap()]);
        assert_eq!(ran.code, 1, "{key}");
        assert!(!ran.out.contains("VF"), "{}", ran.out);
        let told = format!("SriovNetworkNodePolicy intel: spec.nicSelector.{key}: unknown field");
        assert!(ran.err.contains(&told), "{}", ran.err);
    }
}

/// The object that is refused is, and no other.
#[test]
fn a_refused_policy_holds_back_no_other() {
    let machine = machine();
    machine.objects(
        "a.yaml",
        &policy("bad", "enp1s0", 4, "").replace("pfNames", "vendor: '8086', pfName"),
    );
    machine.objects("b.yaml", &policy("good", "enp2s0", 1, ""));
    let ran = machine.railhead(&["plan"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("policy good") && !ran.out.contains("enp1s0"), "{}", ran.out);
    assert!(ran.err.contains("did you mean pfNames?"), "{}", ran.err);
}

fn json(machine: &Machine, arguments: &[&str]) -> Value {
    serde_json::from_str(&machine.railhead(&[arguments, &["-o", "json"]].concat()).out).unwrap()
}

/// A plan that is empty since nothing is selected is no host as the objects want it.
#[test]
fn policies_without_effect_are_named() {
    let machine = machine();
    let of_vfs = policy("of-vfs", "", 4, "").replace("pfNames: []", "deviceID: 10ca");
    machine.objects("a.yaml", &of_vfs);
    machine.objects("b.yaml", &policy("renamed", "enp1s0np0", 4, ""));
    machine.objects("c.yaml", &policy("none", "enp1s0", 0, ""));
    let other =
        policy("other", "enp1s0", 4, "").replace("nodeSelector: {}", "nodeSelector: {a: b}");
    machine.objects("d.yaml", &other);
    let ran = machine.railhead(&["plan"]);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    insta::assert_snapshot!(ran.out);
    assert_eq!(machine.railhead(&["plan", "--exit-code"]).code, 1, "as status and apply");
    let planned = json(&machine, &["plan"]);
    insta::assert_json_snapshot!("without_effect_as_json", planned);
}

#[test]
fn policies_for_others_fail_nothing_and_are_named() {
    let machine = machine();
    let other =
        policy("other", "enp1s0", 4, "").replace("nodeSelector: {}", "nodeSelector: {a: b}");
    machine.objects("d.yaml", &other);
    let ran = machine.railhead(&["plan", "--exit-code"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    insta::assert_snapshot!(ran.out);
    let nothing = Machine::new();
    let said = "Nothing to do: everything is as the objects want it.\n";
    assert_eq!(nothing.railhead(&["plan"]).out, said);
}

#[test]
fn claims_of_address_blocks_are_planned_too() {
    let machine = machine();
    machine.objects("pool.yaml", &ip_pool("blue", "192.168.100.0/24"));
    let ran = machine.railhead(&["plan"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(ran.out.contains("to do: claim 192.168.100.1-192.168.100.8"), "{}", ran.out);
    assert_eq!(machine.railhead(&["plan", "--exit-code"]).code, 3);
    assert_eq!(json(&machine, &["plan"])["pools"][0]["state"], "pending");
    let settings = "nodeName: lab\nstandalone: {host: 32, hosts: 33}\n";
    machine.write("etc/railhead/railhead.yaml", settings);
    let ran = machine.railhead(&["plan"]);
    assert_eq!(ran.code, 1, "there is no block for it: {}", ran.out);
    assert!(ran.out.contains("failed") && !ran.out.contains("everything"), "{}", ran.out);
}

/// Policies of every fate, by two and two: `plan`, `status` and `explain` say the same of each.
#[test]
fn plan_status_and_explain_agree() {
    let with = |name: &str, pfs: &str, count, priority: u8, more: &str| {
        policy(name, pfs, count, &format!("  priority: {priority}\n{more}"))
    };
    let elsewhere =
        with("z", "enp1s0", 2, 1, "").replace("nodeSelector: {}", "nodeSelector: {a: b}");
    let others = [
        with("z", "enp1s0", 2, 1, ""),
        with("z", "enp1s0, enp2s0", 2, 90, ""),
        with("z", "enp1s0#1-1, enp9s0", 2, 90, ""),
        with("z", "enp9s0", 2, 90, ""),
        with("z", "enp1s0", 0, 1, ""),
        with("z", "enp1s0", 9, 1, ""),
        with("z", "enp1s0#1-1", 2, 1, "  eSwitchMode: switchdev\n"),
        with("z", "enp1s0#5-3", 2, 1, ""),
        elsewhere,
    ];
    let mut seen = std::collections::BTreeSet::new();
    for other in others {
        let machine = machine();
        machine.objects("a.yaml", &with("a", "enp1s0", 2, 50, ""));
        machine.objects("z.yaml", &other);
        let (plan, status) = (json(&machine, &["plan"]), json(&machine, &["status"]));
        assert_eq!(plan["policies"], status["policies"], "{other}");
        for policy in plan["policies"].as_array().unwrap() {
            let explained = json(&machine, &["explain", policy["name"].as_str().unwrap()]);
            assert_eq!(explained["policies"][0]["state"], policy["state"], "{other}");
            seen.insert((policy["state"].to_string(), policy["reason"].to_string()));
        }
    }
    insta::assert_debug_snapshot!(seen);
}
