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
            Action::SetNumVfs { to, .. } => self.set_num_vfs(*to, state)?,
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

    /// Marked before they are made, so that udev knows them at their first event; and once more
    /// where they really are, since a driver may place them elsewhere for another number of them.
    /// They have no driver by then.
    fn set_num_vfs(&self, asked: u16, state: Option<&State>) -> Result<(), StepError> {
        let (sysfs, markers) = (self.host.sysfs(), self.host.markers());
        let pf = state.map(|state| &state.pf);
        if self.is_wished {
            let indices = (0..asked).map(VfIndex);
            let to_come = indices.filter_map(|index| pf.and_then(|pf| pf.vf_address(index)));
            markers.add_all(to_come)?;
        }
        sysfs.set_numvfs(&self.writer, self.pf, asked)?;
        let function = sysfs.function(self.pf)?;
        match &function {
            Some(function) if asked > 0 && self.is_wished => {
                markers.add_all(function.virtfns.values().copied())?;
            }
            _ if asked == 0 => {
                let gone = pf.into_iter().flat_map(|pf| pf.vfs.values().map(|vf| vf.address));
                markers.remove_all(gone)?;
            }
            _ => {}
        }
        let made = function.and_then(|pf| pf.sriov).map(|sriov| sriov.num);
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
