use super::*;

/// Every field of every struct, under the keys that tools of the SR-IOV Network Operator read.
fn full() -> NodeState {
    let text = |text: &str| text.to_owned();
    let bridges = Bridges { ovs: vec![serde_json::json!({"name": "br-0000_01_00.0"})] };
    let system = System { rdma_mode: text("shared") };
    NodeState {
        api_version: text("sriovnetwork.openshift.io/v1"),
        kind: text("SriovNetworkNodeState"),
        metadata: NodeStateMetadata {
            name: text("worker-1"),
            annotations: [(text("a"), text("b"))].into(),
        },
        spec: NodeStateSpec {
            interfaces: vec![WantedInterface {
                pci_address: text("0000:01:00.0"),
                num_vfs: 7,
                mtu: 9000,
                name: text("ens1f0"),
                link_type: text("eth"),
                e_switch_mode: text("legacy"),
                externally_managed: true,
                vf_groups: vec![WantedGroup {
                    resource_name: text("blue"),
                    device_type: text("netdevice"),
                    vf_range: text("0-3"),
                    policy_name: text("policy"),
                    mtu: 9000,
                    is_rdma: true,
                    vdpa_type: text("vhost"),
                }],
            }],
            bridges: bridges.clone(),
            system: system.clone(),
        },
        status: NodeStateStatus {
            interfaces: vec![Interface {
                name: text("ens1f0"),
                mac: text("52:54:00:00:00:01"),
                driver: text("igb"),
                pci_address: text("0000:01:00.0"),
                vendor: text("8086"),
                device_id: text("10c9"),
                net_filter: text("aws/NetworkID:x"),
                mtu: 1500,
                num_vfs: 1,
                link_speed: text("1000 Mb/s"),
                link_type: text("ETH"),
                link_admin_state: text("up"),
                e_switch_mode: text("legacy"),
                externally_managed: true,
                total_vfs: 7,
                alt_names: vec![text("enp1s0f0")],
                vfs: vec![VirtualFunction {
                    name: text("ens1f0v0"),
                    mac: text("52:54:00:00:00:02"),
                    assigned: text("pod"),
                    driver: text("igbvf"),
                    pci_address: text("0000:01:10.0"),
                    vendor: text("8086"),
                    device_id: text("10ca"),
                    vlan: 100,
                    mtu: 1500,
                    vf_id: 0,
                    vdpa_type: text("vhost"),
                    representor_name: text("ens1f0_0"),
                    guid: text("00:00:00:00:00:00:00:01"),
                }],
            }],
            bridges,
            system,
            sync_status: text("Failed"),
            last_sync_error: text("why"),
            conditions: vec![Condition {
                r#type: text("Ready"),
                status: text("False"),
                observed_generation: Some(3),
                last_transition_time: text("2026-11-23T06:00:00Z"),
                reason: text("TooManyVfs"),
                message: text("policy many wants 8 VFs"),
            }],
        },
    }
}

#[test]
fn keys_are_upstreams() {
    insta::assert_json_snapshot!(full());
}

#[test]
fn what_is_written_is_read() {
    let value = serde_json::to_value(full()).unwrap();
    assert_eq!(serde_json::from_value::<NodeState>(value).unwrap(), full());
}

/// Only what upstream's schema requires stays when there is nothing to say.
#[test]
fn empty_fields_are_left_out() {
    let state = NodeStateStatus {
        interfaces: vec![Interface {
            vfs: vec![VirtualFunction::default()],
            ..Interface::default()
        }],
        ..NodeStateStatus::default()
    };
    assert_eq!(
        serde_json::to_value(state).unwrap(),
        serde_json::json!({"interfaces": [{"pciAddress": "", "Vfs": [{"pciAddress": "", "vfID": 0}]}]})
    );
}

/// A state that others wrote, with fields that this version does not know.
#[test]
fn foreign_fields_are_tolerated() {
    let value = serde_json::json!({
        "apiVersion": "sriovnetwork.openshift.io/v1", "kind": "SriovNetworkNodeState",
        "metadata": {"name": "n", "uid": "x"},
        "status": {"interfaces": [{"pciAddress": "0000:01:00.0", "new": 1}], "new": {}},
    });
    let state: NodeState = serde_json::from_value(value).unwrap();
    assert_eq!(state.status.interfaces[0].pci_address, "0000:01:00.0");
}
