use std::collections::BTreeMap;

use super::*;
use crate::settings::{Loaded, Node};
use crate::source::{Objects, SourceFile};
use crate::specimen;

const A: &str = "0000:01:00.0";
const B: &str = "0000:02:00.0";

fn written(selectors: &[(&str, &str)]) -> Written {
    let files: Vec<SourceFile> = selectors
        .iter()
        .map(|(name, selector)| SourceFile {
            path: format!("{name}.yaml").into(),
            content: format!(
                "apiVersion: sriovnetwork.openshift.io/v1
kind: SriovNetworkNodePolicy
metadata: {{name: {name}}}
spec: {{nodeSelector: {{}}, resourceName: {name}, numVfs: 2, nicSelector: {selector}}}
"
            )
            .into_bytes(),
        })
        .collect();
    let node = Node::new("lab".parse().unwrap(), BTreeMap::new());
    let settings = conf::settings::Settings::default();
    let loaded = Loaded { settings, node, warnings: Vec::new(), broken: None };
    let objects = Objects::of_files(&files);
    assert!(objects.problems.is_empty(), "{:?}", objects.problems);
    Written { loaded, objects, trial: None }
}

/// What the last report says of PFs: address, name, policy.
fn reported(pfs: &[(&str, &str, &str)]) -> NodeState {
    let interfaces: Vec<_> = pfs
        .iter()
        .map(|(address, name, policy)| {
            serde_json::json!({"pciAddress": address, "name": name, "vfGroups": [{"policyName": policy}]})
        })
        .collect();
    serde_json::from_value(serde_json::json!({"spec": {"interfaces": interfaces}})).unwrap()
}

fn report(pfs: &[(&str, &str, &str)]) -> Expected {
    Expected::by_report(&reported(pfs), &written(&[("net", "{vendor: '8086'}")]))
}

fn both() -> Snapshot {
    let mut second = specimen::igb(B, "ens2f0");
    second.netdev.as_mut().unwrap().index = 3;
    specimen::snapshot([specimen::igb(A, "ens1f0"), second])
}

#[test]
fn a_pf_is_there_when_it_has_its_name() {
    let expected = report(&[(A, "ens1f0", "net"), (B, "ens2f0", "net")]);
    assert!(expected.arrived(&both(), |_| true).is_all());
    let moved = report(&[("0000:08:00.0", "ens1f0", "net")]);
    assert!(moved.arrived(&both(), |_| true).is_all(), "another slot, the same name");
    let by_altname = report(&[(B, "storage", "net")]);
    let mut host = both();
    host.pfs.get_mut(&B.parse().unwrap()).unwrap().altnames.push("storage".to_owned());
    assert_eq!(by_altname.told(&by_altname.arrived(&host, |_| true)), Told::default());
}

#[test]
fn a_name_counts_when_udev_is_done_with_it() {
    let expected = report(&[(A, "ens1f0", "net"), (B, "ens2f0", "net")]);
    assert!(!expected.arrived(&both(), |index| index == 2).is_all());
    let arrived = expected.arrived(&both(), |_| false);
    assert!(!arrived.is_all(), "even the right name may be that of another NIC still");
}

#[test]
fn another_name_for_good_ends_the_wait_and_is_told() {
    let expected = report(&[(A, "ens1f0np0", "net")]);
    assert!(!expected.arrived(&both(), |_| false).is_all(), "it may become the right one yet");
    let arrived = expected.arrived(&both(), |_| true);
    assert!(arrived.is_all());
    let told = expected.told(&arrived);
    assert_eq!(
        told.renamed,
        ["ens1f0np0 (0000:01:00.0) is called ens1f0 since this boot, and policy net shaped it: \
          where pfNames says ens1f0np0, write ens1f0, or rootDevices instead, or give it the old \
          name as well: ip link property add dev ens1f0 altname ens1f0np0"]
    );
}

#[test]
fn what_is_missing_is_told_with_who_asks() {
    let expected = report(&[("0000:09:00.0", "ens9f0", "net")]);
    let told = expected.told(&expected.arrived(&both(), |_| true));
    assert_eq!(
        told.missing,
        ["ens9f0 (0000:09:00.0) did not appear in time, and policy net asked for it: the daemon \
          takes it up when it comes"]
    );
    let mut without_netdev = both();
    without_netdev.pfs.get_mut(&A.parse().unwrap()).unwrap().netdev = None;
    let expected = report(&[(A, "ens1f0", "net")]);
    assert!(!expected.arrived(&without_netdev, |_| true).is_all(), "its driver is on its way");
}

#[test]
fn nobody_waits_for_what_no_policy_asks_any_more() {
    assert_eq!(report(&[("0000:09:00.0", "ens9f0", "gone")]), Expected::default());
    let written = written(&[("net", "{pfNames: [ens9f0]}")]);
    let expected = Expected::by_report(&reported(&[(A, "ens1f0", "net")]), &written);
    assert!(expected.arrived(&both(), |_| true).is_all(), "ens9f0 was not there before either");
}

#[test]
fn without_a_report_what_policies_name_is_waited_for() {
    let written = written(&[
        ("a", "{pfNames: ['ens1f0#0-0', ens9f0]}"),
        ("b", "{pfNames: [ens9f0], vendor: '8086'}"),
        ("c", "{rootDevices: ['0000:09:00.0']}"),
        ("d", "{vendor: '15b3'}"),
    ]);
    let expected = Expected::by_policies(&written);
    let told = expected.told(&expected.arrived(&both(), |_| true));
    let asked: Vec<_> = told.missing.iter().filter_map(|told| told.split(": ").next()).collect();
    assert_eq!(
        asked,
        [
            "ens9f0 did not appear in time, and policies a, b asked for it",
            "0000:09:00.0 did not appear in time, and policy c asked for it"
        ]
    );
}

#[test]
fn a_policy_for_another_node_is_not_waited_for() {
    let mut written = written(&[("net", "{pfNames: [ens9f0]}")]);
    for known in &mut written.objects.known {
        if let conf::object::Object::Policy(policy) = &mut known.object {
            policy.node_selector.insert("rack".to_owned(), "7".to_owned());
        }
    }
    assert_eq!(Expected::by_policies(&written), Expected::default());
}
