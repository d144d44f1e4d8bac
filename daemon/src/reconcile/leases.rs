//! Leases of containers that are gone, and leases that were lost.

use cni::leases;

use crate::host::Host;

/// Collects the former and makes the latter again.
pub(super) fn settle(host: &Host, troubles: &mut Vec<String>) {
    let Some(store) = host.store().filter(|_| host.is_live()) else { return };
    match leases::recover(host.root(), &store) {
        Ok(None) => {}
        Ok(Some(count)) => tracing::warn!("made a lost store good: {count} leases"),
        Err(error) => troubles.push(error.to_string()),
    }
    match leases::collect(&store) {
        Ok(collected) => {
            for lease in collected {
                let (address, pool, owner) = (lease.address, lease.pool, lease.owner);
                tracing::info!("gave back {address} of {pool}: the namespace of {owner} is gone");
            }
        }
        Err(error) => troubles.push(error.to_string()),
    }
}
