//! The specs as they are written: upstream's keys, and types no narrower than JSON's.

use serde::Deserialize;

use super::selector::NodeSelectorSpec;
use crate::document::Fields;

/// Fields of both kinds that restrict what is given out, and on which nodes; `own` are more.
macro_rules! restricting {
    ($($own:literal),*) => {
        &["nodeSelector", "exclusions", "perNodeExclusions", $($own),*]
    };
}

/// The paths of fields that both kinds have, and of its `own`.
macro_rules! known {
    ($($own:literal),* $(,)?) => {
        &[
            $($own,)*
            "exclusions[].startIP",
            "exclusions[].endIP",
            "perNodeExclusions[].startIndex",
            "perNodeExclusions[].endIndex",
            "defaultGateway",
            "routes[].dst",
            "nodeSelector.nodeSelectorTerms[].matchExpressions[].key",
            "nodeSelector.nodeSelectorTerms[].matchExpressions[].operator",
            "nodeSelector.nodeSelectorTerms[].matchExpressions[].values",
            "nodeSelector.nodeSelectorTerms[].matchFields[].key",
            "nodeSelector.nodeSelectorTerms[].matchFields[].operator",
            "nodeSelector.nodeSelectorTerms[].matchFields[].values",
        ]
    };
}

/// The fields of an IPPool. A gateway is not given out.
pub(crate) const IP_POOL_FIELDS: Fields<'static> = Fields {
    known: known!("subnet", "perNodeBlockSize", "gateway"),
    restricting: restricting!("gateway"),
};

/// The fields of a CIDRPool. What is allocated to one node no other gets.
pub(crate) const CIDR_POOL_FIELDS: Fields<'static> = Fields {
    known: known!(
        "cidr",
        "perNodeNetworkPrefix",
        "gatewayIndex",
        "staticAllocations[].nodeName",
        "staticAllocations[].gateway",
        "staticAllocations[].prefix",
    ),
    restricting: restricting!("gatewayIndex", "staticAllocations"),
};

/// `spec` of an IPPool.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "an object")]
pub(crate) struct IpPoolSpec {
    pub(crate) subnet: Option<String>,
    pub(crate) per_node_block_size: Option<i64>,
    pub(crate) gateway: String,
    pub(crate) exclusions: Vec<ExclusionSpec>,
    pub(crate) per_node_exclusions: Vec<IndexRangeSpec>,
    pub(crate) node_selector: Option<NodeSelectorSpec>,
    pub(crate) default_gateway: bool,
    pub(crate) routes: Vec<RouteSpec>,
}

/// `spec` of a CIDRPool.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "an object")]
pub(crate) struct CidrPoolSpec {
    pub(crate) cidr: Option<String>,
    pub(crate) per_node_network_prefix: Option<i64>,
    pub(crate) gateway_index: Option<i64>,
    pub(crate) exclusions: Vec<ExclusionSpec>,
    pub(crate) per_node_exclusions: Vec<IndexRangeSpec>,
    pub(crate) static_allocations: Vec<StaticAllocationSpec>,
    pub(crate) node_selector: Option<NodeSelectorSpec>,
    pub(crate) default_gateway: bool,
    pub(crate) routes: Vec<RouteSpec>,
}

/// One of `exclusions`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an object")]
pub(crate) struct ExclusionSpec {
    #[serde(rename = "startIP")]
    pub(crate) start_ip: String,
    #[serde(rename = "endIP")]
    pub(crate) end_ip: String,
}

/// One of `perNodeExclusions`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "an object")]
pub(crate) struct IndexRangeSpec {
    pub(crate) start_index: Option<i64>,
    pub(crate) end_index: Option<i64>,
}

/// One of `routes`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an object")]
pub(crate) struct RouteSpec {
    pub(crate) dst: String,
}

/// One of `staticAllocations`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "an object")]
pub(crate) struct StaticAllocationSpec {
    pub(crate) node_name: String,
    pub(crate) gateway: String,
    pub(crate) prefix: String,
}
