use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::object::{Object, read};
use crate::{VfIndex, Violation};

/// A node with two PFs of seven VFs: `ens1f0`, also called `blue`, and `ens1f1`.
fn node() -> Node {
    let pf = |function: u8, altnames: &[&str]| Pf {
        address: PciAddress::new(0, 1, 0, function).unwrap(),
        name: Some(format!("ens1f{function}").parse().unwrap()),
        altnames: altnames.iter().map(|name| (*name).to_owned()).collect(),
        vendor: PciId::new(0x8086),
        device: PciId::new(0x10c9),
        vf_device: PciId::new(0x10ca),
        total_vfs: 7,
        link_type: Some(LinkType::Ethernet),
        switchdev: false,
    };
    Node {
        name: "n1".to_owned(),
        labels: BTreeMap::from([("rack".to_owned(), "r1".to_owned())]),
        pfs: vec![pf(0, &["blue"]), pf(1, &[])],
        others: Vec::new(),
    }
}

/// A policy for seven VFs of `pf_names`, with `more` in its spec.
fn policy(name: &str, pf_names: &[&str], more: serde_json::Value) -> Policy {
    let mut spec = json!({
        "resourceName": name, "nodeSelector": {}, "numVfs": 7,
        "nicSelector": {"pfNames": pf_names},
    });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    let read = read(json!({
        "apiVersion": "sriovnetwork.openshift.io/v1", "kind": "SriovNetworkNodePolicy",
        "metadata": {"name": name}, "spec": spec,
    }));
    assert_eq!(read.warnings, []);
    match read.object {
        Ok(Object::Policy(policy)) => policy,
        other => panic!("{other:?}"),
    }
}

fn pf0() -> PciAddress {
    PciAddress::new(0, 1, 0, 0).unwrap()
}

/// The groups of the first PF: `POLICY RANGE`.
fn groups(desired: &Desired) -> Vec<String> {
    desired.pfs[&pf0()].groups.iter().map(|g| format!("{} {}", g.policy, g.range)).collect()
}

/// What is told of every policy: `POLICY [PF]: …`.
fn story(desired: &Desired) -> String {
    let mut lines = Vec::new();
    for (name, outcome) in &desired.policies {
        lines.extend(outcome.no_match.iter().map(|why| format!("{name}: {}: {why}", why.reason())));
        for (pf, verdict) in &outcome.pfs {
            lines.push(format!("{name} {pf}: {}: {verdict}", verdict.reason()));
        }
        lines.extend(outcome.unmatched.iter().map(|what| format!("{name}: nothing is {what}")));
    }
    lines.join("\n")
}

#[test]
fn a_policy_without_a_range_takes_the_whole_pf() {
    let desired = fold(&[policy("a", &["ens1f0"], json!({"mtu": 9000}))], &node());
    assert_eq!(groups(&desired), ["a 0-6"]);
    let pf = &desired.pfs[&pf0()];
    assert_eq!((pf.num_vfs, pf.mtu.unwrap().get()), (7, 9000));
    assert_eq!(story(&desired), "a 0000:01:00.0: Applied: gives VFs 0-6");
    assert_eq!(desired.pfs.len(), 1);
}

#[test]
fn all_ranges_of_a_pf_count_by_name_and_altname() {
    let names = ["ens1f0#5-6", "blue#0-1", "ens1f0#1-2", "ens1f1#3-3"];
    let desired = fold(&[policy("a", &names, json!({}))], &node());
    // What overlaps within one policy is one group.
    assert_eq!(groups(&desired), ["a 0-2", "a 5-6"]);
    assert_eq!(desired.pfs.len(), 2);
}

#[test]
fn every_part_of_a_selector_must_match() {
    for (selector, count) in [
        (json!({"vendor": "8086"}), 2),
        (json!({"vendor": "8086", "deviceID": "10c9", "rootDevices": ["0000:01:00.1"]}), 1),
        (json!({"vendor": "15b3"}), 0),
        (json!({"vendor": "15b3", "pfNames": ["ens1f0"]}), 0),
        (json!({"rootDevices": ["0000:01:00.0"], "pfNames": ["ens1f1"]}), 0),
        (json!({"netFilter": "aws/NetworkID:s"}), 0),
    ] {
        let desired = fold(&[policy("a", &[], json!({"nicSelector": selector}))], &node());
        assert_eq!(desired.pfs.len(), count, "{selector}");
        assert_eq!(desired.policies["a"].no_match.is_some(), count == 0, "{selector}");
    }
}

