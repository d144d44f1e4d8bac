//! What is in the way of a wish.

use std::fmt;

use conf::VfIndex;
use conf::desired::Refusal;
use serde::{Deserialize, Serialize};

use super::step::Action;
use crate::snapshot::{Neighbour, NoNetdev, OperatorDaemon, Stuck, User};

/// Why a wish for one PF is not, or not fully, planned for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Blocked {
    /// The wish itself cannot be granted.
    Refused {
        /// Why.
        refusal: Refusal,
    },
    /// Somebody uses what the step would disturb. The step comes when they are gone.
    InUse {
        /// The step.
        step: Action,
        /// Who.
        users: Vec<(VfIndex, User)>,
    },
    /// VFs that somebody else made, in another number than wished, are in use.
    ForeignVfs {
        /// How many there are.
        have: u16,
        /// How many are wished.
        wanted: u16,
        /// Who uses them.
        users: Vec<(VfIndex, User)>,
    },
    /// The step would interrupt traffic that the machine itself depends on.
    Management {
        /// The step.
        step: Action,
        /// Why it depends on it.
        why: String,
    },
    /// The PF has no driver, so that it can have no VFs.
    NoDriver,
    /// The PF has no netdev in our network namespace.
    NoNetdev {
        /// Why not.
        why: NoNetdev,
    },
    /// There are fewer VFs than wished, and someone else is to make them.
    TooFewVfs {
        /// How many there are.
        have: u16,
        /// How many are wished.
        wanted: u16,
    },
    /// The PF's MTU is below the wish, and someone else is to raise it.
    MtuTooLow {
        /// Bytes, now.
        have: u32,
        /// Bytes, wished.
        wanted: u32,
    },
    /// The PF's driver takes no MTU as large as wished.
    MtuTooHigh {
        /// The driver's limit in bytes.
        limit: u32,
        /// Bytes, wished.
        wanted: u32,
    },
    /// VFs are wished for user space, but there is no IOMMU.
    NoIommu {
        /// Which VFs.
        vfs: Vec<VfIndex>,
    },
    /// VFs are wished for user space, and are in one IOMMU group with what the kernel drives.
    SharedGroup {
        /// Which VFs.
        vfs: Vec<VfIndex>,
        /// With what.
        with: Neighbour,
    },
    /// An object that may be about this PF cannot be read.
    Held {
        /// Which, and why.
        why: String,
    },
    /// The SR-IOV Network Operator's daemon runs on this node.
    OtherOperator {
        /// Its process.
        operator: OperatorDaemon,
    },
    /// A write to the PF, or to a VF of it, has not come to its end.
    Stuck {
        /// Which.
        stuck: Stuck,
    },
    /// Another railhead does a step on the PF.
    AtWork {
        /// Which, as its lock tells it.
        by: String,
    },
    /// The PF itself cannot be read.
    Unreadable {
        /// Why.
        why: String,
    },
}

impl Blocked {
    /// Whether it goes away when somebody who uses a VF does, or has done the work that he is at,
    /// with nobody doing anything wrong.
    pub fn is_wait(&self) -> bool {
        matches!(self, Self::InUse { .. } | Self::ForeignVfs { .. }) || self.is_work()
    }

    /// Whether it is the very work that is wished for, which somebody does.
    pub fn is_work(&self) -> bool {
        match self {
            Self::AtWork { .. } => true,
            Self::Stuck { stuck } => !stuck.overdue,
            _ => false,
        }
    }

    /// Whether to try again is in vain: it lasts until somebody writes something else, which is an
    /// event, or until the next boot.
    pub fn lasts(&self) -> bool {
        matches!(
            self,
            Self::Refused { .. }
                | Self::MtuTooHigh { .. }
                | Self::NoIommu { .. }
                | Self::SharedGroup { .. }
                | Self::Held { .. }
        )
    }

