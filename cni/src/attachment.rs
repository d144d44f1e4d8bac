//! What is remembered of an attachment: all that DEL needs, and nothing that DEL could be given.
//!
//! A record is written before the kernel is touched and lives in the store under
//! `/run/railhead`, so it goes with everything it describes when the machine goes down. DEL works
//! from it alone: not from the config, CNI_ARGS, CNI_PATH, the namespace or a previous result,
//! each of which may be gone or changed by then.

use std::path::PathBuf;

use conf::plugin::PluginName;
use conf::{DriverName, Mac, Mtu, NetworkName, PciAddress, ResetOnRelease, VfIndex};
use ipam::{AttachmentKey, PodRef};
use serde::{Deserialize, Serialize};

use crate::kernel::link::{Link, LinkSettings};
use crate::kernel::tuning::{Tuned, Tuning};
use crate::kernel::vf::{VfChange, VfConfig};

/// The format that is written. A record of a higher one is left alone: it belongs to a newer
/// railhead that ran here before.
pub const FORMAT: u32 = 1;

/// One attachment of one VF.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// [`FORMAT`] of its writer.
    pub format: u32,
    /// How far it came.
    pub state: State,
    /// The container and the interface's name in it.
    #[serde(flatten)]
    pub key: AttachmentKey,
    /// The CNI network.
    pub network: NetworkName,
    /// The pod, as the runtime told. For people only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodRef>,
    /// CNI_NETNS.
    pub netns: PathBuf,
    /// The namespace's number (`SO_NETNS_COOKIE`): the path may lead to another one by now.
    pub netns_cookie: u64,
    /// The VF.
    pub vf: PciAddress,
    /// Which device had that address ([`incarnation`](crate::kernel::sysfs::Sysfs::incarnation)):
    /// a VF that was made anew since has nothing to do with this attachment.
    pub incarnation: u64,
    /// Its PF.
    pub pf: PciAddress,
    /// Its number on its PF.
    pub vf_index: VfIndex,
    /// The driver it was bound to.
    pub driver: DriverName,
    /// Its netdev on the host, as it was; absent for a VF that user space drives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<HostLink>,
    /// The VF as its PF had it; absent when nothing of that was in play.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<VfConfig>,
    /// What of it was to be changed.
    #[serde(default)]
    pub change: VfChange,
    /// The MTU that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<Mtu>,
    /// Who gave the addresses.
    pub ipam: Ipam,
    /// The device-info file that was made for this attachment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_info: Option<PathBuf>,
    /// Whether its driver is bound anew when the VF is given back.
    #[serde(default, skip_serializing_if = "ResetOnRelease::is_default")]
    pub reset: ResetOnRelease,
    /// Why the VF goes to nobody else: written before its driver is taken away, and there until the
    /// VF is as it was. With it, a VF without a driver is one whose driver is still to be bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<String>,
}

/// How far an attachment came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// ADD has begun; anything may have been done or not. With the VF's lock free, its process
    /// died.
    Intent,
    /// ADD has answered.
    Attached,
    /// The VF is home and free; only a foreign IPAM plugin has yet to hear of it.
    Released,
}

/// A netdev as it was on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostLink {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its other names; absent when they are not known, and left alone then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub altnames: Option<Vec<String>>,
    /// Its address.
    pub mac: Option<Mac>,
    /// The address burnt in; absent when it is not known, and left alone then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permanent_mac: Option<Mac>,
    /// Its MTU, bytes.
    pub mtu: u32,
    /// Whether it was up.
    pub up: bool,
    /// Whether it was promiscuous.
    pub promisc: bool,
    /// Whether it took all multicast.
    pub allmulti: bool,
    /// What else could be set of it; absent when it is not known, and left alone then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<LinkSettings>,
    /// How it was tuned; absent when it is not known, and left alone then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<Tuning>,
    /// What makes it so again where its driver was bound anew; absent where there is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuned: Option<Tuned>,
}

impl From<&Link> for HostLink {
    fn from(link: &Link) -> Self {
        Self {
            index: link.index,
            name: link.name.clone(),
            altnames: Some(link.altnames.clone()),
            mac: link.mac,
            permanent_mac: link.permanent_mac,
            mtu: link.mtu,
            up: link.up,
            promisc: link.promisc,
            allmulti: link.allmulti,
            settings: Some(link.settings.clone()),
            tuning: None,
            tuned: None,
        }
    }
}

/// Who gives the addresses of an attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ipam {
    /// Nobody.
    None,
    /// railhead itself: the leases are in the same store.
    Own,
    /// Another plugin, with all that its DEL must be given.
    Foreign(ForeignIpam),
}

/// A foreign IPAM plugin and what it was called with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignIpam {
    /// Its name.
    pub plugin: PluginName,
    /// The config, word for word.
    pub config: String,
    /// CNI_ARGS, word for word.
    pub args: String,
    /// CNI_PATH.
    pub path: Vec<PathBuf>,
    /// Its ADD failed by its own word, so by the specification it holds nothing: its DEL is a
    /// courtesy, and no reason to keep a record.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
}

impl ForeignIpam {
    /// Whether it gives addresses back over the interface that has them, so that its DEL has an
    /// effect only while that is in the container, and up: a DHCP client.
    pub fn needs_interface(&self) -> bool {
        self.plugin.as_ref() == "dhcp"
    }
}

impl Ipam {
    /// The plugin, as a message tells it.
    pub fn plugin(&self) -> String {
        match self {
            Self::None => "no IPAM plugin".to_owned(),
            Self::Own => "railhead's own IPAM".to_owned(),
            Self::Foreign(ForeignIpam { plugin, .. }) => format!("IPAM plugin {plugin}"),
        }
    }
}

impl Record {
    /// What ADD sets of the VF through its PF: what was asked for and was not so already. A MAC
    /// is always set, since that pins it: an untrusted VF cannot change it then.
    pub fn applied(&self) -> VfChange {
        match &self.before {
            Some(before) => VfChange { mac: self.change.mac, ..self.change.needed(before) },
            None => VfChange::default(),
        }
    }

    /// Whether this railhead can read all of it.
    pub fn is_readable(&self) -> bool {
        self.format <= FORMAT
    }
}

#[cfg(test)]
mod tests;