/// Why `policy` matches no PF of the node whose first PF is called `name`.
fn why(name: &str, altnames: &[&str], selector: serde_json::Value) -> String {
    let mut node = node();
    node.pfs[0].name = Some(name.parse().unwrap());
    node.pfs[0].altnames = altnames.iter().map(ToString::to_string).collect();
    let desired = fold(&[policy("a", &[], json!({"nicSelector": selector}))], &node);
    let outcome = &desired.policies["a"];
    outcome.absence().unwrap_or_else(|| format!("{:?}", outcome.pfs))
}

#[test]
fn the_id_of_the_vfs_is_told_from_that_of_the_pf() {
    let told = |selector| why("ens1f0", &[], selector);
    assert_eq!(
        told(json!({"deviceID": "10ca"})),
        "no PF here has deviceID 10ca (they have 10c9); 10ca is the id of their VFs, the PF's is 10c9"
    );
    let hint = "10ca is the id of their VFs, the PF's is 10c9";
    assert!(told(json!({"vendor": "8086", "deviceID": "10ca"})).ends_with(hint));
    assert!(!told(json!({"deviceID": "1018"})).contains("VFs"));
}

#[test]
fn what_a_pf_may_be_called_now_is_told() {
    let named = |pf: &str| json!({ "pfNames": [pf] });
    for (name, altnames, asked, hint) in [
        ("ens7f0np0", &[][..], "ens7f0", "ens7f0 may be called ens7f0np0 now"),
        ("ens7f0", &[], "ens7f0np0", "ens7f0np0 may be called ens7f0 now"),
        ("eth0", &["enp59s0f0np12"], "enp59s0f0", "enp59s0f0 may be called enp59s0f0np12 now"),
        ("enp1s0", &[], "ENP1S0", "enp1s0 comes nearest to ENP1S0"),
        ("enp1s0", &[], "epn1s0", "enp1s0 comes nearest to epn1s0"),
    ] {
        let told = why(name, altnames, named(asked));
        assert!(told.ends_with(&format!("; {hint}")), "{told}");
        // Where the policy has another PF too.
        let told = why(name, altnames, json!({"pfNames": [asked, "ens1f1"]}));
        assert_eq!(told, format!("this host has no {asked}; {hint}"));
    }
    for (name, asked) in [("ens7f0", "ens7f2"), ("ens7f0np0", "ens7f1"), ("ens7f0npx", "ens8f0")] {
        let told = why(name, &[], named(asked));
        assert!(told.ends_with(')'), "another port: {told}");
    }
}

#[test]
fn why_nothing_matches() {
    let nic = |selector: serde_json::Value| json!({ "nicSelector": selector });
    let policies = [
        policy("a-label", &["ens1f0"], json!({"nodeSelector": {"gpu": "yes"}})),
        policy("b-value", &["ens1f0"], json!({"nodeSelector": {"rack": "r2"}})),
        policy("c-none", &["ens1f0"], json!({"numVfs": 0})),
        policy("d-name", &["ens9", "ens8#0-1"], json!({})),
        policy("e-vendor", &[], nic(json!({"vendor": "15b3"}))),
        policy("f-device", &[], nic(json!({"deviceID": "101d"}))),
        policy("g-root", &[], nic(json!({"rootDevices": ["0000:02:00.0"]}))),
        policy("h-all", &[], nic(json!({"rootDevices": ["0000:01:00.0"], "pfNames": ["ens1f1"]}))),
        policy("i-cloud", &[], nic(json!({"netFilter": "openstack/NetworkID:x"}))),
        policy("j-some", &["ens1f1", "ens9"], json!({})),
    ];
    insta::assert_snapshot!(story(&fold(&policies, &node())));

    let bare = Node { pfs: Vec::new(), ..node() };
    let desired = fold(&[policy("a", &["ens1f0"], json!({}))], &bare);
    assert_eq!(story(&desired), "a: NoPf: this node has no SR-IOV capable PF");
}

#[test]
fn labels_must_all_be_there() {
    let labels = json!({"nodeSelector": {"rack": "r1"}});
    assert_eq!(fold(&[policy("a", &["ens1f0"], labels)], &node()).pfs.len(), 1);
    let labels = json!({"nodeSelector": {"rack": "r1", "x": "y"}});
    assert_eq!(fold(&[policy("a", &["ens1f0"], labels)], &node()).pfs.len(), 0);
}

