//! Asks a machine that is alive what its files do not tell.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use cni::kernel::netlink::Route;
use conf::PciAddress;
use ipam::StoreError;
use nix::sys::utsname::uname;

use super::DumpError;
use crate::host::Host;
use crate::observe::observe_with;
use crate::recorded::{AllAdminMacs, DefaultRoute, GlobalAddress, Leases, Told, Ways};
use crate::service::client::{Client, ClientError};
use crate::settings;
use crate::snapshot::{Pf, Snapshot, User, Vf};

/// The kernel's release; empty when it does not say.
pub(super) fn kernel() -> String {
    uname().map(|told| text(told.release())).unwrap_or_default()
}

fn text(text: &OsStr) -> String {
    text.to_string_lossy().into_owned()
}

/// What the kernel and the daemon tell. A daemon that does not answer is left out.
pub(super) fn told(host: &Host, left_out: impl FnOnce(ClientError)) -> Result<Told, DumpError> {
    let now = host.now().map_err(DumpError::Clock)?;
    // Settings that cannot be used, and have no former ones, guard nothing: nor do they let
    // anything be planned.
    let loaded = settings::load_or_last_good(host, None);
    let guard = loaded.map(|loaded| loaded.settings.guard).unwrap_or_default();
    let snapshot = observe_with(host, &guard)?;
    let mut route = Route::open()?;
    let mut guarded = BTreeMap::new();
    for address in guard.addresses {
        guarded.insert(address, Ways::ask(&mut route, address)?);
    }
    let links = route.links()?;
    let default_routes: Vec<DefaultRoute> =
        route.default_routes()?.iter().map(DefaultRoute::from).collect();
    let addresses = if default_routes.is_empty() { route.global_addresses()? } else { Vec::new() };
    let daemon = Client::daemon_of(host).unwrap_or_else(|error| {
        left_out(error);
        None
    });
    Ok(Told {
        taken: host.wall().seconds(),
        boot: now.boot,
        time: now.time,
        host_name: host.name(),
        machine: uname().map(|told| text(told.machine())).unwrap_or_default(),
        links,
        default_routes,
        addresses: addresses.iter().map(GlobalAddress::from).collect(),
        guarded,
        admin_macs: admin_macs(&snapshot),
        users: vfs(&snapshot).filter_map(used).collect(),
        packet_sockets: vfs(&snapshot)
            .map(|vf| (vf.address, vf.packet_sockets))
            .filter(|(_, count)| *count > 0)
            .collect(),
        stuck: snapshot
            .pfs
            .values()
            .filter_map(|pf| Some((pf.address, pf.stuck.clone()?)))
            .collect(),
        operator: snapshot.operator,
        leases: leases(host)?,
        daemon,
    })
}

fn vfs(snapshot: &Snapshot) -> impl Iterator<Item = &Vf> {
    snapshot.pfs.values().flat_map(|pf| pf.vfs.values())
}

/// Who uses a VF. That the machine itself does follows from its routes.
fn used(vf: &Vf) -> Option<(PciAddress, User)> {
    let user = vf.user.clone().filter(|user| !matches!(user, User::Machine { .. }))?;
    Some((vf.address, user))
}

fn admin_macs(snapshot: &Snapshot) -> AllAdminMacs {
    let of_pf = |pf: &Pf| {
        let macs = pf.vfs.iter().filter_map(|(index, vf)| Some((*index, vf.admin_mac?)));
        Some((pf.netdev.as_ref()?.index, macs.collect()))
    };
    snapshot.pfs.values().filter_map(of_pf).collect()
}

fn leases(host: &Host) -> Result<Leases, StoreError> {
    let Some(store) = host.store() else { return Ok(Leases::default()) };
    let (leases, cooling, loss) =
        store.read(|txn| Ok::<_, StoreError>((txn.leases()?, txn.cooling()?, txn.loss()?)))?;
    Ok(Leases { leases, cooling, loss })
}
