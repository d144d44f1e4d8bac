//! The rules of a policy that can be judged without looking at a node.
//!
//! They are those that upstream's schema and webhook enforce (`api/v1/` and `pkg/webhook/` of the
//! SR-IOV Network Operator). All broken ones are told, not only the first.

use super::spec::{NicSelectorSpec, PolicySpec};
use super::{
    DeviceType, EswitchMode, LinkType, NicSelector, PfSelector, Policy, Priority, VdpaType,
};
use crate::name::is_altname;
use crate::violation::{REQUIRED, quoted};
use crate::{Mtu, ParseError, VfRange, Violation, Violations};

/// What is said of a field that asks for something railhead cannot do.
const UNSUPPORTED: &str = "is not supported yet";

/// Checks the policy `name`.
pub(crate) fn check(name: &str, spec: &PolicySpec) -> Result<Policy, Violations> {
    let mut broken = Violations::default();
    let num_vfs = num_vfs(spec.num_vfs, &mut broken);
    let resource = broken
        .given(spec.resource_name.as_deref(), "spec.resourceName")
        .and_then(|text| broken.parse("spec.resourceName", text));
    let absent = || ParseError::new("must be given; {} selects every node");
    let labels = spec.node_selector.clone().ok_or_else(absent);
    let node_selector = broken.keep(labels, "spec.nodeSelector", "");
    let nic = broken
        .given(spec.nic_selector.as_ref(), "spec.nicSelector")
        .map(|selector| nic_selector(selector, num_vfs, &mut broken));
    let priority = match spec.priority {
        Some(number) => broken.keep(Priority::try_from(number), "spec.priority", number),
        None => Some(Priority::default()),
    };
    let mtu = match spec.mtu {
        // Absent or 0: leave the MTU alone.
        None | Some(0) => None,
        Some(number) => broken.keep(Mtu::try_from(number), "spec.mtu", number),
    };
    let words = Words::parse(spec, &mut broken);
    combinations(spec, &words, &mut broken);

    let unsupported = unsupported(spec, &words);
    broken.into_result()?;
    // Whatever is missing here has left a violation above.
    let absent = || Violations(vec![Violation::new("spec", "", REQUIRED)]);
    Ok(Policy {
        name: name.to_owned(),
        node_selector: node_selector.ok_or_else(absent)?,
        nic: nic.ok_or_else(absent)?,
        resource: resource.ok_or_else(absent)?,
        num_vfs: num_vfs.ok_or_else(absent)?,
        priority: priority.ok_or_else(absent)?,
        mtu,
        device_type: words.device_type,
        is_rdma: spec.is_rdma || words.implies_rdma(),
        need_vhost_net: spec.need_vhost_net,
        exclude_topology: spec.exclude_topology,
        externally_managed: spec.externally_managed,
        eswitch_mode: words.eswitch_mode,
        link_type: words.link_type,
        vdpa_type: words.vdpa_type,
        unsupported,
    })
}

fn num_vfs(number: Option<i64>, broken: &mut Violations) -> Option<u16> {
    let number = broken.given(number, "spec.numVfs")?;
    // TotalVFs is a 16 bit register (PCIe SR-IOV 9.3.3.5).
    let fits =
        u16::try_from(number).ok().ok_or_else(|| ParseError::new("must be between 0 and 65535"));
    broken.keep(fits, "spec.numVfs", number)
}

