//! Names that a terminal would obey, wherever others give them: of files, objects, interfaces, pods,
//! networks. No verb prints one as it is, in any format, and no document loses one.

use std::fs;
use std::os::unix::fs::symlink;

use conf::printable::is_plain;
use ipam::{AttachmentKey, Root, Store};
use serde_json::{Value, json};

use crate::machine::{Machine, Ran, policy};

/// C0, DEL, C1, what breaks a line, and what reorders one.
const EVIL: &str = "x\u{1b}[2J\u{1b}]0;t\u{7}\u{8}\r\u{7f}\u{9b}1m\u{85}\u{202e}\u{2066}\u{2028}y";

/// A machine on which everything is called so that may be.
fn machine() -> Machine {
    let machine = Machine::new();
    machine.igb(1, "enp1s0", 2);
    // What the kernel allows for the name of an interface.
    let netdev = "e\u{1b}[2J\u{7f}\u{202e}";
    machine.igb(2, netdev, 1);
    machine.nic("0000:03:00.0", "8086:1521", "igb", "n\u{1b}[1m\u{9b}");
    machine.objects("net.yaml", &policy("net", "enp1s0", 2, ""));
    let quoted = serde_json::to_string(EVIL).unwrap();
    machine.objects(&format!("{EVIL}.yaml"), "{");
    let broken = policy("broken", "enp2s0", 2, "").replace("[enp2s0]", &format!("[{quoted}]"));
    machine.objects("broken.yaml", &broken);
    let named = policy("named", "enp1s0", 2, "").replace("name: named", &format!("name: {quoted}"));
    machine.objects("named.yaml", &named);
    machine.objects("unknown.yaml", &policy("unknown", "enp1s0", 2, &format!("  {quoted}: 1\n")));
    machine
        .objects("kind.yaml", &format!("apiVersion: v1\nkind: {quoted}\nmetadata: {{name: x}}\n"));
    let settings = format!("nodeName: lab\nnodeLabels: {{zone: {quoted}}}\n{quoted}: 1\n");
    machine.write("etc/railhead/railhead.yaml", &settings);
    machine.write(&format!("etc/udev/rules.d/{EVIL}.rules"), "ATTR{device/sriov_numvfs}=\"4\"\n");
    machine.write(&format!("run/railhead/journal/{EVIL}.json"), "{");
    machine.write(&format!("var/lib/railhead/blocks/ippool/{EVIL}.json"), "{");
    machine.write(&format!("run/railhead/store/state.mdb.damaged-{EVIL}"), "");
    machine.write(
        "etc/containerd/config.toml",
        &format!("bin_dir = \"/opt/{}\"\n", EVIL.replace('\r', "")),
    );
    fs::create_dir_all(machine.path("proc/77")).unwrap();
    symlink(format!("/usr/bin/{EVIL}"), machine.path("proc/77/exe")).unwrap();

    let store = Store::open(&Root::at(machine.root())).unwrap();
    let record = |state: &str| {
        json!({
            "format": 1, "state": state, "container": "c1", "ifname": "net1", "network": "blue",
            "netns": format!("/run/netns/{EVIL}"), "netns_cookie": 1, "vf": "0000:01:10.0",
            "incarnation": 1, "pf": "0000:01:00.0", "vf_index": 0, "driver": "igbvf",
            "pod": {"namespace": EVIL, "name": EVIL, "uid": EVIL},
            "ipam": {"foreign": {"plugin": "whereabouts", "config": "{}", "args": EVIL, "path": [EVIL]}},
        })
    };
    for (container, state) in [("c1", "attached"), ("c2", "released"), ("c3", "intent")] {
        let ifname = "net1".parse().unwrap();
        let key = AttachmentKey { container: container.parse().unwrap(), ifname };
        let mut record = record(state);
        record["container"] = json!(container);
        store.write(|txn| txn.put_attachment(&key, &record)).unwrap();
    }
    machine
}

fn assert_printable(of: &str, ran: &Ran) {
    for text in [&ran.out, &ran.err] {
        let odd = text.chars().find(|c| !is_plain(*c) && *c != '\n');
        assert!(odd.is_none(), "{of}: {odd:?} in {text:?}");
    }
}

const VERBS: [&[&str]; 17] = [
    &["discover"],
    &["plan"],
    &["plan", "--exit-code"],
    &["validate", "-f", "OBJECTS"],
    &["status"],
    &["explain", "enp1s0"],
    &["explain", "0000:02:00.0"],
    &["explain", EVIL],
    &["attachments"],
    &["attachments", "drop", "c2", "net1"],
    &["attachments", "drop", "c2", "net1", "--force"],
    &["ipam"],
    &["ipam", "verify"],
    &["doctor"],
    &["dump"],
    &["apply"],
    &["pause", "--reason", EVIL],
];

#[test]
fn no_verb_prints_a_name_that_a_terminal_obeys() {
    let machine = machine();
    let objects = machine.path("etc/railhead/objects");
    let mut told = String::new();
    for verb in VERBS {
        let verb: Vec<&str> = verb
            .iter()
            .map(|word| if *word == "OBJECTS" { objects.to_str().unwrap() } else { word })
            .collect();
        for format in ["table", "json", "yaml"] {
            let ran = machine.railhead(&[verb.as_slice(), &["-o", format]].concat());
            assert_ne!(ran.code, 2, "{verb:?} is a verb: {}", ran.err);
            assert_printable(&format!("{verb:?} -o {format}"), &ran);
            told += &ran.out;
            told += &ran.err;
        }
    }
    // It was told all the same, by each of its ways.
    for shown in [r"\u{1b}[2J", r"\u001b[2J", r"\u{202e}", r"\u202e", r"\u{9b}"] {
        assert!(told.contains(shown), "{shown}");
    }
}

/// Escaped as the format has it: whoever reads the document gets the name.
#[test]
fn a_document_holds_the_name_itself() {
    let machine = machine();
    let attachments = machine.railhead(&["attachments", "-o", "json"]);
    let read: Value = serde_json::from_str(&attachments.out).unwrap();
    let holds =
        |value: &Value| value.to_string().contains(json!(EVIL).to_string().trim_matches('"'));
    assert!(holds(&read), "{read}");
    let yaml = machine.railhead(&["attachments", "-o", "yaml"]);
    let read_yaml: Value = serde_saphyr::from_str(&yaml.out).unwrap();
    assert_eq!(read_yaml, read, "{}", yaml.out);
    let dump = machine.railhead(&["dump"]);
    assert!(holds(&serde_json::from_str(&dump.out).unwrap()), "{}", dump.out);
    machine.write("dump.json", &dump.out);
    let file = machine.path("dump.json");
    for verb in ["discover", "plan", "status", "doctor", "attachments"] {
        let ran = machine.replay(file.to_str().unwrap(), &[verb]);
        assert_printable(verb, &ran);
    }
}
