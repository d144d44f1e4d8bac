use std::path::PathBuf;

use conf::desired::{Loss, NoMatch, PfLabel, PolicyOutcome, Refusal, Verdict};
use conf::policy::{DeviceType, EswitchMode};
use conf::{VfRange, Violation};

use super::*;
use crate::claims::Claim;
use crate::source::SourceFile;
use crate::specimen::igb;

fn address(text: &str) -> PciAddress {
    text.parse().unwrap()
}

fn range(first: u16, last: u16) -> VfRange {
    VfRange::new(first, last).unwrap()
}

fn group(policy: &str, range: VfRange, device_type: DeviceType) -> VfGroup {
    VfGroup {
        policy: policy.to_owned(),
        resource: policy.parse().unwrap(),
        range,
        device_type,
        mtu: None,
        is_rdma: false,
        need_vhost_net: false,
        exclude_topology: false,
        vdpa_type: None,
    }
}

fn wanted(groups: Vec<VfGroup>) -> DesiredPf {
    DesiredPf {
        num_vfs: 4,
        mtu: Some(9000.try_into().unwrap()),
        externally_managed: false,
        eswitch_mode: EswitchMode::Legacy,
        link_type: None,
        policies: groups.iter().map(|group| group.policy.clone()).collect(),
        groups,
        refused: Vec::new(),
    }
}

fn outcome(pf: &str, verdict: Verdict) -> PolicyOutcome {
    PolicyOutcome { pfs: [(address(pf), verdict)].into(), ..PolicyOutcome::default() }
}

/// A node with something of everything.
struct Bed {
    node: NodeName,
    snapshot: Snapshot,
    desired: Desired,
    fates: BTreeMap<PciAddress, PfFate>,
    pools: BTreeMap<PoolRef, Standing>,
    objects: Objects,
}

impl Bed {
    /// One PF, one policy, one pool; all is well.
    fn well() -> Self {
        let mut pf = igb("0000:01:00.0", "enp1s0").up().with_vfs(2);
        pf.speed = Some(1000);
        pf.altnames = vec!["nic-left".to_owned()];
        let desired = Desired {
            pfs: [(pf.address, wanted(vec![group("net", range(0, 3), DeviceType::NetDevice)]))]
                .into(),
            policies: [
                (
                    "net".to_owned(),
                    outcome("0000:01:00.0", Verdict::Applied { ranges: vec![range(0, 3)] }),
                ),
                (
                    "elsewhere".to_owned(),
                    PolicyOutcome {
                        no_match: Some(NoMatch::OtherNode {
                            label: "role=x".to_owned(),
                            here: None,
                        }),
                        ..PolicyOutcome::default()
                    },
                ),
            ]
            .into(),
        };
        let block = serde_json::from_str(
            r#"{"version": 1, "pool": "ippool/blue", "index": 0, "network": "10.0.0.0/24",
                "range": {"first": "10.0.0.1", "last": "10.0.0.8"}, "gateway": null,
                "static_range": {"first": "10.0.0.1", "last": "10.0.0.8"},
                "default_gateway": false, "routes": [], "exclusions": []}"#,
        )
        .unwrap();
        Self {
            node: "node-a".parse().unwrap(),
            fates: [(pf.address, PfFate::InForce)].into(),
            snapshot: Snapshot { pfs: [(pf.address, pf)].into(), ..Snapshot::default() },
            desired,
            pools: [
                ("ippool/blue".parse().unwrap(), Standing::Claimed(Claim::Held(Box::new(block)))),
                ("ippool/other".parse().unwrap(), Standing::NotForThisNode),
            ]
            .into(),
            objects: Objects::default(),
        }
    }

    fn build(&self) -> NodeState {
        build(&Facts {
            node: &self.node,
            snapshot: &self.snapshot,
            desired: &self.desired,
            fates: &self.fates,
            pools: &self.pools,
            objects: &self.objects,
            now: Timestamp::from_epoch(1_795_414_827),
        })
    }

    /// `TYPE STATUS REASON: MESSAGE` of each condition.
    fn conditions(&self) -> Vec<String> {
        let state = self.build();
        let line = |c: &conf::node_state::Condition| {
            format!("{} {} {}: {}", c.r#type, c.status, c.reason, c.message)
        };
        state.status.conditions.iter().map(line).collect()
    }
}