    /// One word for conditions and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Refused { refusal } => refusal.reason(),
            Self::InUse { .. } => "InUse",
            Self::ForeignVfs { .. } => "ForeignVfsInUse",
            Self::Management { .. } => "ManagementNic",
            Self::NoDriver => "NoDriver",
            Self::NoNetdev { .. } => "NoNetdev",
            Self::TooFewVfs { .. } => "TooFewVfs",
            Self::MtuTooLow { .. } => "MtuTooLow",
            Self::MtuTooHigh { .. } => "MtuTooHigh",
            Self::NoIommu { .. } => "NoIommu",
            Self::SharedGroup { .. } => "SharedIommuGroup",
            Self::Held { .. } => "Held",
            Self::OtherOperator { .. } => "OtherOperator",
            Self::AtWork { .. } => "AtWork",
            Self::Stuck { stuck } if !stuck.overdue => "AtWork",
            Self::Stuck { .. } => "Stuck",
            Self::Unreadable { .. } => "Unreadable",
        }
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { refusal } => refusal.fmt(f),
            Self::InUse { step, users } => {
                write!(f, "{step}: waits until nobody uses {}", Users(users))
            }
            Self::ForeignVfs { have, wanted, users } => write!(
                f,
                "somebody else made {have} VFs and {wanted} are wished: waits until nobody uses {}",
                Users(users)
            ),
            Self::Management { step, why } => write!(
                f,
                "{step}: would interrupt this machine's own traffic, since {why}; name the PF \
                 under guard.allow in railhead.yaml to allow it"
            ),
            Self::NoDriver => f.write_str("no driver is bound to the PF; bind one"),
            Self::NoNetdev { why } => write!(f, "the PF {why}"),
            Self::TooFewVfs { have, wanted } => write!(
                f,
                "externallyManaged: there are {have} VFs and {wanted} are wished; make them, or \
                 lower numVfs"
            ),
            Self::MtuTooLow { have, wanted } => write!(
                f,
                "externallyManaged: the PF's MTU is {have} and {wanted} is wished; raise it"
            ),
            Self::MtuTooHigh { limit, wanted } => {
                write!(f, "MTU {wanted} is wished and the driver takes {limit} at most; lower mtu")
            }
            Self::NoIommu { vfs } => write!(
                f,
                "{} cannot be bound to vfio-pci: there is no IOMMU; enable it in the firmware and \
                 start the kernel with intel_iommu=on (Intel) or amd_iommu=on (AMD), or, where pods \
                 are trusted with all memory, set enable_unsafe_noiommu_mode of module vfio",
                Indices(vfs)
            ),
            Self::SharedGroup { vfs, with } => write!(
                f,
                "{} cannot be given to user space: {} {with}, and a group is given as a whole, so \
                 that no program can open one; switch ACS on in the firmware, or put the card into \
                 another slot",
                Indices(vfs),
                if vfs.len() == 1 { "it shares" } else { "they share" }
            ),
            Self::Held { why } => write!(f, "left as it is: {why}"),
            Self::OtherOperator { operator } => write!(
                f,
                "left as it is: the SR-IOV Network Operator's daemon runs on this node (process \
                 {}), and two must not shape the same NICs; take this node from it, as \
                 configDaemonNodeSelector of its SriovOperatorConfig does",
                operator.pid
            ),
            Self::AtWork { by } => write!(f, "being worked on: {by}"),
            Self::Stuck { stuck } if !stuck.overdue => write!(
                f,
                "being worked on: process {} is still in a write to {}",
                stuck.pid,
                stuck.path.display()
            ),
            Self::Stuck { stuck } => write!(
                f,
                "process {} is still in a write to {}, which the driver has not answered",
                stuck.pid,
                stuck.path.display()
            ),
            Self::Unreadable { why } => write!(f, "cannot be read: {why}"),
        }
    }
}

/// `VF 0 (pod a/b (net1)), VF 3 (process 12 (qemu))`.
struct Users<'a>(&'a [(VfIndex, User)]);

impl fmt::Display for Users<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (vf, user)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}VF {vf} ({user})")?;
        }
        Ok(())
    }
}

/// `VF 3`, `VFs 3, 4, 5`.
struct Indices<'a>(&'a [VfIndex]);

impl fmt::Display for Indices<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.len() == 1 { "VF " } else { "VFs " })?;
        for (at, vf) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{vf}")?;
        }
        Ok(())
    }
}