fn nic_selector(
    spec: &NicSelectorSpec,
    num_vfs: Option<u16>,
    broken: &mut Violations,
) -> NicSelector {
    const AT: &str = "spec.nicSelector";
    let given = |text: &str| !text.is_empty();
    let by_device = given(&spec.vendor)
        || given(&spec.device_id)
        || !spec.root_devices.is_empty()
        || !spec.pf_names.is_empty();
    broken.require(
        by_device || given(&spec.net_filter),
        AT,
        "",
        "must name vendor, deviceID, rootDevices, pfNames or netFilter; an empty selector \
         matches no NIC",
    );
    broken.require(
        !by_device || !given(&spec.net_filter),
        format!("{AT}.netFilter"),
        quoted(&spec.net_filter),
        "must stand alone, without vendor, deviceID, rootDevices and pfNames",
    );
    let mut id = |field: &str, text: &str| {
        given(text).then(|| broken.parse(format!("{AT}.{field}"), text)).flatten()
    };
    let (vendor, device) = (id("vendor", &spec.vendor), id("deviceID", &spec.device_id));
    let root_devices = spec
        .root_devices
        .iter()
        .enumerate()
        .filter_map(|(at, text)| broken.parse(format!("{AT}.rootDevices[{at}]"), text))
        .collect();
    let pf_names = spec
        .pf_names
        .iter()
        .enumerate()
        .filter_map(|(at, text)| {
            broken.keep(pf_selector(text, num_vfs), format!("{AT}.pfNames[{at}]"), quoted(text))
        })
        .collect();
    let net_filter = given(&spec.net_filter)
        .then(|| broken.parse(format!("{AT}.netFilter"), &spec.net_filter))
        .flatten();
    NicSelector { vendor, device, root_devices, pf_names, net_filter }
}

/// `NAME` or `NAME#FIRST-LAST`, with LAST below `num_vfs` where that is known.
fn pf_selector(text: &str, num_vfs: Option<u16>) -> Result<PfSelector, ParseError> {
    let (name, range) = match text.split_once('#') {
        Some((name, range)) if !range.contains('#') => {
            let range: VfRange = range.parse().map_err(|error: ParseError| {
                ParseError::new(format!("after '#', {}", error.rule))
            })?;
            (name, Some(range))
        }
        Some(_) => return Err(ParseError::new("must hold one '#' at most")),
        None => (text, None),
    };
    if !is_altname(name) {
        return Err(ParseError::new(
            "must be the name of a PF, or NAME#FIRST-LAST for some of its VFs",
        ));
    }
    match (range, num_vfs) {
        (Some(range), Some(count)) if range.last().0 >= count => Err(ParseError::new(format!(
            "must end below numVfs, which is {count}; VFs are counted from 0"
        ))),
        _ => Ok(PfSelector { name: name.to_owned(), range }),
    }
}

/// The fields that hold one of a few words.
struct Words {
    device_type: DeviceType,
    eswitch_mode: EswitchMode,
    link_type: Option<LinkType>,
    vdpa_type: Option<VdpaType>,
    ovs: bool,
}

impl Words {
    fn parse(spec: &PolicySpec, broken: &mut Violations) -> Self {
        let mut word = |field: &str, text: &str, words: &[&str]| {
            let known = text.is_empty() || words.contains(&text);
            let rule = || format!("must be {}", words.join(" or "));
            if !known {
                broken.push(Violation::new(format!("spec.{field}"), quoted(text), rule()));
            }
        };
        word("deviceType", &spec.device_type, &["netdevice", "vfio-pci"]);
        word("eSwitchMode", &spec.e_switch_mode, &["legacy", "switchdev"]);
        word("linkType", &spec.link_type, &["eth", "ETH", "ib", "IB"]);
        word("vdpaType", &spec.vdpa_type, &["virtio", "vhost"]);
        word("bridge.groupingPolicy", &spec.bridge.grouping_policy, &["perPF", "perNIC", "all"]);
        for (at, param) in spec.devlink_params.params.iter().enumerate() {
            let field = |field: &str| format!("devlinkParams.params[{at}].{field}");
            word(&field("cmode"), &param.cmode, &["runtime", "driverinit", "permanent"]);
            word(&field("applyOn"), &param.apply_on, &["PF", "pf", "VF", "vf", "SF", "sf"]);
        }
        if let Some(ovs) = &spec.bridge.ovs {
            word("bridge.ovs.bridge.failMode", &ovs.bridge.fail_mode, &["secure", "standalone"]);
        }
        Self {
            device_type: match spec.device_type.as_str() {
                "vfio-pci" => DeviceType::VfioPci,
                _ => DeviceType::NetDevice,
            },
            eswitch_mode: match spec.e_switch_mode.as_str() {
                "switchdev" => EswitchMode::Switchdev,
                _ => EswitchMode::Legacy,
            },
            link_type: match spec.link_type.as_str() {
                "eth" | "ETH" => Some(LinkType::Ethernet),
                "ib" | "IB" => Some(LinkType::InfiniBand),
                _ => None,
            },
            vdpa_type: match spec.vdpa_type.as_str() {
                "virtio" => Some(VdpaType::Virtio),
                "vhost" => Some(VdpaType::Vhost),
                _ => None,
            },
            ovs: spec.bridge.ovs.is_some(),
        }
    }

