//! The kinds that railhead knows.

use crate::Violation;
use crate::document::{hint, nearest};
use crate::violation::quoted;

/// A known kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Policy,
    IpPool,
    CidrPool,
    /// Known by name only.
    Other(&'static str),
}

/// One version of an API group.
struct Group {
    name: &'static str,
    version: &'static str,
    kinds: &'static [(&'static str, Kind)],
}

const fn other(name: &'static str) -> (&'static str, Kind) {
    (name, Kind::Other(name))
}

const GROUPS: &[Group] = &[
    Group {
        name: "sriovnetwork.openshift.io",
        version: "v1",
        kinds: &[
            ("SriovNetworkNodePolicy", Kind::Policy),
            other("SriovNetworkNodeState"),
            other("SriovNetworkPoolConfig"),
            other("SriovNetwork"),
            other("SriovIBNetwork"),
            other("OVSNetwork"),
            other("SriovOperatorConfig"),
        ],
    },
    Group {
        name: "nv-ipam.nvidia.com",
        version: "v1alpha1",
        kinds: &[("IPPool", Kind::IpPool), ("CIDRPool", Kind::CidrPool)],
    },
    Group {
        name: "mellanox.com",
        version: "v1alpha1",
        kinds: &[
            other("NicClusterPolicy"),
            other("NicNodePolicy"),
            other("HostDeviceNetwork"),
            other("MacvlanNetwork"),
            other("IPoIBNetwork"),
        ],
    },
    Group {
        name: "k8s.cni.cncf.io",
        version: "v1",
        kinds: &[other("NetworkAttachmentDefinition")],
    },
    Group {
        name: "railhead.dev",
        version: "v1alpha1",
        kinds: &[other("IPBlock"), other("PoolGeometry")],
    },
];

/// Whether objects of this kind are acted upon; `None` for a kind that nobody knows.
pub fn is_handled(kind: &str) -> Option<bool> {
    let mut kinds = GROUPS.iter().flat_map(|group| group.kinds);
    let (_, kind) = kinds.find(|(name, _)| *name == kind)?;
    Some(!matches!(kind, Kind::Other(_)))
}

/// The kind `kind` of `api_version`, or which of the two is wrong and what was probably meant.
pub(super) fn find(api_version: &str, kind: &str) -> Result<Kind, Violation> {
    let (name, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let Some(group) = GROUPS.iter().find(|group| group.name == name) else {
        let rule = hint(
            "must be an API group that railhead knows",
            nearest(name, GROUPS.iter().map(|group| group.name)),
        );
        return Err(Violation::new("apiVersion", quoted(api_version), rule));
    };
    if group.version != version {
        let rule = format!("must be {}/{}", group.name, group.version);
        return Err(Violation::new("apiVersion", quoted(api_version), rule));
    }
    group.kinds.iter().find(|(name, _)| *name == kind).map(|(_, kind)| *kind).ok_or_else(|| {
        let rule = hint(
            &format!("must be a kind of {api_version}"),
            nearest(kind, group.kinds.iter().map(|(name, _)| *name)),
        );
        Violation::new("kind", quoted(kind), rule)
    })
}
