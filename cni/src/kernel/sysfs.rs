//! PCI functions in sysfs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use conf::{DriverName, IfName, PciAddress, PciId, VfIndex};

use super::child::Writer;
use super::{Change, Error};

/// A sysfs tree: the kernel's, or one that a test made.
#[derive(Debug, Clone)]
pub struct Sysfs {
    root: PathBuf,
}

/// One PCI function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its address.
    pub address: PciAddress,
    /// Vendor id.
    pub vendor: PciId,
    /// Device id.
    pub device: PciId,
    /// Class code, 24 bits: `0x020000` is an Ethernet controller.
    pub class: u32,
    /// The driver bound to it.
    pub driver: Option<DriverName>,
    /// The only driver that may bind to it, when one was named.
    pub driver_override: Option<String>,
    /// NUMA node.
    pub numa_node: Option<u32>,
    /// IOMMU group.
    pub iommu_group: Option<u32>,
    /// Its netdevs in the namespace of the sysfs mount. A name that [`IfName`] refuses is left out.
    pub net: Vec<IfName>,
    /// Its PF, when it is a VF.
    pub physfn: Option<PciAddress>,
    /// Its SR-IOV capability, when it is a PF that can have VFs.
    pub sriov: Option<Sriov>,
    /// Its VFs.
    pub virtfns: BTreeMap<VfIndex, PciAddress>,
}

/// The SR-IOV capability of a PF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sriov {
    /// How many VFs it can have (`sriov_totalvfs`).
    pub total: u16,
    /// How many it has (`sriov_numvfs`).
    pub num: u16,
    /// Whether new VFs are bound to their driver at once (`sriov_drivers_autoprobe`).
    pub autoprobe: bool,
    /// Routing id of VF 0 after the PF's (`sriov_offset`).
    pub offset: u16,
    /// Distance of two VFs' routing ids (`sriov_stride`).
    pub stride: u16,
    /// Device id of its VFs (`sriov_vf_device`).
    pub vf_device: PciId,
}

impl Function {
    /// Whether its class is network controller (0x02).
    pub fn is_network(&self) -> bool {
        self.class >> 16 == 0x02
    }
}

impl Sysfs {
    /// The kernel's, at `/sys`.
    pub fn system() -> Self {
        Self::at("/sys")
    }

    /// The tree at `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// All PCI functions, in order of address.
    pub fn pci_functions(&self) -> Result<Vec<PciAddress>, Error> {
        todo!()
    }
    /// One PCI function; `None` when there is none at this address.
    pub fn function(&self, address: PciAddress) -> Result<Option<Function>, Error> {
        let _ = address;
        todo!()
    }
    /// The functions that can have VFs, in order of address; what cannot be read is its own error.
    pub fn physical_functions(
        &self,
    ) -> Result<BTreeMap<PciAddress, Result<Function, Error>>, Error> {
        todo!()
    }
    /// The PF of a VF; `None` when it is not a VF or not there.
    pub fn pf_of(&self, vf: PciAddress) -> Result<Option<PciAddress>, Error> {
        let _ = vf;
        todo!()
    }
    /// Which VF of `pf` it is; `None` when it is none of them.
    pub fn vf_index(&self, pf: PciAddress, vf: PciAddress) -> Result<Option<VfIndex>, Error> {
        let _ = (pf, vf);
        todo!()
    }
    /// Sets how many VFs a PF has, in a child process with a deadline. The kernel demands zero
    /// before another count (EBUSY).
    pub fn set_numvfs(&self, writer: &Writer, pf: PciAddress, count: u16) -> Result<(), Error> {
        let _ = (writer, pf, count);
        todo!()
    }
    /// Sets whether new VFs of a PF are bound at once.
    pub fn set_autoprobe(&self, pf: PciAddress, on: bool) -> Result<Change, Error> {
        let _ = (pf, on);
        todo!()
    }
    /// Names the only driver that may bind to a function; `None` lifts the restriction.
    pub fn set_driver_override(
        &self,
        function: PciAddress,
        driver: Option<&DriverName>,
    ) -> Result<Change, Error> {
        let _ = (function, driver);
        todo!()
    }
    /// Binds a driver to a function, in a child process with a deadline.
    pub fn bind(
        &self,
        writer: &Writer,
        function: PciAddress,
        driver: &DriverName,
    ) -> Result<Change, Error> {
        let _ = (writer, function, driver);
        todo!()
    }
    /// Takes a function from its driver, in a child process with a deadline.
    pub fn unbind(&self, writer: &Writer, function: PciAddress) -> Result<Change, Error> {
        let _ = (writer, function);
        todo!()
    }
    /// Lets the kernel look for a driver of a function (`drivers_probe`), in a child process with
    /// a deadline. Says nothing of whether one was found: read the function again.
    pub fn probe(&self, writer: &Writer, function: PciAddress) -> Result<(), Error> {
        let _ = (writer, function);
        todo!()
    }
}