    /// On InfiniBand a VF without RDMA is of no use, so upstream's webhook turns it on.
    fn implies_rdma(&self) -> bool {
        self.link_type == Some(LinkType::InfiniBand) && self.device_type == DeviceType::NetDevice
    }
}

/// Rules about fields that do not go together.
fn combinations(spec: &PolicySpec, words: &Words, broken: &mut Violations) {
    let switchdev = words.eswitch_mode == EswitchMode::Switchdev;
    let infiniband = words.link_type == Some(LinkType::InfiniBand);
    let netdevice = words.device_type == DeviceType::NetDevice;
    let net_filter = spec.nic_selector.as_ref().is_some_and(|nic| !nic.net_filter.is_empty());
    let link_type = || quoted(&spec.link_type);
    let eswitch_mode = || quoted(&spec.e_switch_mode);

    broken.require(
        netdevice || !spec.is_rdma,
        "spec.isRdma",
        spec.is_rdma,
        "must be false with deviceType vfio-pci",
    );
    broken.require(
        !(switchdev && infiniband),
        "spec.eSwitchMode",
        eswitch_mode(),
        "must not be switchdev with linkType ib",
    );
    broken.require(
        words.vdpa_type.is_none() || (netdevice && switchdev),
        "spec.vdpaType",
        quoted(&spec.vdpa_type),
        "needs deviceType netdevice and eSwitchMode switchdev",
    );
    broken.require(
        !words.ovs || (switchdev && !spec.externally_managed),
        "spec.bridge.ovs",
        "",
        "needs eSwitchMode switchdev, and not externallyManaged",
    );
    if net_filter {
        const ALONE: &str = "must not be given with nicSelector.netFilter";
        broken.require(spec.e_switch_mode.is_empty(), "spec.eSwitchMode", eswitch_mode(), ALONE);
        broken.require(!words.ovs, "spec.bridge.ovs", "", ALONE);
        broken.require(
            !infiniband,
            "spec.linkType",
            link_type(),
            "must be eth with nicSelector.netFilter",
        );
    }
}

/// The fields that ask for what railhead cannot do yet.
fn unsupported(spec: &PolicySpec, words: &Words) -> Vec<Violation> {
    let asked = |asked: bool, path: &str, value: String| {
        asked.then(|| Violation::new(path, value, UNSUPPORTED))
    };
    let switchdev = words.eswitch_mode == EswitchMode::Switchdev;
    let infiniband = words.link_type == Some(LinkType::InfiniBand);
    let grouping = &spec.bridge.grouping_policy;
    let params: Vec<_> = spec.devlink_params.params.iter().map(|p| p.name.as_str()).collect();
    [
        asked(switchdev, "spec.eSwitchMode", quoted(&spec.e_switch_mode)),
        asked(infiniband, "spec.linkType", quoted(&spec.link_type)),
        asked(words.vdpa_type.is_some(), "spec.vdpaType", quoted(&spec.vdpa_type)),
        asked(!params.is_empty(), "spec.devlinkParams", quoted(&params.join(", "))),
        asked(!grouping.is_empty(), "spec.bridge.groupingPolicy", quoted(grouping)),
        asked(words.ovs, "spec.bridge.ovs", String::new()),
    ]
    .into_iter()
    .flatten()
    .collect()
}