#[test]
fn the_lowest_priority_number_wins_and_then_the_last_name() {
    let with = |name: &str, priority: u8, vfs: u16| {
        policy(name, &["ens1f0"], json!({"priority": priority, "numVfs": vfs}))
    };
    let desired = fold(&[with("z", 99, 4), with("a", 10, 2)], &node());
    assert_eq!(groups(&desired), ["a 0-1"]);
    // Nothing of the other is in force: the number is the winner's.
    assert_eq!(desired.pfs[&pf0()].num_vfs, 2);
    assert_eq!(desired.pfs[&pf0()].policies, ["a"]);

    let desired = fold(&[with("z", 50, 2), with("a", 50, 4)], &node());
    assert_eq!(groups(&desired), ["z 0-1"]);
    // Equals count even so.
    assert_eq!(desired.pfs[&pf0()].num_vfs, 4);
    assert_eq!(desired.pfs[&pf0()].policies, ["z", "a"]);
}

#[test]
fn ranges_of_many_policies_share_a_pf() {
    let policies = [
        policy("a", &["ens1f0#0-1"], json!({"numVfs": 2, "mtu": 9000, "priority": 10})),
        policy("b", &["ens1f0#4-6"], json!({"mtu": 1500, "deviceType": "vfio-pci"})),
    ];
    let desired = fold(&policies, &node());
    insta::assert_json_snapshot!(desired);
}

#[test]
fn a_range_that_overlaps_is_lost_as_a_whole() {
    let policies = [
        policy("high", &["ens1f0#0-3"], json!({"priority": 10})),
        policy("low", &["ens1f0#3-4", "ens1f0#5-6"], json!({})),
        policy("plain", &["ens1f0"], json!({})),
    ];
    let desired = fold(&policies, &node());
    assert_eq!(groups(&desired), ["high 0-3", "low 5-6"]);
    insta::assert_snapshot!(story(&desired));
}

/// A policy loses to what is in force only.
#[test]
fn the_rival_of_a_rival_is_none() {
    let policies = [
        policy("a", &["ens1f0#0-3"], json!({"priority": 10})),
        policy("b", &["ens1f0#2-5"], json!({"priority": 20})),
        policy("c", &["ens1f0#5-6"], json!({"priority": 30})),
    ];
    assert_eq!(groups(&fold(&policies, &node())), ["a 0-3", "c 5-6"]);
}

#[test]
fn a_resource_is_redefined_by_a_higher_policy_and_shared_by_an_equal_one() {
    let with = |name: &str, range: &str, priority: u8| {
        policy(name, &[range], json!({"resourceName": "shared", "priority": priority}))
    };
    let desired = fold(&[with("a", "ens1f0#0-1", 99), with("b", "ens1f0#4-5", 99)], &node());
    assert_eq!(groups(&desired), ["a 0-1", "b 4-5"]);

    let desired = fold(&[with("a", "ens1f0#0-1", 99), with("b", "ens1f0#4-5", 10)], &node());
    assert_eq!(groups(&desired), ["b 4-5"]);
    assert_eq!(
        story(&desired),
        "a 0000:01:00.0: Lost: VFs 0-1 lost to policy b (it redefines resource shared; \
         priority 10 beats 99)\n\
         b 0000:01:00.0: Applied: gives VFs 4-5"
    );
}

#[test]
fn too_many_vfs_stop_the_pf_and_name_it() {
    let policies = [
        policy("few", &["ens1f0#0-1", "ens1f1"], json!({})),
        policy("many", &["ens1f0#2-7"], json!({"numVfs": 8})),
    ];
    let desired = fold(&policies, &node());
    let refused = &desired.pfs[&pf0()].refused;
    assert_eq!(
        refused.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "policy many wants 8 VFs on ens1f0 (0000:01:00.0), which can have 7 at most; lower numVfs"
        ]
    );
    insta::assert_snapshot!(story(&desired));
}

#[test]
fn a_loser_cannot_stop_the_pf() {
    let policies = [
        policy("z", &["ens1f0"], json!({})),
        policy("a", &["ens1f0"], json!({"numVfs": 64, "eSwitchMode": "switchdev"})),
    ];
    let desired = fold(&policies, &node());
    assert_eq!((desired.pfs[&pf0()].refused.len(), desired.pfs[&pf0()].num_vfs), (0, 7));
}

#[test]
fn what_is_not_supported_stops_the_pf_by_name() {
    let policies = [policy(
        "a",
        &["ens1f0"],
        json!({"eSwitchMode": "switchdev", "vdpaType": "vhost", "bridge": {"ovs": {}}}),
    )];
    insta::assert_snapshot!(story(&fold(&policies, &node())));
}

