use cni::attachment::{FORMAT, Ipam};
use cni::kernel::vf::VfChange;
use conf::{ResetOnRelease, VfIndex, VlanId, VlanProto, VlanQos};
use ipam::PodRef;

use super::*;
use crate::view::Format;
use crate::view::tests::shown;

fn key(container: &str) -> AttachmentKey {
    AttachmentKey { container: container.parse().unwrap(), ifname: "net1".parse().unwrap() }
}

fn record(container: &str, pf: &str, vf: &str, index: u16, state: State) -> Record {
    Record {
        format: FORMAT,
        state,
        key: key(container),
        network: "blue".parse().unwrap(),
        pod: None,
        netns: "/run/netns/one".into(),
        netns_cookie: 7,
        vf: vf.parse().unwrap(),
        incarnation: 1,
        pf: pf.parse().unwrap(),
        vf_index: VfIndex(index),
        driver: "igbvf".parse().unwrap(),
        link: None,
        before: None,
        change: VfChange::default(),
        mtu: None,
        ipam: Ipam::Own,
        device_info: None,
        reset: ResetOnRelease::default(),
        fence: None,
    }
}

fn lease(container: &str, address: &str) -> Lease {
    Lease {
        pool: "ippool/blue".parse().unwrap(),
        address: address.parse().unwrap(),
        owner: key(container),
        network: "blue".parse().unwrap(),
        pod: None,
        granted_at: BootTime::from_start(Duration::from_secs(10)),
        netns_cookie: None,
        netns: None,
        recovered: false,
    }
}

fn attachments() -> Attachments {
    let sandbox = "4f1e9d2c7b6a5f4e3d2c1b0a99887766554433221100ffeeddccbbaa99887766";
    let mut first = record(sandbox, "0000:01:00.0", "0000:01:10.0", 0, State::Attached);
    first.pod = Some(PodRef {
        namespace: "default".to_owned(),
        name: "web-0".to_owned(),
        uid: "u".to_owned(),
    });
    let vlan = (VlanId::try_from(100).unwrap(), VlanQos::LEAST, VlanProto::default());
    first.change.vlan = Some(vlan);
    // A namespace's path comes from the runtime.
    first.netns = "/run/netns/x\u{1b}[2J".into();
    let second = record("cnitool-1", "0000:02:00.0", "0000:02:10.2", 1, State::Intent);
    let leases =
        [lease(sandbox, "10.0.0.2"), lease(sandbox, "fd00::2"), lease("somebody-else", "10.0.0.3")];
    let pfs = [("0000:01:00.0".parse().unwrap(), "enp1s0".parse().unwrap())].into();
    let now = BootTime::from_start(Duration::from_secs(310));
    let mut attachments = Attachments::of(vec![first, second], &leases, &pfs, now);
    attachments.damaged(key("broken"), "read the record: expected value".to_owned());
    attachments
}

#[test]
fn as_a_table() {
    insta::assert_snapshot!(shown(Format::Table, &attachments()));
}

#[test]
fn as_json() {
    insta::assert_snapshot!(shown(Format::Json, &attachments()));
}

#[test]
fn a_vf_that_goes_to_nobody_is_named_with_the_reason() {
    let mut fenced = record("c1", "0000:01:00.0", "0000:01:10.0", 0, State::Attached);
    fenced.fence = Some("its container left generic XDP".to_owned());
    let now = BootTime::from_start(Duration::from_secs(70));
    let view = Attachments::of(vec![fenced], &[], &BTreeMap::new(), now);
    let text = shown(Format::Table, &view);
    for word in ["fenced", "0000:01:10.0", "its container left generic XDP"] {
        assert!(text.contains(word), "{text}");
    }
    assert_eq!(
        serde_json::to_value(&view).unwrap()["attachments"][0]["fence"],
        "its container left generic XDP"
    );
}
