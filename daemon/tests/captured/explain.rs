use crate::machine::{Machine, policy};

/// One PF with VFs, one without, and policies of every fate.
fn machine() -> Machine {
    let machine = Machine::new();
    machine.igb(1, "enp1s0", 4);
    machine.igb(2, "enp2s0", 0);
    machine.objects("net.yaml", &policy("net", "enp1s0#0-1", 4, "  priority: 10\n"));
    machine.objects("late.yaml", &policy("late", "enp1s0#1-2", 4, ""));
    machine.objects("many.yaml", &policy("many", "enp2s0", 9, ""));
    machine.objects("none.yaml", &policy("none", "enp9s0", 4, "  priority: 20\n"));
    machine
        .objects("switch.yaml", &policy("switch", "enp2s0#0-0", 1, "  eSwitchMode: switchdev\n"));
    machine.objects("bad.yaml", &policy("bad", "enp1s0#3-1", 4, ""));
    let other =
        policy("other", "enp1s0", 4, "").replace("nodeSelector: {}", "nodeSelector: {a: b}");
    machine.objects("other.yaml", &other);
    // Somebody has taken the netdev of VF 1 elsewhere.
    std::fs::remove_dir_all(machine.path("sys/bus/pci/devices/0000:01:10.2/net/enp1s0v1")).unwrap();
    machine
}

fn explain(name: &str) -> String {
    let ran = machine().railhead(&["explain", name]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{name}");
    ran.out
}

#[test]
fn a_pf_tells_of_every_policy() {
    insta::assert_snapshot!(explain("enp1s0"));
    assert_eq!(explain("0000:01:00.0"), explain("enp1s0"), "by its address too");
}

#[test]
fn a_pf_that_is_refused() {
    insta::assert_snapshot!(explain("enp2s0"));
}

#[test]
fn a_vf_by_netdev_address_and_index() {
    insta::assert_snapshot!(explain("enp1s0#1"));
    assert_eq!(explain("0000:01:10.0"), explain("enp1s0v0"));
    let unused = explain("enp1s0#3");
    assert!(unused.contains("netdevice"), "made all the same, in no policy: {unused}");
    assert!(explain("enp1s0#6").contains("not made"), "it could be");
}

#[test]
fn policies() {
    for name in ["late", "none", "bad", "other"] {
        insta::assert_snapshot!(format!("policy_{name}"), explain(name));
    }
}

#[test]
fn as_json() {
    let ran = machine().railhead(&["explain", "net", "-o", "json"]);
    insta::assert_snapshot!(ran.out);
}

#[test]
fn what_nobody_knows_is_1_and_says_what_there_is() {
    let ran = machine().railhead(&["explain", "enp1s0#7"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "the PF can have VFs 0 to 6");
    assert!(ran.err.contains("PF enp1s0, PF enp2s0, policy bad"), "{}", ran.err);
}
