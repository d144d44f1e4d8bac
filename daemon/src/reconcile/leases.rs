//! Leases of containers that are gone, and leases that were lost.

use cni::leases;

use crate::chain::Chain;
use crate::host::Host;

/// Collects the former and makes the latter again.
pub(super) fn settle(host: &Host, troubles: &mut Vec<String>) {
    let store = match host.store() {
        Ok(Some(store)) if host.is_live() => store,
        Ok(_) => return,
        Err(error) => return troubles.push(Chain(&error).to_string()),
    };
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
