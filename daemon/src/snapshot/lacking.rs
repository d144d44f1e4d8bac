//! Why a PF has no network interface here, and what to do.

use std::fmt;

use conf::DriverName;
use serde::{Deserialize, Serialize};

use super::Pf;

/// Why a PF has no netdev in our network namespace. Displays as what completes "the PF …".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NoNetdev {
    /// Somebody took it into another network namespace.
    Elsewhere,
    /// Nothing is there to make it.
    NoDriver,
    /// What an InfiniBand PF has is made by IPoIB.
    NoIpoib,
    /// The driver is for user space, for VFs alone, or has failed to make it.
    NotMade(DriverName),
}

impl Pf {
    /// Why it has no netdev here; `None` where it has.
    pub fn no_netdev(&self) -> Option<NoNetdev> {
        match (&self.netdev, &self.driver) {
            (Some(_), _) => None,
            (None, _) if self.netdev_elsewhere => Some(NoNetdev::Elsewhere),
            (None, None) => Some(NoNetdev::NoDriver),
            (None, Some(driver)) if self.infiniband && !driver.is_userspace() => {
                Some(NoNetdev::NoIpoib)
            }
            (None, Some(driver)) => Some(NoNetdev::NotMade(driver.clone())),
        }
    }
}

impl fmt::Display for NoNetdev {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elsewhere => f.write_str(
                "has its network interface in another network namespace; bring it back: \
                 ip -n NAMESPACE link set NAME netns 1",
            ),
            Self::NoDriver => f.write_str("has no network interface: no driver is bound; bind one"),
            Self::NoIpoib => f.write_str("has no network interface; load the module ib_ipoib"),
            Self::NotMade(driver) if driver.is_userspace() => write!(
                f,
                "has no network interface: its driver {driver} hands it to user space; bind the \
                 one that makes network interfaces"
            ),
            Self::NotMade(driver) => write!(
                f,
                "has no network interface: its driver {driver} has made none, dmesg may say why; \
                 bind it again, or another driver"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::specimen::igb;

    #[test]
    fn the_reason_is_told_from_what_is_there() {
        let pf = |driver: Option<&str>, elsewhere, infiniband| Pf {
            driver: driver.map(|name| name.parse().unwrap()),
            netdev: None,
            netdev_elsewhere: elsewhere,
            infiniband,
            ..igb("0000:01:00.0", "ens1f0")
        };
        for (pf, words) in [
            (pf(Some("igb"), true, false), "another network namespace"),
            (pf(Some("mlx5_core"), true, true), "another network namespace"),
            (pf(None, false, false), "no driver is bound; bind one"),
            (pf(None, false, true), "no driver is bound; bind one"),
            (pf(Some("mlx5_core"), false, true), "load the module ib_ipoib"),
            (pf(Some("vfio-pci"), false, false), "vfio-pci hands it to user space"),
            (pf(Some("vfio-pci"), false, true), "vfio-pci hands it to user space"),
            (pf(Some("pci-pf-stub"), false, false), "pci-pf-stub has made none"),
        ] {
            let why = pf.no_netdev().unwrap().to_string();
            assert!(why.contains(words), "{why}");
        }
        assert_eq!(igb("0000:01:00.0", "ens1f0").no_netdev(), None);
    }
}
