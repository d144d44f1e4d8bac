//! One step in the kernel.

use cni::kernel::module;
use cni::kernel::netlink::Route;
use cni::kernel::vf::VfChange;
use conf::{DriverName, Mtu, PciAddress, VfIndex};

use super::bind;
use super::error::StepError;
use super::kernel::Kernel;
use crate::model::State;
use crate::plan::Action;

impl Kernel<'_> {
    /// Does `action`; `state` is what is there before it.
    pub(super) fn execute(&self, action: &Action, state: Option<&State>) -> Result<(), StepError> {
        let sysfs = self.host.sysfs();
        match action {
            Action::LoadModule { module } => self.load(module)?,
            Action::SetAutoprobe { on } => sysfs.set_autoprobe(self.pf, *on).map(drop)?,
            Action::SetNumVfs { to, .. } => self.set_num_vfs(*to)?,
            Action::SetPfMtu { to, .. } => {
                Route::open()?.set_mtu(netdev(state)?, mtu(*to)?)?;
            }
            Action::SetPfUp { up: true } => Route::open()?.set_up(netdev(state)?)?,
            Action::SetPfUp { up: false } => Route::open()?.set_down(netdev(state)?)?,
            Action::SetVfMac { vf, mac } => {
                let change = VfChange { mac: Some(*mac), ..VfChange::default() };
                Route::open()?.set_vf(netdev(state)?, *vf, &change)?;
            }
            Action::Bind { vf, to, .. } => bind::bind(self, self.address(*vf)?, to)?,
            Action::ClearOverride { vf } => {
                sysfs.set_driver_override(&self.writer, self.address(*vf)?, None)?;
            }
            Action::SetVfMtu { vf, mtu: bytes } => {
                let address = self.address(*vf)?;
                let link = bind::await_netdev(self, address)?;
                Route::open()?.set_mtu(link.index, mtu(*bytes)?)?;
            }
            // The intent in the journal is all of it.
            Action::TakeOver { .. } => {}
            Action::Forget => self.host.journal().remove(self.pf)?,
        }
        Ok(())
    }

    fn load(&self, name: &str) -> Result<(), StepError> {
        let gone = |_| StepError::Gone { what: format!("module {name}") };
        let name: DriverName = name.parse().map_err(gone)?;
        module::load(self.host.sysfs(), &name, self.deadlines.module).map(drop)?;
        Ok(())
    }

    fn set_num_vfs(&self, asked: u16) -> Result<(), StepError> {
        let sysfs = self.host.sysfs();
        sysfs.set_numvfs(&self.writer, self.pf, asked)?;
        let made = sysfs.function(self.pf)?.and_then(|pf| pf.sriov).map(|sriov| sriov.num);
        match made {
            Some(made) if made == asked => Ok(()),
            Some(made) => Err(StepError::Count { pf: self.pf, made, asked }),
            None => Err(StepError::Gone { what: self.pf.to_string() }),
        }
    }

    /// The PCI address of a VF, which exists by now.
    fn address(&self, vf: VfIndex) -> Result<PciAddress, StepError> {
        let pf = self.host.sysfs().function(self.pf)?;
        pf.and_then(|pf| pf.virtfns.get(&vf).copied())
            .ok_or_else(|| StepError::Gone { what: format!("VF {vf} of {}", self.pf) })
    }
}

/// The interface index of the PF's netdev.
fn netdev(state: Option<&State>) -> Result<u32, StepError> {
    state
        .and_then(|state| state.pf.netdev.as_ref())
        .map(|netdev| netdev.index)
        .ok_or_else(|| StepError::Gone { what: "the PF's netdev".to_owned() })
}

fn mtu(bytes: u32) -> Result<Mtu, StepError> {
    let gone = |_| StepError::Gone { what: format!("MTU {bytes}") };
    Mtu::try_from(i64::from(bytes)).map_err(gone)
}
