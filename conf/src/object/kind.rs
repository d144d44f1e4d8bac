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
    Other,
    /// Somebody else's.
    Foreign,
}

/// One version of an API group.
struct Group {
    name: &'static str,
    version: &'static str,
    kinds: &'static [(&'static str, Kind)],
}

const fn other(name: &'static str) -> (&'static str, Kind) {
    (name, Kind::Other)
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
        name: "configuration.net.nvidia.com",
        version: "v1alpha1",
        kinds: &[
            other("NicDevice"),
            other("NicConfigurationTemplate"),
            other("NicFirmwareSource"),
            other("NicFirmwareTemplate"),
            other("NicInterfaceNameTemplate"),
        ],
    },
    Group {
        name: "spectrumx.nvidia.com",
        version: "v1alpha2",
        kinds: &[other("SpectrumXRailPoolConfig")],
    },
    Group {
        name: "maintenance.nvidia.com",
        version: "v1alpha1",
        kinds: &[other("NodeMaintenance"), other("MaintenanceOperatorConfig")],
    },
    Group {
        name: "sriovnetwork.k8snetworkplumbingwg.io",
        version: "v1alpha1",
        kinds: &[other("SriovResourcePolicy"), other("DeviceAttributes")],
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

impl Group {
    /// Whether objects of one of its kinds are acted upon.
    fn is_handled(&self) -> bool {
        self.kinds.iter().any(|(_, kind)| kind.is_handled())
    }

    fn kind(&self, name: &str) -> Option<Kind> {
        self.kinds.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }

    /// Its kind that is spelled most like `name`.
    fn nearest(&self, name: &str) -> Option<&'static str> {
        nearest(name, self.kinds.iter().map(|(known, _)| *known))
    }
}

impl Kind {
    fn is_handled(self) -> bool {
        !matches!(self, Self::Other | Self::Foreign)
    }
}

/// Whether objects of this kind are acted upon; `None` for a kind that is not known.
pub fn is_handled(kind: &str) -> Option<bool> {
    GROUPS.iter().find_map(|group| group.kind(kind)).map(Kind::is_handled)
}

/// The kind `kind` of `api_version`, or which of the two is wrong and what was probably meant.
///
/// Anything may lie beside the objects that are meant, so a kind of a group that is not known is
/// somebody else's. Not so where it is near to one that is acted upon: it would be missed.
pub(super) fn find(api_version: &str, kind: &str) -> Result<Kind, Violation> {
    let (name, version) = api_version.split_once('/').unwrap_or(("", api_version));
    match GROUPS.iter().find(|group| group.name == name) {
        Some(group) => find_in(group, api_version, version, kind),
        None => misspelt_group(name, api_version, kind).map_or(Ok(Kind::Foreign), Err),
    }
}

fn find_in(group: &Group, api_version: &str, version: &str, kind: &str) -> Result<Kind, Violation> {
    match group.kind(kind) {
        Some(found) if found.is_handled() && group.version != version => {
            let rule = format!("must be {}/{}", group.name, group.version);
            Err(Violation::new("apiVersion", quoted(api_version), rule))
        }
        Some(found) => Ok(found),
        None => match group.nearest(kind) {
            None if !group.is_handled() => Ok(Kind::Foreign),
            meant => {
                let rule = hint(&format!("must be a kind of {api_version}"), meant);
                Err(Violation::new("kind", quoted(kind), rule))
            }
        },
    }
}

/// Why the group `name`, which is not known, was meant to be one that is: it is spelled like one
/// that has such a kind; or there is none at all; or the kind is a policy, while many projects have
/// an IPPool.
fn misspelt_group(name: &str, api_version: &str, kind: &str) -> Option<Violation> {
    let meant = |group: &&Group| {
        let near = nearest(name, std::iter::once(group.name)).is_some();
        let kind = group.nearest(kind).and_then(|near| group.kind(near));
        kind.is_some_and(|kind| {
            near || (kind.is_handled() && (name.is_empty() || kind == Kind::Policy))
        })
    };
    let group = GROUPS.iter().find(meant)?;
    let rule = format!("must be an API group that railhead knows; did you mean {}?", group.name);
    Some(Violation::new("apiVersion", quoted(api_version), rule))
}
