//! The spec as it is written: upstream's keys, and types no narrower than JSON's.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::document::Fields;

/// The fields.
pub(crate) const FIELDS: Fields<'static> = Fields {
    known: KNOWN,
    // Without `externallyManaged` the VFs that another program makes would be made and removed.
    restricting: &["nodeSelector", "nicSelector", "externallyManaged"],
};

const KNOWN: &[&str] = &[
    "resourceName",
    "nodeSelector",
    "numVfs",
    "nicSelector.vendor",
    "nicSelector.deviceID",
    "nicSelector.rootDevices",
    "nicSelector.pfNames",
    "nicSelector.netFilter",
    "priority",
    "mtu",
    "deviceType",
    "isRdma",
    "needVhostNet",
    "linkType",
    "eSwitchMode",
    "vdpaType",
    "excludeTopology",
    "externallyManaged",
    "devlinkParams.params[].name",
    "devlinkParams.params[].value",
    "devlinkParams.params[].cmode",
    "devlinkParams.params[].applyOn",
    "bridge.groupingPolicy",
    "bridge.ovs.bridge.datapathType",
    "bridge.ovs.bridge.externalIDs",
    "bridge.ovs.bridge.otherConfig",
    "bridge.ovs.bridge.failMode",
    "bridge.ovs.uplink.interface.type",
    "bridge.ovs.uplink.interface.options",
    "bridge.ovs.uplink.interface.externalIDs",
    "bridge.ovs.uplink.interface.otherConfig",
    "bridge.ovs.uplink.interface.mtuRequest",
];

/// `spec` of a SriovNetworkNodePolicy.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "an object")]
pub(crate) struct PolicySpec {
    pub(crate) resource_name: Option<String>,
    pub(crate) node_selector: Option<BTreeMap<String, String>>,
    pub(crate) num_vfs: Option<i64>,
    pub(crate) nic_selector: Option<NicSelectorSpec>,
    pub(crate) priority: Option<i64>,
    pub(crate) mtu: Option<i64>,
    pub(crate) device_type: String,
    pub(crate) is_rdma: bool,
    pub(crate) need_vhost_net: bool,
    pub(crate) link_type: String,
    pub(crate) e_switch_mode: String,
    pub(crate) vdpa_type: String,
    pub(crate) exclude_topology: bool,
    pub(crate) externally_managed: bool,
    pub(crate) devlink_params: DevlinkParamsSpec,
    pub(crate) bridge: BridgeSpec,
}

/// `devlinkParams`, which only NVIDIA's copy of the kind has.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an object")]
pub(crate) struct DevlinkParamsSpec {
    pub(crate) params: Vec<DevlinkParamSpec>,
}

/// One of `devlinkParams.params`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "an object")]
pub(crate) struct DevlinkParamSpec {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) cmode: String,
    pub(crate) apply_on: String,
}

/// `nicSelector`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "an object")]
pub(crate) struct NicSelectorSpec {
    pub(crate) vendor: String,
    #[serde(rename = "deviceID")]
    pub(crate) device_id: String,
    pub(crate) root_devices: Vec<String>,
    pub(crate) pf_names: Vec<String>,
    pub(crate) net_filter: String,
}

/// `bridge`; only NVIDIA's copy of the kind has `groupingPolicy`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "an object")]
pub(crate) struct BridgeSpec {
    pub(crate) grouping_policy: String,
    pub(crate) ovs: Option<OvsSpec>,
}

/// `bridge.ovs`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an object")]
pub(crate) struct OvsSpec {
    pub(crate) bridge: OvsBridgeSpec,
    pub(crate) uplink: OvsUplinkSpec,
}

/// `bridge.ovs.bridge`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "an object")]
pub(crate) struct OvsBridgeSpec {
    pub(crate) datapath_type: String,
    #[serde(rename = "externalIDs")]
    pub(crate) external_ids: BTreeMap<String, String>,
    pub(crate) other_config: BTreeMap<String, String>,
    pub(crate) fail_mode: String,
}

/// `bridge.ovs.uplink`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an object")]
pub(crate) struct OvsUplinkSpec {
    pub(crate) interface: OvsInterfaceSpec,
}

/// `bridge.ovs.uplink.interface`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "an object")]
pub(crate) struct OvsInterfaceSpec {
    pub(crate) r#type: String,
    pub(crate) options: BTreeMap<String, String>,
    #[serde(rename = "externalIDs")]
    pub(crate) external_ids: BTreeMap<String, String>,
    pub(crate) other_config: BTreeMap<String, String>,
    pub(crate) mtu_request: Option<i64>,
}
