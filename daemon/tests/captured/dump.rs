//! A dump says on another machine what the machine itself says, and nothing that is not its business.

use std::fs;

use serde_json::Value;

use crate::families;
use crate::machine::{Machine, ip_pool, policy};

/// Every verb that looks, in every format that programs read.
const LOOKS: [&[&str]; 7] = [
    &["discover", "-o", "json"],
    &["plan", "-o", "json"],
    &["explain", "enp1s0", "-o", "json"],
    &["explain", "ens1f0np0", "-o", "json"],
    &["explain", "ibp94s0", "-o", "json"],
    &["status", "-o", "json"],
    &["doctor", "-o", "json"],
];

/// Dumps `machine`, and makes sure that nothing is left of it but the dump.
fn dumped(machine: &Machine) -> String {
    let file = machine.path("dump.json").to_str().unwrap().to_owned();
    let ran = machine.railhead(&["dump", &file]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    file
}

fn away(machine: &Machine) {
    for directory in ["sys", "etc", "var", "run"] {
        fs::remove_dir_all(machine.path(directory)).ok();
    }
}

#[test]
fn three_families_say_the_same_elsewhere() {
    let machine = families::machine();
    machine.objects("pool.yaml", &ip_pool("blue", "192.168.100.0/24"));
    let before = LOOKS.map(|look| machine.railhead(look));
    let file = dumped(&machine);
    away(&machine);
    for (look, here) in LOOKS.iter().zip(before) {
        let there = machine.replay(&file, look);
        // Each in a directory of its own, which messages name.
        assert_eq!((there.code, &there.out), (here.code, &here.out), "{look:?}");
    }
    let plan: Value =
        serde_json::from_str(&machine.replay(&file, &["plan", "-o", "json"]).out).unwrap();
    assert!(plan.to_string().contains("vfio-pci"), "{plan}");
}

#[test]
fn virtio_switchdev_and_what_is_no_pf_are_the_same_elsewhere() {
    let machine = families::machine();
    machine.virtio(0x17, "cloud");
    machine.port("0000:3b:00.0", "eth9", 3, "pf0vf0", "04a1b2");
    machine.port("0000:3b:00.0", "ens1f0np0", 4, "p0", "04a1b2");
    machine.nic("0000:5f:00.0", "15b3:1015", "mlx5_core", "off0");
    machine.objects("nic.yaml", &policy("nic", "off0", 1, ""));
    machine.objects("cloud.yaml", &policy("cloud", "cloud", 2, ""));
    let looks: [&[&str]; 3] = [&["discover"], &["plan"], &["status"]];
    let before = looks.map(|look| machine.railhead(look));
    for told in ["cloudV1", "switchdev"] {
        assert!(before[0].out.contains(told), "{}", before[0].out);
    }
    assert!(before[1].out.contains("off0 (0000:5f:00.0, 15b3:1015)"), "{}", before[1].out);
    let file = dumped(&machine);
    away(&machine);
    for (look, here) in looks.iter().zip(before) {
        let there = machine.replay(&file, look);
        assert_eq!((there.code, &there.out), (here.code, &here.out), "{look:?}");
    }
}

/// The case in which a dump is asked for.
#[test]
fn the_last_good_settings_are_in_it() {
    let machine = families::machine();
    machine.write(
        "var/lib/railhead/last-good-settings.json",
        r#"{"version": 1, "node": "lab", "settings": {"guard": {"allow": ["enp1s0"]}}}"#,
    );
    machine.write("etc/railhead/railhead.yaml", "nodeName: [\n");
    let looks: [&[&str]; 2] = [&["status", "-o", "json"], &["explain", "enp1s0", "-o", "json"]];
    let before = looks.map(|look| machine.railhead(look));
    assert_eq!(before[1].code, 0, "{}", before[1].err);
    let file = dumped(&machine);
    away(&machine);
    for (look, here) in looks.iter().zip(before) {
        let there = machine.replay(&file, look);
        assert_eq!((there.code, &there.out), (here.code, &here.out), "{look:?}: {}", there.err);
    }
}

#[test]
fn a_dump_of_a_dump_is_the_same() {
    let machine = families::machine();
    let first = dumped(&machine);
    away(&machine);
    let second = machine.path("second.json");
    let ran = machine.replay(&first, &["dump", second.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(fs::read(&first).unwrap(), fs::read(second).unwrap());
}

/// The format, as another railhead may read it.
#[test]
fn golden() {
    let machine = Machine::new();
    machine.igb(1, "enp1s0", 1);
    machine.objects("net.yaml", &policy("net", "enp1s0", 1, ""));
    let dump = machine.railhead(&["dump"]).out;
    let mut dump: Value = serde_json::from_str(&dump).unwrap();
    // Those of the machine that runs the test.
    for key in ["kernel", "railhead"] {
        assert!(dump[key].take().is_string(), "{key}");
    }
    let findings = dump["findings"].as_array_mut().unwrap();
    assert!(!findings.is_empty());
    findings.truncate(1);
    insta::assert_snapshot!(serde_json::to_string_pretty(&dump).unwrap());
}

#[test]
fn secrets_stay_where_they_are() {
    let machine = families::machine();
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: login, annotations: {a: hunter2}}\n\
                  stringData: {password: hunter2}\n";
    let list = format!(
        "apiVersion: v1\nkind: List\nitems:\n- {}\n- {}\n",
        secret.replace('\n', "\n  "),
        ip_pool("listed", "10.9.0.0/24").replace('\n', "\n  "),
    );
    machine.objects("a.yaml", &format!("{}---\n{secret}", ip_pool("green", "10.8.0.0/24")));
    machine.objects("list.yaml", &list);
    machine.objects("z.yaml", &format!("kind: [\n{secret}"));
    machine.objects(
        "typed.json",
        r#"{"apiVersion": "v1", "kind": "SecretList", "items":
        [{"metadata": {"name": "x"}, "data": {"password": "hunter2"}}]}"#,
    );
    machine.write("etc/railhead/token", "hunter2");
    machine.write("etc/railhead/objects/notes.txt", "hunter2");
    machine.write("var/lib/railhead/other.json", "\"hunter2\"");
    machine.write("sys/bus/pci/devices/0000:01:00.0/rom", "hunter2");
    let here = machine.railhead(&["plan", "-o", "json"]);
    let file = dumped(&machine);
    let dump = fs::read_to_string(&file).unwrap();
    assert!(!dump.contains("hunter2"), "{dump}");
    let kept: Value = serde_json::from_str(&dump).unwrap();
    let files = &kept["tree"]["files"];
    for (name, object) in [("a.yaml", "green"), ("list.yaml", "listed"), ("a.yaml", "login")] {
        let text = files[format!("etc/railhead/objects/{name}")].as_str().unwrap();
        assert!(text.contains(object), "{name}: {text}");
    }
    // The file of which nothing can be said still holds what it may ask for.
    let there = machine.replay(&file, &["plan", "-o", "json"]);
    assert_eq!((there.code, there.out), (here.code, here.out));
}

#[test]
fn nothing_is_changed_by_way_of_a_dump() {
    let machine = families::machine();
    let file = dumped(&machine);
    for verb in
        [["apply"].as_slice(), &["boot"], &["pause"], &["resume"], &["daemon"], &["confirm"]]
    {
        let ran = machine.replay(&file, verb);
        assert_eq!(ran.code, 1, "{verb:?}");
        assert!(ran.err.contains("nothing is changed by that"), "{verb:?}: {}", ran.err);
    }
    for verb in ["attachments", "ipam"] {
        assert!(machine.replay(&file, &[verb]).err.contains("a dump does not hold"));
    }
}
