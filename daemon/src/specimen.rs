//! PFs and wishes for tests: an Intel 82576, as the lab's VM has it.

use std::collections::BTreeMap;

use conf::desired::{Desired, DesiredPf, PolicyOutcome, VfGroup};
use conf::policy::{DeviceType, EswitchMode};
use conf::{Mtu, PciId, VfIndex, VfRange};

use crate::model;
use crate::plan::Wish;
use crate::snapshot::{Netdev, Pf, Snapshot, User, Vf};

/// A PF at `address`, named `name`, without VFs, found down.
pub(crate) fn igb(address: &str, name: &str) -> Pf {
    Pf {
        address: address.parse().unwrap(),
        vendor: PciId::new(0x8086),
        device: PciId::new(0x10c9),
        vf_device: PciId::new(0x10ca),
        driver: Some("igb".parse().unwrap()),
        netdev: Some(Netdev {
            index: 2,
            name: name.parse().unwrap(),
            mac: Some("52:54:00:12:34:56".parse().unwrap()),
            mtu: 1500,
            up: false,
            carrier: false,
            infiniband: false,
        }),
        netdev_elsewhere: false,
        altnames: Vec::new(),
        permanent_mac: Some("52:54:00:12:34:56".parse().unwrap()),
        max_mtu: Some(9216),
        speed: None,
        numa_node: None,
        iommu_group: Some(7),
        total_vfs: 7,
        num_vfs: 0,
        autoprobe: true,
        offset: 0x80,
        stride: 2,
        infiniband: false,
        switchdev: false,
        management: None,
        stuck: None,
        at_work: None,
        inherited: None,
        vfs: BTreeMap::new(),
    }
}

impl Pf {
    /// With the link up.
    pub(crate) fn up(mut self) -> Self {
        let netdev = self.netdev.as_mut().unwrap();
        (netdev.up, netdev.carrier) = (true, true);
        self
    }

    /// With `count` VFs as somebody makes them by hand.
    pub(crate) fn with_vfs(mut self, count: u16) -> Self {
        self.num_vfs = count;
        for index in 0..count {
            let steps = u32::from(self.offset) + u32::from(self.stride) * u32::from(index);
            let address = self.address.offset_by(steps).unwrap();
            let name = format!("{}v{index}", self.netdev.as_ref().unwrap().name);
            let mac = format!("aa:bb:cc:00:00:{index:02x}").parse().unwrap();
            let vf = Vf {
                address,
                driver: model::netdev_driver(),
                driver_override: None,
                altnames: Vec::new(),
                netdev: Some(Netdev {
                    index: 10 + u32::from(index),
                    name: name.parse().unwrap(),
                    mac: Some(mac),
                    mtu: 1500,
                    up: false,
                    carrier: false,
                    infiniband: false,
                }),
                admin_mac: Some(mac),
                iommu_group: Some(20 + u32::from(index)),
                neighbour: None,
                user: None,
                packet_sockets: 0,
            };
            self.vfs.insert(VfIndex(index), vf);
        }
        self
    }

    /// With VF `index` used by a pod.
    pub(crate) fn used(mut self, index: u16) -> Self {
        let vf = self.vfs.get_mut(&VfIndex(index)).unwrap();
        vf.netdev = None;
        vf.user = Some(pod());
        self
    }

    /// Carrying the default route.
    pub(crate) fn management(mut self) -> Self {
        self.management = Some("it carries the default route".to_owned());
        self
    }
}

/// A pod.
pub(crate) fn pod() -> User {
    User::Container {
        container: "77383ca0a0715733ca6f".to_owned(),
        interface: "net1".to_owned(),
        pod: Some("shop/cart-0".to_owned()),
    }
}

/// A look at the host that found `pfs`.
pub(crate) fn snapshot(pfs: impl IntoIterator<Item = Pf>) -> Snapshot {
    let pfs = pfs.into_iter().map(|pf| (pf.address, pf)).collect();
    Snapshot { pfs, ..Snapshot::default() }
}

/// A wish for `num_vfs` VFs in these groups.
pub(crate) fn desired(num_vfs: u16, groups: impl IntoIterator<Item = VfGroup>) -> DesiredPf {
    let groups: Vec<VfGroup> = groups.into_iter().collect();
    let mut policies: Vec<String> = groups.iter().map(|group| group.policy.clone()).collect();
    policies.dedup();
    if policies.is_empty() {
        policies.push("blue".to_owned());
    }
    let mtu = groups.iter().filter_map(|group| group.mtu).max();
    DesiredPf {
        num_vfs,
        mtu,
        externally_managed: false,
        eswitch_mode: EswitchMode::Legacy,
        link_type: None,
        groups,
        policies,
        refused: Vec::new(),
    }
}

/// VFs `range` for `policy`.
pub(crate) fn group(policy: &str, range: &str, kind: DeviceType, mtu: Option<i64>) -> VfGroup {
    VfGroup {
        policy: policy.to_owned(),
        resource: policy.parse().unwrap(),
        range: range.parse::<VfRange>().unwrap(),
        device_type: kind,
        mtu: mtu.map(|mtu| Mtu::try_from(mtu).unwrap()),
        is_rdma: false,
        need_vhost_net: false,
        exclude_topology: false,
        vdpa_type: None,
    }
}

/// The wish for `pfs`.
pub(crate) fn wish(pfs: impl IntoIterator<Item = (&'static str, DesiredPf)>) -> Wish {
    let pfs: BTreeMap<_, _> =
        pfs.into_iter().map(|(address, pf)| (address.parse().unwrap(), pf)).collect();
    let policies = pfs
        .values()
        .flat_map(|pf: &DesiredPf| &pf.policies)
        .map(|policy| (policy.clone(), PolicyOutcome::default()))
        .collect();
    Wish { desired: Desired { pfs, policies }, ..Wish::default() }
}
