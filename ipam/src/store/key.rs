//! The keys of the store's one tree: a letter, then parts of fixed length or ended by a zero.
//!
//! ```text
//! F                                  format
//! D                                  loss
//! A container 0 ifname               attachment          -> JSON of the caller
//! V pci-address                      owner of a VF       -> AttachmentKey
//! P kind name                        pool                -> its number and cursor
//! N                                  the next pool's number
//! L pool address                     lease               -> Lease
//! O container 0 ifname 0 pool        what an owner holds -> address
//! R pool address                     run, by its first   -> its last address
//! C pool time address                cooling, oldest first
//! c pool address                     cooling since       -> time
//! ```
//!
//! `pool` is four bytes; `address` is 4 or 6 and then sixteen bytes; `time` eight.
//!
//! Numbers are big-endian, so that the order of keys is the order of numbers. No key reaches
//! LMDB's limit of 511 bytes: container ids have at most 255, interface names 15, pool names 253.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use conf::PciAddress;
use conf::address::number;
use conf::block::{PoolKind, PoolRef};
use serde::{Deserialize, Serialize};

use crate::clock::BootTime;
use crate::owner::AttachmentKey;

/// A pool's number in this store, which stands in keys for its name. Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct PoolId(pub(crate) u32);

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

/// A pool's record.
pub(crate) fn pool(pool: &PoolRef) -> Vec<u8> {
    let kind = match pool.kind {
        PoolKind::IpPool => b"i",
        PoolKind::CidrPool => b"c",
    };
    [b"P", kind.as_slice(), pool.name.as_str().as_bytes()].concat()
}

/// The number of the next pool.
pub(crate) fn next_pool() -> Vec<u8> {
    b"N".to_vec()
}

/// All leases.
pub(crate) const LEASES: &[u8] = b"L";

/// One lease.
pub(crate) fn lease(pool: PoolId, address: IpAddr) -> Vec<u8> {
    [LEASES, &pool.0.to_be_bytes(), &address_bytes(address)].concat()
}

/// All that an owner holds.
pub(crate) fn held(owner: &AttachmentKey) -> Vec<u8> {
    [b"O", owner_bytes(owner).as_slice()].concat()
}

/// All that is held by containers whose names begin so.
pub(crate) fn held_by_containers(beginning: &str) -> Vec<u8> {
    [b"O", beginning.as_bytes()].concat()
}

/// The owner inside a key of [`held_of`].
pub(crate) fn held_owner(key: &[u8]) -> Option<AttachmentKey> {
    split_owner(key.strip_prefix(b"O")?).map(|(owner, _)| owner)
}

/// What an owner holds of one pool.
pub(crate) fn held_of(owner: &AttachmentKey, pool: PoolId) -> Vec<u8> {
    [held(owner).as_slice(), &pool.0.to_be_bytes()].concat()
}

/// All runs of a pool.
pub(crate) fn runs(pool: PoolId) -> Vec<u8> {
    [b"R".as_slice(), &pool.0.to_be_bytes()].concat()
}

/// The run that begins at `first`.
pub(crate) fn run(pool: PoolId, first: IpAddr) -> Vec<u8> {
    [runs(pool).as_slice(), &address_bytes(first)].concat()
}

/// All cooling addresses.
pub(crate) const COOLING: &[u8] = b"C";

/// All cooling addresses of a pool, oldest first.
pub(crate) fn cooling_of(pool: PoolId) -> Vec<u8> {
    [COOLING, &pool.0.to_be_bytes()].concat()
}

/// A cooling address in the order of time.
pub(crate) fn cooling(pool: PoolId, since: BootTime, address: IpAddr) -> Vec<u8> {
    let since = since.nanoseconds().to_be_bytes();
    [cooling_of(pool).as_slice(), &since, &address_bytes(address)].concat()
}

/// Time and address of a key behind [`cooling_of`].
pub(crate) fn cooling_parts(rest: &[u8]) -> Option<(BootTime, IpAddr)> {
    let (since, rest) = rest.split_first_chunk()?;
    Some((BootTime::from_nanoseconds(u64::from_be_bytes(*since)), address(rest)?))
}

/// Since when an address is cooling.
pub(crate) fn cooling_since(pool: PoolId, address: IpAddr) -> Vec<u8> {
    [b"c".as_slice(), &pool.0.to_be_bytes(), &address_bytes(address)].concat()
}

/// A pool's number at the end of a key.
pub(crate) fn pool_id(bytes: &[u8]) -> Option<PoolId> {
    Some(PoolId(u32::from_be_bytes(bytes.try_into().ok()?)))
}

/// An address: its family, then its number.
pub(crate) fn address_bytes(address: IpAddr) -> [u8; 17] {
    let mut bytes = [0; 17];
    let [family, rest @ ..] = &mut bytes;
    *family = if address.is_ipv4() { 4 } else { 6 };
    *rest = number(address).to_be_bytes();
    bytes
}

/// The inverse of [`address_bytes`].
pub(crate) fn address(bytes: &[u8]) -> Option<IpAddr> {
    let (family, number) = bytes.split_first()?;
    let number = u128::from_be_bytes(number.try_into().ok()?);
    match family {
        4 => Some(Ipv4Addr::from(u32::try_from(number).ok()?).into()),
        6 => Some(Ipv6Addr::from(number).into()),
        _ => None,
    }
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