#[test]
fn the_winner_decides_for_the_whole_pf() {
    let policies = [
        policy(
            "low",
            &["ens1f0#0-1"],
            json!({
                "eSwitchMode": "switchdev", "vdpaType": "vhost", "externallyManaged": true,
            }),
        ),
        policy("high", &["ens1f0#2-3"], json!({"priority": 1})),
    ];
    let desired = fold(&policies, &node());
    assert!(!desired.pfs[&pf0()].externally_managed);
    insta::assert_snapshot!(story(&desired));
}

#[test]
fn a_link_type_is_no_wish_where_it_is_so() {
    let eth = policy("a", &["ens1f0"], json!({"linkType": "eth"}));
    assert_eq!(fold(std::slice::from_ref(&eth), &node()).pfs[&pf0()].refused, []);

    let mut infiniband = node();
    infiniband.pfs[0].link_type = Some(LinkType::InfiniBand);
    let refused = &fold(&[eth], &infiniband).pfs[&pf0()].refused;
    assert!(
        matches!(&refused[..], [Refusal::Unsupported { field: Violation { path, .. }, .. }] if path == "spec.linkType")
    );

    let ib = policy("a", &["ens1f0"], json!({"linkType": "ib"}));
    assert_eq!(fold(&[ib], &node()).pfs[&pf0()].refused.len(), 1);
}

#[test]
fn an_infiniband_pf_is_refused_whatever_link_type_is_given_or_none() {
    let mut node = node();
    node.pfs[0].link_type = Some(LinkType::InfiniBand);
    for more in [json!({}), json!({"deviceType": "vfio-pci"}), json!({"externallyManaged": true})] {
        let asked = policy("any", &["ens1f0", "ens1f1"], more.clone());
        let asked = Policy { nic: vendor_of(&node), ..asked };
        let desired = fold(std::slice::from_ref(&asked), &node);
        let told = desired.pfs[&pf0()].refused.iter().map(ToString::to_string);
        let told = told.collect::<Vec<_>>().join("; ");
        assert!(told.contains("spec.linkType") && told.contains("GUIDs"), "{more}: {told}");
        let other = &desired.pfs[&node.pfs[1].address];
        assert_eq!(other.refused, [], "the Ethernet PF beside it is as it was");
    }
}

fn vendor_of(node: &Node) -> crate::policy::NicSelector {
    let vendor = node.pfs.first().map(|pf| pf.vendor);
    crate::policy::NicSelector { vendor, ..crate::policy::NicSelector::default() }
}

#[test]
fn a_pf_in_switchdev_mode_is_not_what_legacy_means() {
    let mut switched = node();
    switched.pfs[0].switchdev = true;
    for more in [json!({}), json!({"eSwitchMode": "legacy"}), json!({"eSwitchMode": "switchdev"})] {
        let asked = policy("any", &["ens1f0", "ens1f1"], more.clone());
        let desired = fold(std::slice::from_ref(&asked), &switched);
        let Some(Verdict::Refused { refusals }) = desired.policies["any"].pfs.get(&pf0()) else {
            panic!("{more}: {desired:?}");
        };
        assert!(refusals[0].to_string().contains("spec.eSwitchMode"), "{more}: {refusals:?}");
        let told = refusals[0].to_string();
        let is_legacy = more != json!({"eSwitchMode": "switchdev"});
        assert_eq!(told.contains("devlink dev eswitch set pci/0000:01:00.0"), is_legacy, "{told}");
        let other = desired.policies["any"].pfs.get(&switched.pfs[1].address);
        assert_eq!(matches!(other, Some(Verdict::Applied { .. })), is_legacy, "{more}");
    }
}

