//! One step of a plan: what is written, whom it may disturb, who asks for it.

use std::fmt;

use conf::{DriverName, Mac, VfIndex};
use serde::{Deserialize, Serialize};

/// A step on one PF. Its `Display` is what `railhead plan` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What is done.
    #[serde(flatten)]
    pub action: Action,
    /// Whom it disturbs.
    pub disruption: Disruption,
    /// The object that asks for it.
    pub asks: Asks,
}

/// What a step does. VFs are meant by index, so that VFs not yet born can be planned for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Action {
    /// Loads a kernel module.
    LoadModule {
        /// Its name as modprobe knows it.
        module: String,
    },
    /// Writes `sriov_drivers_autoprobe`.
    SetAutoprobe {
        /// Whether the kernel shall bind drivers to new VFs.
        on: bool,
    },
    /// Writes `sriov_numvfs`; one of the two is zero, since the kernel demands it.
    SetNumVfs {
        /// How many VFs there are before.
        from: u16,
        /// How many there are after.
        to: u16,
    },
    /// Sets the PF netdev's MTU.
    SetPfMtu {
        /// Bytes, before.
        from: u32,
        /// Bytes, after.
        to: u32,
    },
    /// Sets the PF's link up or down.
    SetPfUp {
        /// Whether up.
        up: bool,
    },
    /// Assigns a VF's MAC through its PF.
    SetVfMac {
        /// Which VF.
        vf: VfIndex,
        /// The MAC.
        mac: Mac,
    },
    /// Binds a VF to another driver.
    Bind {
        /// Which VF.
        vf: VfIndex,
        /// The driver it leaves.
        from: Option<DriverName>,
        /// What it is bound to.
        to: Binding,
    },
    /// Clears a `driver_override` that an interrupted step left.
    ClearOverride {
        /// Which VF.
        vf: VfIndex,
    },
    /// Sets a VF netdev's MTU.
    SetVfMtu {
        /// Which VF.
        vf: VfIndex,
        /// Bytes.
        mtu: u32,
    },
    /// Answers from now on for what the SR-IOV Network Operator did on the PF.
    TakeOver {
        /// How many VFs it made, where there were none before.
        vfs: u16,
        /// The PF's MTU in bytes, before it came and now, where it raised it.
        mtu: Option<(u32, u32)>,
    },
    /// Forgets what was there before: nothing of ours is left on the PF.
    Forget,
}

/// What a VF is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Binding {
    /// The driver that the kernel finds for it: its netdev driver.
    Default,
    /// This driver, by `driver_override`.
    Driver(DriverName),
    /// None.
    Unbound,
}

impl Binding {
    /// The binding that leads back to `driver`.
    pub fn back_to(driver: Option<&DriverName>) -> Self {
        match driver {
            None => Self::Unbound,
            Some(name) if name.is_userspace() => Self::Driver(name.clone()),
            Some(_) => Self::Default,
        }
    }
}

/// Whom a step disturbs; ordered from nobody to everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Disruption {
    /// Nobody.
    None,
    /// Users of the VFs it touches.
    VfUsers,
    /// Everybody on the NIC: its link goes away for a moment.
    WholeNic,
}

/// The object that asks for a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Asks {
    /// A policy, by name.
    Policy(String),
    /// Nobody any more: undoes what this policy, by name, had asked for.
    Undo(String),
    /// Nobody: the PF is gone.
    Absence,
}

impl Action {
    /// What kind of step it is: the `action` of its JSON form, and the label of metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::LoadModule { .. } => "loadModule",
            Self::SetAutoprobe { .. } => "setAutoprobe",
            Self::SetNumVfs { .. } => "setNumVfs",
            Self::SetPfMtu { .. } => "setPfMtu",
            Self::SetPfUp { .. } => "setPfUp",
            Self::SetVfMac { .. } => "setVfMac",
            Self::Bind { .. } => "bind",
            Self::ClearOverride { .. } => "clearOverride",
            Self::SetVfMtu { .. } => "setVfMtu",
            Self::TakeOver { .. } => "takeOver",
            Self::Forget => "forget",
        }
    }

    /// The VF that it is about, if about one.
    pub fn vf(&self) -> Option<VfIndex> {
        match self {
            Self::SetVfMac { vf, .. }
            | Self::Bind { vf, .. }
            | Self::ClearOverride { vf }
            | Self::SetVfMtu { vf, .. } => Some(*vf),
            _ => None,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LoadModule { module } => write!(f, "load module {module}"),
            Self::SetAutoprobe { on } => {
                write!(f, "set sriov_drivers_autoprobe {}", if *on { "on" } else { "off" })
            }
            Self::SetNumVfs { from, to: 0 } => write!(f, "remove {}", Vfs(*from)),
            Self::SetNumVfs { to, .. } => write!(f, "create {}", Vfs(*to)),
            Self::SetPfMtu { from, to } => write!(f, "set MTU {to} (was {from})"),
            Self::SetPfUp { up } => write!(f, "set link {}", if *up { "up" } else { "down" }),
            Self::SetVfMac { vf, mac } => write!(f, "VF {vf}: assign MAC {mac}"),
            Self::Bind { vf, from: None, to } => write!(f, "VF {vf}: bind to {to}"),
            Self::Bind { vf, from: Some(from), to: Binding::Unbound } => {
                write!(f, "VF {vf}: unbind from {from}")
            }
            Self::Bind { vf, from: Some(from), to } => {
                write!(f, "VF {vf}: bind to {to} (was {from})")
            }
            Self::ClearOverride { vf } => write!(f, "VF {vf}: clear driver_override"),
            Self::SetVfMtu { vf, mtu } => write!(f, "VF {vf}: set MTU {mtu}"),
            Self::TakeOver { vfs, mtu } => {
                write!(f, "take over {}", Vfs(*vfs))?;
                if let Some((before, now)) = mtu {
                    write!(f, " and MTU {now} (was {before})")?;
                }
                f.write_str(" from the SR-IOV Network Operator")
            }
            Self::Forget => f.write_str("forget the PF: it is as it was found"),
        }
    }
}

/// `1 VF`, `7 VFs`.
struct Vfs(u16);

impl fmt::Display for Vfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} VF{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("its netdevice driver"),
            Self::Driver(name) => write!(f, "{name}"),
            Self::Unbound => f.write_str("no driver"),
        }
    }
}

impl fmt::Display for Disruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::VfUsers => "VF users",
            Self::WholeNic => "whole NIC",
        })
    }
}

impl fmt::Display for Asks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy(name) => write!(f, "policy {name}"),
            Self::Undo(name) => write!(f, "undo of policy {name}"),
            Self::Absence => f.write_str("the PF is gone"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.action.fmt(f)
    }
}
