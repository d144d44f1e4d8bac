//! The lane of a PF that nobody wishes for any more: back to what was there before, wherever the
//! present value is still one that railhead wrote.

use conf::VfIndex;

use super::draft::Draft;
use super::step::{Action, Asks, Binding};
use crate::journal::Entry;
use crate::model::State;

/// Plans the way back that `entry` describes.
pub(super) fn draft(state: State, entry: &Entry, may_interrupt: bool) -> Draft {
    let policy = entry.owners.first().map(|owner| owner.policy.clone()).unwrap_or_default();
    let asks = Asks::Undo(policy);
    let mut draft = Draft::new(state, entry.owners.clone(), may_interrupt);
    put_vfs_back(&mut draft, entry, &asks);
    put_drivers_back(&mut draft, entry, &asks);
    // The link first: an MTU set while it is down disturbs nobody.
    put_link_back(&mut draft, entry, &asks);
    put_mtu_back(&mut draft, entry, &asks);
    let own_autoprobe = draft.own_autoprobe();
    draft.set_autoprobe(own_autoprobe, &asks);
    if !draft.is_blocked() {
        draft.push(Action::Forget, &asks);
    }
    draft
}

fn put_vfs_back(draft: &mut Draft, entry: &Entry, asks: &Asks) {
    let Some(record) = entry.num_vfs else { return };
    if record.is_ours(&draft.pf().num_vfs) {
        let autoprobe = draft.own_autoprobe();
        draft.set_num_vfs(record.old, false, autoprobe, asks);
    }
}

/// VFs that somebody else made, and that are still there.
fn put_drivers_back(draft: &mut Draft, entry: &Entry, asks: &Asks) {
    for (index, record) in &entry.vfs {
        if let Some(action) = rebind(draft, entry, *index) {
            if needs_probe(&action) && draft.obstacle(&action).is_none() {
                draft.set_autoprobe(true, asks);
            }
            draft.attempt(action, asks);
        }
        let present = vf_mtu(draft, *index);
        if let (Some(record), Some(present)) = (record.mtu, present)
            && record.is_ours(&present)
            && present != record.old
        {
            draft.attempt(Action::SetVfMtu { vf: *index, mtu: record.old }, asks);
        }
    }
}

fn rebind(draft: &Draft, entry: &Entry, index: VfIndex) -> Option<Action> {
    let vf = draft.pf().vfs.get(&index)?;
    let record = entry.vfs.get(&index)?.driver.as_ref()?;
    let is_changed = record.is_ours(vf.driver.as_ref()) && vf.driver != record.old;
    is_changed.then(|| Action::Bind {
        vf: index,
        from: vf.driver.clone(),
        to: Binding::back_to(record.old.as_ref()),
    })
}

/// Whether the kernel has to find the driver, which it does not while autoprobe is off.
fn needs_probe(action: &Action) -> bool {
    matches!(action, Action::Bind { to: Binding::Default, .. })
}

fn vf_mtu(draft: &Draft, index: VfIndex) -> Option<u32> {
    draft.pf().vfs.get(&index)?.netdev.as_ref().map(|netdev| netdev.mtu)
}

fn put_mtu_back(draft: &mut Draft, entry: &Entry, asks: &Asks) {
    let present = draft.pf().netdev.as_ref().map(|netdev| netdev.mtu);
    let (Some(record), Some(from)) = (entry.mtu, present) else { return };
    if record.is_ours(&from) && from != record.old {
        draft.attempt(Action::SetPfMtu { from, to: record.old }, asks);
    }
}

fn put_link_back(draft: &mut Draft, entry: &Entry, asks: &Asks) {
    let pf = draft.pf();
    let (Some(record), Some(netdev)) = (entry.up, &pf.netdev) else { return };
    // A PF that the machine's own traffic has come to depend on stays up: that is somebody's wish.
    if record.is_ours(&netdev.up) && netdev.up != record.old && pf.management.is_none() {
        draft.attempt(Action::SetPfUp { up: record.old }, asks);
    }
}
