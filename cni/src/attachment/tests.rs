use conf::{LinkState, OnOff, VlanId, VlanProto, VlanQos};
use serde_json::json;

use super::*;

fn record() -> Record {
    Record {
        format: FORMAT,
        state: State::Intent,
        key: AttachmentKey { container: "c1".parse().unwrap(), ifname: "net1".parse().unwrap() },
        network: "blue".parse().unwrap(),
        pod: Some(PodRef { namespace: "ns".into(), name: "p".into(), uid: "u".into() }),
        netns: "/run/netns/a".into(),
        netns_cookie: 4711,
        vf: "0000:01:10.2".parse().unwrap(),
        incarnation: 9000,
        pf: "0000:01:00.0".parse().unwrap(),
        vf_index: VfIndex(1),
        driver: "igbvf".parse().unwrap(),
        link: Some(HostLink {
            index: 7,
            name: "eth2".into(),
            altnames: Some(vec!["enp1s0v1".into()]),
            mac: Some("02:00:00:00:00:01".parse().unwrap()),
            permanent_mac: Some("02:00:00:00:00:02".parse().unwrap()),
            mtu: 1500,
            up: false,
            promisc: false,
            allmulti: false,
            settings: None,
            tuning: None,
            tuned: None,
        }),
        before: Some(VfConfig {
            index: VfIndex(1),
            mac: Mac::ZERO,
            vlan: VlanId::try_from(0).unwrap(),
            qos: VlanQos::try_from(0).unwrap(),
            proto: VlanProto::Q,
            min_tx_rate: 0,
            max_tx_rate: 100,
            spoofchk: Some(OnOff::On),
            trust: Some(OnOff::Off),
            link_state: Some(LinkState::Auto),
            rss_query: None,
            node_guid: None,
            port_guid: None,
        }),
        change: VfChange { trust: Some(OnOff::On), ..VfChange::default() },
        mtu: None,
        ipam: Ipam::Foreign(ForeignIpam {
            plugin: "host-local".parse().unwrap(),
            config: "{}".into(),
            args: String::new(),
            refused: false,
            path: vec!["/opt/cni/bin".into()],
        }),
        device_info: None,
        reset: ResetOnRelease::Needed,
        fence: None,
    }
}

/// What stands in the store after an update must be readable by the railhead before it and after it.
#[test]
fn the_written_form_golden() {
    assert_eq!(
        serde_json::to_value(record()).unwrap(),
        json!({
            "format": 1,
            "state": "intent",
            "container": "c1",
            "ifname": "net1",
            "network": "blue",
            "pod": {"namespace": "ns", "name": "p", "uid": "u"},
            "netns": "/run/netns/a",
            "netns_cookie": 4711,
            "vf": "0000:01:10.2",
            "incarnation": 9000,
            "pf": "0000:01:00.0",
            "vf_index": 1,
            "driver": "igbvf",
            "link": {
                "index": 7, "name": "eth2", "altnames": ["enp1s0v1"], "mac": "02:00:00:00:00:01",
                "permanent_mac": "02:00:00:00:00:02", "mtu": 1500, "up": false, "promisc": false, "allmulti": false,
            },
            "before": {
                "index": 1, "mac": "00:00:00:00:00:00", "vlan": 0, "qos": 0, "proto": "802.1q",
                "min_tx_rate": 0, "max_tx_rate": 100, "spoofchk": "on", "trust": "off",
                "link_state": "auto", "rss_query": null, "node_guid": null, "port_guid": null,
            },
            "change": {
                "mac": null, "vlan": null, "rate": null, "spoofchk": null, "link_state": null,
                "trust": "on", "node_guid": null, "port_guid": null,
            },
            "ipam": {"foreign": {
                "plugin": "host-local", "config": "{}", "args": "", "path": ["/opt/cni/bin"],
            }},
        })
    );
}

#[test]
fn what_is_written_is_read_back() {
    for ipam in [Ipam::None, Ipam::Own, record().ipam] {
        let record = Record { ipam, ..record() };
        let text = serde_json::to_vec(&record).unwrap();
        assert_eq!(serde_json::from_slice::<Record>(&text).unwrap(), record);
    }
}

/// Version 0.1 had none of it: what it wrote is read, and what it cannot read is left out where it can be.
#[test]
fn what_a_vf_was_is_told_in_fields_of_their_own_golden() {
    let mut record = record();
    let own = record.link.as_mut().unwrap();
    own.settings = Some(LinkSettings {
        flags: 0x1000,
        numbers: vec![(13, 1000), (17, 0)],
        broadcast: vec![255; 6],
        alias: None,
        unknown: 0,
    });
    own.tuning = Some(serde_json::from_value(json!({"rings": 1})).unwrap());
    record.reset = ResetOnRelease::Always;
    record.fence = Some("why".to_owned());
    let value = serde_json::to_value(&record).unwrap();
    assert_eq!(
        value["link"]["settings"],
        json!({"flags": 4096, "numbers": [[13, 1000], [17, 0]], "broadcast": [255, 255, 255, 255, 255, 255]})
    );
    assert_eq!(
        (&value["link"]["tuning"], &value["reset"], &value["fence"]),
        (&json!({"rings": 1}), &json!("always"), &json!("why"))
    );
    assert_eq!(serde_json::from_value::<Record>(value).unwrap(), record);
}

#[test]
fn fields_of_a_later_version_do_no_harm() {
    let mut value = serde_json::to_value(record()).unwrap();
    value["format"] = json!(FORMAT + 1);
    value["later"] = json!("x");
    let read: Record = serde_json::from_value(value).unwrap();
    assert!(!read.is_readable());
}
