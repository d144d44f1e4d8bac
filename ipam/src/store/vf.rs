//! Who holds which VF.

use conf::PciAddress;

use super::{ReadTxn, StoreError, WriteTxn, key};
use crate::owner::AttachmentKey;

impl ReadTxn<'_> {
    /// The attachment that holds the VF.
    pub fn vf_owner(&self, vf: PciAddress) -> Result<Option<AttachmentKey>, StoreError> {
        self.json(&key::vf(vf), || format!("the owner of VF {vf}"))
    }

    /// All VFs that are held, in order of their address.
    pub fn vf_owners(&self) -> Result<Vec<(PciAddress, AttachmentKey)>, StoreError> {
        let mut owners = Vec::new();
        self.scan(key::VFS, |found, value| {
            if let Some(vf) = key::vf_address(found) {
                owners.push((vf, self.decode(value, || format!("the owner of VF {vf}"))?));
            }
            Ok(())
        })?;
        Ok(owners)
    }
}

impl WriteTxn<'_> {
    /// Gives the VF to `owner`; when another attachment holds it, names that one and changes
    /// nothing. Claiming what one holds already is fine.
    pub fn claim_vf(
        &mut self,
        vf: PciAddress,
        owner: &AttachmentKey,
    ) -> Result<Result<(), AttachmentKey>, StoreError> {
        match self.vf_owner(vf)? {
            Some(holder) if holder == *owner => Ok(Ok(())),
            Some(holder) => Ok(Err(holder)),
            None => {
                self.require_room()?;
                self.put_json(&key::vf(vf), owner, || format!("the owner of VF {vf}"))?;
                Ok(Ok(()))
            }
        }
    }

    /// Takes the VF back from `owner`; `false`, and nothing changed, when it is not the holder.
    pub fn release_vf(
        &mut self,
        vf: PciAddress,
        owner: &AttachmentKey,
    ) -> Result<bool, StoreError> {
        if self.vf_owner(vf)?.as_ref() != Some(owner) {
            return Ok(false);
        }
        self.delete(&key::vf(vf))
    }
}