/// What a random policy is made of.
#[derive(Debug, Clone)]
struct Draft {
    names: Vec<(&'static str, Option<(u16, u16)>)>,
    vfs: u16,
    priority: u8,
    resource: &'static str,
    more: serde_json::Value,
}

impl Draft {
    fn build(&self, name: &str) -> Policy {
        let entry = |(name, range): &(&str, Option<(u16, u16)>)| match range
            .filter(|(_, last)| *last < self.vfs)
        {
            Some((first, last)) => format!("{name}#{first}-{last}"),
            None => (*name).to_owned(),
        };
        let names: Vec<String> = self.names.iter().map(entry).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut spec = json!({
            "numVfs": self.vfs, "priority": self.priority, "resourceName": self.resource,
        });
        if names.is_empty() {
            spec["nicSelector"] = json!({"vendor": "8086"});
        }
        spec.as_object_mut().unwrap().extend(self.more.as_object().unwrap().clone());
        policy(name, &names, spec)
    }
}

/// Policies that meet and clash in every way.
fn any_policies() -> impl Strategy<Value = Vec<Policy>> {
    let range = (0_u16..8, 0_u16..4).prop_map(|(first, more)| (first, first + more));
    let name = prop::sample::select(vec!["ens1f0", "blue", "ens1f1", "ens9"]);
    let more = prop::sample::select(vec![
        json!({}),
        json!({}),
        json!({"mtu": 9000}),
        json!({"eSwitchMode": "switchdev"}),
        json!({"nodeSelector": {"a": "b"}}),
    ]);
    let draft = (
        prop::collection::vec((name, prop::option::of(range)), 0..4),
        0_u16..14,
        prop::sample::select(vec![1_u8, 50, 99]),
        prop::sample::select(vec!["red", "green", "x"]),
        more,
    )
        .prop_map(|(names, vfs, priority, resource, more)| Draft {
            names,
            vfs,
            priority,
            resource,
            more,
        });
    prop::collection::vec(draft, 0..6).prop_map(|drafts| {
        drafts.iter().enumerate().map(|(at, draft)| draft.build(&format!("p{at}"))).collect()
    })
}

proptest! {
    #[test]
    fn the_order_of_policies_and_pfs_is_nothing(
        policies in any_policies().prop_flat_map(|policies| (Just(policies.clone()), Just(policies).prop_shuffle())),
    ) {
        let mut turned = node();
        turned.pfs.reverse();
        prop_assert_eq!(fold(&policies.0, &node()), fold(&policies.1, &turned));
    }

    #[test]
    fn groups_are_disjoint_and_inside(policies in any_policies()) {
        let desired = fold(&policies, &node());
        for pf in desired.pfs.values() {
            let mut owners = BTreeMap::new();
            for group in &pf.groups {
                for index in group.range.indices() {
                    prop_assert!(index < VfIndex(pf.num_vfs));
                    prop_assert_eq!(owners.insert(index, &group.policy), None);
                }
                prop_assert!(pf.policies.contains(&group.policy));
            }
            prop_assert!(pf.groups.is_sorted_by_key(|group| group.range));
            prop_assert!(!pf.groups.is_empty());
            prop_assert!(pf.num_vfs <= 7 || !pf.refused.is_empty());
        }
    }

    #[test]
    fn every_policy_gets_an_outcome_that_is_true(policies in any_policies()) {
        let desired = fold(&policies, &node());
        prop_assert_eq!(desired.policies.len(), policies.len());
        for (name, outcome) in &desired.policies {
            prop_assert_eq!(outcome.no_match.is_some(), outcome.pfs.is_empty());
            for (address, verdict) in &outcome.pfs {
                let pf = &desired.pfs[address];
                let granted: Vec<_> =
                    pf.groups.iter().filter(|group| group.policy == *name).map(|g| g.range).collect();
                match verdict {
                    Verdict::Applied { ranges } | Verdict::PartlyLost { ranges, .. } => {
                        prop_assert_eq!(ranges, &granted);
                        prop_assert!(pf.refused.is_empty());
                    }
                    Verdict::Lost { lost } => {
                        prop_assert!(granted.is_empty() && !lost.is_empty());
                    }
                    Verdict::Refused { refusals: why } | Verdict::HeldBack { by: why } => {
                        prop_assert!(!why.is_empty() && !pf.refused.is_empty());
                    }
                }
                if let Verdict::Lost { lost } | Verdict::PartlyLost { lost, .. } = verdict {
                    for loss in lost {
                        prop_assert!(pf.groups.iter().any(|group| group.policy == loss.to));
                    }
                }
            }
        }
    }

    /// Without the winner's rivals the winner has the same VFs.
    #[test]
    fn nobody_takes_from_the_winner(policies in any_policies()) {
        let desired = fold(&policies, &node());
        for (address, pf) in &desired.pfs {
            let winner = policies.iter().find(|policy| policy.name == pf.policies[0]).unwrap().clone();
            let alone = fold(std::slice::from_ref(&winner), &node());
            let own = |desired: &Desired| -> Vec<VfGroup> {
                desired.pfs[address].groups.iter().filter(|g| g.policy == winner.name).cloned().collect()
            };
            prop_assert_eq!(own(&desired), own(&alone));
        }
    }

    #[test]
    fn it_survives_being_written_and_read(policies in any_policies()) {
        let desired = fold(&policies, &node());
        let text = serde_json::to_string(&desired).unwrap();
        prop_assert_eq!(serde_json::from_str::<Desired>(&text).unwrap(), desired);
    }
}
