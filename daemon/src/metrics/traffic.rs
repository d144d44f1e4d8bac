//! What VFs have sent and received, as the drivers of their PFs count it.

use std::collections::BTreeMap;

use cni::kernel::netlink::Route;
use cni::kernel::vf::VfStats;
use conf::{PciAddress, VfIndex};

use super::Seen;

/// The counters of VFs, by PF.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Traffic {
    /// The counters of PFs whose drivers answered.
    pub pfs: BTreeMap<PciAddress, BTreeMap<VfIndex, VfStats>>,
    /// Whether all were asked, and answered.
    pub complete: bool,
}

impl Traffic {
    /// Asks for the VFs of each PF in `seen`, by one request each. Waits for the kernel, which has
    /// one lock for all links: not for who may not wait.
    pub fn read(seen: &Seen) -> Self {
        let mut traffic = Self { complete: true, ..Self::default() };
        let with_vfs: Vec<_> = seen.pfs.iter().filter(|pf| !pf.vfs.is_empty()).collect();
        if with_vfs.is_empty() {
            return traffic;
        }
        let mut route = match Route::open() {
            Ok(route) => route,
            Err(error) => {
                tracing::warn!("traffic of VFs is not told: {error}");
                return Self::default();
            }
        };
        for pf in with_vfs {
            let Some(index) = pf.index else {
                traffic.complete = false;
                continue;
            };
            match route.vf_stats(index) {
                Ok(stats) => {
                    traffic.pfs.insert(pf.address, stats);
                }
                Err(error) => {
                    tracing::debug!("traffic of VFs is not told: {error}");
                    traffic.complete = false;
                }
            }
        }
        traffic
    }
}
