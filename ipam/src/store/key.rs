//! The keys of the store's one tree: a letter, then parts of fixed length or ended by a zero.
//!
//! ```text
//! F                                  format
//! D                                  loss
//! A container 0 ifname               attachment          -> JSON of the caller
//! V pci-address                      owner of a VF       -> AttachmentKey
//! ```
//!
//! Numbers are big-endian, so that the order of keys is the order of numbers. No key reaches
//! LMDB's limit of 511 bytes: container ids have at most 255, interface names 15, pool names 253.

use conf::PciAddress;

use crate::owner::AttachmentKey;

/// The format record.
pub(crate) fn format() -> Vec<u8> {
    b"F".to_vec()
}

/// The record of a lost store.
pub(crate) fn loss() -> Vec<u8> {
    b"D".to_vec()
}

/// All attachments.
pub(crate) const ATTACHMENTS: &[u8] = b"A";

/// All VF owners.
pub(crate) const VFS: &[u8] = b"V";

/// One attachment.
pub(crate) fn attachment(owner: &AttachmentKey) -> Vec<u8> {
    [ATTACHMENTS, &owner_bytes(owner)].concat()
}

/// The owner inside the key of an attachment.
pub(crate) fn attachment_owner(key: &[u8]) -> Option<AttachmentKey> {
    let (owner, rest) = split_owner(key.strip_prefix(ATTACHMENTS)?)?;
    rest.is_empty().then_some(owner)
}

/// One VF's owner.
pub(crate) fn vf(address: PciAddress) -> Vec<u8> {
    [VFS, address.to_string().as_bytes()].concat()
}

/// The VF inside the key of an owner.
pub(crate) fn vf_address(key: &[u8]) -> Option<PciAddress> {
    std::str::from_utf8(key.strip_prefix(VFS)?).ok()?.parse().ok()
}

/// `container 0 ifname 0`: neither alphabet has a zero, so no owner's bytes begin another's.
fn owner_bytes(owner: &AttachmentKey) -> Vec<u8> {
    [owner.container.as_str().as_bytes(), b"\0", owner.ifname.as_str().as_bytes(), b"\0"].concat()
}

/// The owner at the beginning of `bytes`, and what follows it.
fn split_owner(bytes: &[u8]) -> Option<(AttachmentKey, &[u8])> {
    let (container, rest) = split_zero(bytes)?;
    let (ifname, rest) = split_zero(rest)?;
    let owner = AttachmentKey { container: container.parse().ok()?, ifname: ifname.parse().ok()? };
    Some((owner, rest))
}

fn split_zero(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let at = bytes.iter().position(|byte| *byte == 0)?;
    let (text, rest) = bytes.split_at_checked(at)?;
    Some((std::str::from_utf8(text).ok()?, rest.get(1..)?))
}