#[test]
fn golden() {
    let state = Bed::well().build();
    insta::assert_snapshot!(serde_json::to_string_pretty(&state).unwrap());
}

#[test]
fn all_is_well() {
    let bed = Bed::well();
    assert_eq!(
        bed.conditions(),
        [
            "Ready True InForce: everything is as the objects want it",
            "ippool.railhead.dev/blue True BlockHeld: this node gives out 10.0.0.1-10.0.0.8",
            "pf.railhead.dev/0000-01-00.0 True InForce: as its policies want it",
            "policy.railhead.dev/net True InForce: in force on 0000:01:00.0",
        ]
    );
    assert_eq!(bed.build().status.sync_status, "Succeeded");
}

#[test]
fn a_pf_that_is_being_worked_on() {
    let mut bed = Bed::well();
    let message = "waits for pod default/web-0".to_owned();
    bed.fates.insert(address("0000:01:00.0"), PfFate::Working { message });
    assert_eq!(bed.build().status.sync_status, "InProgress");
    let conditions = bed.conditions();
    assert_eq!(
        conditions[3],
        "policy.railhead.dev/net False InProgress: 0000:01:00.0: waits for pod default/web-0"
    );
    // Not looked at is not well.
    bed.fates.clear();
    assert_eq!(bed.build().status.sync_status, "InProgress");
}

#[test]
fn a_pf_that_failed() {
    let mut bed = Bed::well();
    let fate = PfFate::Failed {
        reason: "DeviceHung".to_owned(),
        message: "set sriov_numvfs: no answer in 60 s".to_owned(),
    };
    bed.fates.insert(address("0000:01:00.0"), fate);
    let state = bed.build();
    assert_eq!(state.status.sync_status, "Failed");
    assert_eq!(state.status.last_sync_error, "0000:01:00.0: set sriov_numvfs: no answer in 60 s");
    assert_eq!(
        bed.conditions()[2],
        "pf.railhead.dev/0000-01-00.0 False DeviceHung: set sriov_numvfs: no answer in 60 s"
    );
}

#[test]
fn policies_that_lost_are_unsupported_or_match_nothing() {
    let mut bed = Bed::well();
    let lost = vec![Loss {
        wish: "VFs 0-3".to_owned(),
        to: "net".to_owned(),
        why: "priority 10 beats 99".to_owned(),
    }];
    let refusal = Refusal::Unsupported {
        policy: "vdpa".to_owned(),
        pf: PfLabel { address: address("0000:01:00.0"), name: None },
        field: Violation::new("spec.vdpaType", "virtio", "is not supported yet"),
    };
    let no_pf = NoMatch::NoPf { why: "no PF is named enp9s0".to_owned() };
    for (name, outcome) in [
        ("lost", outcome("0000:01:00.0", Verdict::Lost { lost })),
        ("vdpa", outcome("0000:01:00.0", Verdict::Refused { refusals: vec![refusal] })),
        ("typo", PolicyOutcome { no_match: Some(no_pf), ..PolicyOutcome::default() }),
    ] {
        bed.desired.policies.insert(name.to_owned(), outcome);
    }
    let conditions = bed.conditions();
    let of = |name: &str| {
        let prefix = format!("policy.railhead.dev/{name} ");
        conditions.iter().find_map(|line| line.strip_prefix(&prefix)).unwrap().to_owned()
    };
    assert_eq!(
        of("lost"),
        "False Lost: 0000:01:00.0: VFs 0-3 lost to policy net (priority 10 beats 99)"
    );
    assert!(of("vdpa").starts_with("False Unsupported: "), "{}", of("vdpa"));
    assert_eq!(of("typo"), "False NoPfMatches: no PF is named enp9s0");
}

