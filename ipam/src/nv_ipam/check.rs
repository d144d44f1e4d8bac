//! CHECK: whether the addresses of an attachment are still its own.

use conf::cni::{AddResult, Code, Error};

use super::error::store_error;
use super::request::Request;
use crate::store::ReadTxn;

/// Compares what the store says with `prev`, the result that the runtime kept.
///
/// Of each pool one address must be leased to the attachment, and it must stand in `prev` with the
/// prefix length that the pool still has. Addresses in `prev` that other plugins of the chain
/// added do not matter.
///
/// # Errors
/// 3 when nothing is leased to the attachment, 102 when something else is than `prev` says.
pub fn check(txn: &ReadTxn<'_>, request: &Request, prev: &AddResult) -> Result<(), Error> {
    let owner = &request.identity.key;
    let mut leases = txn.leases_of(owner).map_err(store_error)?;
    if let Some(cookie) = request.identity.netns_cookie {
        leases.extend(txn.recovered(cookie, &owner.ifname).map_err(store_error)?);
    }
    for target in &request.targets {
        let pool = &target.block.pool;
        let lease = leases.iter().find(|lease| lease.pool == *pool).ok_or_else(|| {
            Error::new(Code::UnknownContainer, format!("no address of {pool} is leased to {owner}"))
        })?;
        let address = lease.address;
        let stands = prev.ips.iter().find(|ip| ip.address.ip() == address).ok_or_else(|| {
            wrong(format!("{address} of {pool} is leased to {owner}, but prevResult has it not"))
        })?;
        let (found, wanted) = (stands.address.prefix(), target.block.network.prefix());
        if found != wanted {
            let msg = format!("prevResult has {address}/{found}, but {pool} has /{wanted} now");
            return Err(wrong(msg));
        }
    }
    Ok(())
}

fn wrong(msg: String) -> Error {
    Error::new(Code::Differs, msg)
}
