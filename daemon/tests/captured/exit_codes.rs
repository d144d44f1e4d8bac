use crate::machine::{Machine, policy};

fn machine() -> Machine {
    let machine = Machine::new();
    machine.igb(1, "enp1s0", 0);
    machine
}

#[test]
fn nothing_to_do_is_0_and_changes_are_3_where_asked() {
    let machine = machine();
    assert_eq!(machine.railhead(&["plan", "--exit-code"]).code, 0);
    machine.objects("net.yaml", &policy("net", "enp1s0", 4, ""));
    assert_eq!(machine.railhead(&["plan"]).code, 0);
    assert_eq!(machine.railhead(&["plan", "--exit-code"]).code, 3);
}

#[test]
fn wrong_usage_is_2() {
    let machine = machine();
    for arguments in [["bogus"].as_slice(), &[], &["plan", "--what"], &["discover", "-o", "xml"]] {
        assert_eq!(machine.railhead(arguments).code, 2, "{arguments:?}");
    }
}

#[test]
fn too_many_vfs_are_1_and_named() {
    let machine = machine();
    machine.objects("net.yaml", &policy("net", "enp1s0", 8, ""));
    let ran = machine.railhead(&["plan"]);
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(ran.out);
}

#[test]
fn what_is_not_supported_is_1_and_named() {
    let machine = machine();
    machine.objects("net.yaml", &policy("net", "enp1s0", 2, "  eSwitchMode: switchdev\n"));
    let ran = machine.railhead(&["plan"]);
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(ran.out);
}

#[test]
fn what_only_nvidias_copy_of_a_policy_has_is_1_and_named() {
    let machine = machine();
    for (field, path) in [
        (
            "  devlinkParams: {params: [{name: esw_multiport, value: 'true', cmode: runtime}]}\n",
            "spec.devlinkParams: \"esw_multiport\": is not supported yet",
        ),
        (
            "  bridge: {groupingPolicy: perNIC}\n",
            "spec.bridge.groupingPolicy: \"perNIC\": is not supported yet",
        ),
    ] {
        machine.objects("net.yaml", &policy("net", "enp1s0", 2, field));
        let ran = machine.railhead(&["plan"]);
        assert_eq!((ran.code, ran.err.as_str()), (1, ""), "{field}");
        assert!(
            ran.out.contains(&format!("policy net on enp1s0 (0000:01:00.0): {path}")),
            "{}",
            ran.out
        );
        assert!(!ran.out.contains("create"), "{}", ran.out);
    }
}

#[test]
fn a_broken_rule_is_1_and_the_others_go_on() {
    let machine = machine();
    machine.objects("bad.yaml", &policy("bad", "enp1s0#3-1", 4, "  mtu: 3\n"));
    machine.objects("good.yaml", &policy("good", "enp1s0", 1, ""));
    let ran = machine.railhead(&["plan"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("create 1 VF"), "{}", ran.out);
    insta::assert_snapshot!(ran.err);
}

#[test]
fn no_yaml_is_1_with_line_and_column() {
    let machine = machine();
    machine.objects("bad.yaml", "kind: [SriovNetworkNodePolicy\nspec: }\n");
    let ran = machine.railhead(&["plan"]);
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(ran.err);
}

#[test]
fn settings_that_cannot_be_read_are_1() {
    let machine = machine();
    machine.write("etc/railhead/railhead.yaml", "nodeName: [\n");
    let ran = machine.railhead(&["plan"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("/etc/railhead/railhead.yaml:"), "{}", ran.err);
}

#[test]
fn a_block_that_cannot_be_read_is_1_and_named() {
    let machine = machine();
    assert_eq!(machine.railhead(&["ipam", "verify"]).code, 0);
    machine.write("var/lib/railhead/blocks/ippool/blue.json", "{");
    for arguments in [["ipam"].as_slice(), &["ipam", "verify"]] {
        let ran = machine.railhead(arguments);
        assert_eq!(ran.code, 1, "{arguments:?}");
        assert!(ran.out.contains("/ippool/blue.json: not this pool's block"), "{}", ran.out);
    }
}

#[test]
fn a_damaged_store_is_1_and_named_and_stays_as_it_is() {
    let machine = machine();
    machine.write("run/railhead/store/lock", "");
    machine.write("run/railhead/store/state.mdb", "damaged");
    let before = machine.contents();
    for arguments in [["ipam"].as_slice(), &["ipam", "verify"], &["attachments"]] {
        let ran = machine.railhead(arguments);
        assert_eq!(ran.code, 1, "{arguments:?}");
        assert!(ran.err.contains("is damaged (it ends after 7 bytes"), "{}", ran.err);
    }
    for arguments in [["plan"].as_slice(), &["status"], &["doctor"], &["discover"]] {
        machine.railhead(arguments);
    }
    assert_eq!(machine.contents(), before);
}

#[test]
fn a_captured_machine_cannot_be_changed() {
    let machine = machine();
    machine.objects("net.yaml", &policy("net", "enp1s0", 4, ""));
    let before = machine.contents();
    let ran = machine.railhead(&["apply"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("captured machine"), "{}", ran.err);
    assert_eq!(machine.contents(), before);
}

#[test]
fn a_closed_pipe_is_no_failure() {
    use std::process::{Command, Stdio};
    let machine = machine();
    let mut child = Command::new(env!("CARGO_BIN_EXE_railhead"))
        .arg("--root")
        .arg(machine.root())
        .args(["discover", "-o", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}