#[test]
fn a_pf_that_is_named_but_absent_is_no_success() {
    let mut bed = Bed::well();
    let net = bed.desired.policies.get_mut("net").unwrap();
    net.unmatched = vec!["enp9s0".to_owned()];
    let state = bed.build();
    assert_eq!(state.status.sync_status, "Failed");
    assert_eq!(state.status.last_sync_error, "policy net: this host has no enp9s0");
    let condition = "policy.railhead.dev/net False PfMissing: this host has no enp9s0".to_owned();
    assert!(bed.conditions().contains(&condition), "{:?}", bed.conditions());
}

#[test]
fn a_refused_pf_is_never_a_success() {
    let mut bed = Bed::well();
    let pf = address("0000:01:00.0");
    let refusal = Refusal::TooManyVfs {
        policy: "net".to_owned(),
        pf: PfLabel { address: pf, name: None },
        wanted: 9,
        limit: 7,
    };
    bed.desired.pfs.get_mut(&pf).unwrap().refused.push(refusal);
    let state = bed.build();
    assert_eq!(state.status.sync_status, "Failed");
    assert!(state.status.last_sync_error.contains("wants 9 VFs"), "{state:?}");
}

#[test]
fn an_object_that_is_broken_now_says_that_the_old_one_is_in_force() {
    let policy = |num_vfs: &str| {
        let text = format!(
            "apiVersion: sriovnetwork.openshift.io/v1\nkind: SriovNetworkNodePolicy\n\
             metadata: {{name: net, generation: 4}}\nspec: {{numVfs: {num_vfs}, resourceName: net, \
             nodeSelector: {{}}, nicSelector: {{pfNames: [enp1s0]}}}}\n"
        );
        let file = SourceFile { path: PathBuf::from("nics.yaml"), content: text.into() };
        Objects::of_files(&[file])
    };
    let mut bed = Bed::well();
    bed.objects = policy("-1").keeping(&policy("4"));
    let conditions = bed.conditions();
    assert!(
        conditions[3].starts_with(
            "policy.railhead.dev/net False Invalid: nics.yaml:1: SriovNetworkNodePolicy net: \
             spec.numVfs: -1: "
        ) && conditions[3].ends_with("(the version before stays in force)"),
        "{}",
        conditions[3]
    );
    assert_eq!(bed.build().status.sync_status, "Failed");
    let condition = &bed.build().status.conditions[3];
    assert_eq!(condition.observed_generation, Some(4));
}

#[test]
fn a_broken_object_that_never_was_in_force_has_a_condition() {
    let mut bed = Bed::well();
    let text = "apiVersion: nv-ipam.nvidia.com/v1alpha1\nkind: IPPool\nmetadata: {name: red}\n\
                spec: {subnet: nonsense, perNodeBlockSize: 1}\n---\nkind: IPPool\n\
                metadata: {name: ../x}\n---\nx: 1\n";
    let file = SourceFile { path: PathBuf::from("pools.yaml"), content: text.into() };
    bed.objects = Objects::of_files(&[file]);
    let conditions = bed.conditions();
    assert_eq!(conditions.len(), 5, "{conditions:?}");
    assert!(
        conditions[2].starts_with(
            "ippool.railhead.dev/red False Invalid: pools.yaml:1: IPPool red: spec.subnet: "
        ),
        "{}",
        conditions[2]
    );
    assert!(conditions[0].ends_with("; and 2 more"), "{}", conditions[0]);
}

#[test]
fn types_of_conditions_are_what_kubernetes_allows() {
    let state = Bed::well().build();
    for condition in state.status.conditions {
        let (prefix, name) = condition.r#type.split_once('/').unwrap_or(("", &condition.r#type));
        let subdomain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
        assert!(prefix.chars().all(subdomain), "{prefix}");
        let word = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        assert!(name.chars().all(word) && !name.is_empty(), "{name}");
    }
}
