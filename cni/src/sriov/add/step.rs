//! The steps of ADD and their order.

use std::fmt;

/// One step of ADD, after the claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    AskForMac,
    SetVfAttributes,
    MoveIntoContainer,
    SetUpLink,
    AskIpam,
    GiveAddresses,
    DescribeDevice,
    Finish,
}

/// The order for a VF with a netdev. A foreign IPAM comes after the link is up, since a DHCP
/// client needs it so.
pub(super) const WITH_NETDEV: [Step; 8] = [
    Step::AskForMac,
    Step::SetVfAttributes,
    Step::MoveIntoContainer,
    Step::SetUpLink,
    Step::AskIpam,
    Step::GiveAddresses,
    Step::DescribeDevice,
    Step::Finish,
];

/// The order for a VF that user space drives: addresses are only told.
pub(super) const FOR_USERSPACE: [Step; 4] =
    [Step::SetVfAttributes, Step::AskIpam, Step::DescribeDevice, Step::Finish];

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AskForMac => "ask for the MAC",
            Self::SetVfAttributes => "set VF attributes",
            Self::MoveIntoContainer => "move into the container",
            Self::SetUpLink => "set up the link",
            Self::AskIpam => "ask for addresses",
            Self::GiveAddresses => "give addresses",
            Self::DescribeDevice => "describe the device",
            Self::Finish => "finish",
        })
    }
}
