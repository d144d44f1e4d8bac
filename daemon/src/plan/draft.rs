//! A lane in the making: walks along the model, so that each step is judged by what is there by
//! then, and keeps out what would disturb somebody.

use conf::{DriverName, VfIndex};

use super::blocked::Blocked;
use super::step::{Action, Asks, Disruption, Step};
use crate::journal::Owner;
use crate::model::State;
use crate::snapshot::{Pf, User};

/// Drivers that make and remove VFs without interrupting their PF's traffic.
const HITLESS: [&str; 2] = ["mlx5_core", "ice"];

/// A lane in the making.
pub(super) struct Draft {
    /// What is there after the steps so far.
    pub(super) now: State,
    owners: Vec<Owner>,
    may_interrupt: bool,
    steps: Vec<Step>,
    blocked: Vec<Blocked>,
}

impl Draft {
    /// Begins where `now` is, for `owners`.
    pub(super) fn new(now: State, owners: Vec<Owner>, may_interrupt: bool) -> Self {
        Self { now, owners, may_interrupt, steps: Vec::new(), blocked: Vec::new() }
    }

    /// No steps.
    pub(super) fn nothing(now: State) -> Self {
        Self::new(now, Vec::new(), false)
    }

    /// No steps, because of `blocked`.
    pub(super) fn blocked_by(now: State, blocked: Blocked) -> Self {
        let mut draft = Self::nothing(now);
        draft.block(blocked);
        draft
    }

    /// The PF after the steps so far.
    pub(super) fn pf(&self) -> &Pf {
        &self.now.pf
    }

    /// Notes that something is in the way.
    pub(super) fn block(&mut self, blocked: Blocked) {
        self.blocked.push(blocked);
    }

    /// Whether anything is in the way so far.
    pub(super) fn is_blocked(&self) -> bool {
        !self.blocked.is_empty()
    }

    /// Whether there is anything to do so far.
    pub(super) fn has_steps(&self) -> bool {
        !self.steps.is_empty()
    }

    /// Adds a step unless it would disturb somebody; notes whom, if so.
    pub(super) fn attempt(&mut self, action: Action, asks: &Asks) {
        match self.obstacle(&action) {
            Some(blocked) => self.block(blocked),
            None => self.push(action, asks),
        }
    }

    /// Adds a step whose obstacles were looked at.
    pub(super) fn push(&mut self, action: Action, asks: &Asks) {
        let disruption = disruption(&action, self.pf());
        self.push_as(action, disruption, asks);
    }

    fn push_as(&mut self, action: Action, disruption: Disruption, asks: &Asks) {
        self.now.after(&action, &self.owners);
        self.steps.push(Step { action, disruption, asks: asks.clone() });
    }

    /// Who or what is in the way of `action`.
    pub(super) fn obstacle(&self, action: &Action) -> Option<Blocked> {
        let pf = self.pf();
        let disruption = disruption(action, pf);
        if disruption >= Disruption::WholeNic
            && !self.may_interrupt
            && let Some(why) = &pf.management
        {
            return Some(Blocked::Management { step: action.clone(), why: why.clone() });
        }
        let users = disturbed(action, disruption, pf);
        (!users.is_empty()).then(|| Blocked::InUse { step: action.clone(), users })
    }

    /// Changes the number of VFs by way of zero, with autoprobe as told meanwhile; all or nothing.
    ///
    /// Where the PF is to be up, it is so before: `bnxt_en` takes the number of a PF that is down
    /// and makes no VF, `bnx2x` refuses it. No other driver minds, and whom it disturbs is judged
    /// by what the PF is before: nobody has a link on one that is down.
    pub(super) fn set_num_vfs(&mut self, count: u16, up: bool, autoprobe: bool, asks: &Asks) {
        let have = self.pf().num_vfs;
        if have == count {
            return;
        }
        let first = Action::SetNumVfs { from: have, to: if have == 0 { count } else { 0 } };
        if let Some(blocked) = self.obstacle(&first) {
            self.block(blocked);
            return;
        }
        let way = [first, Action::SetNumVfs { from: 0, to: count }];
        let way = way.map(|step| (disruption(&step, self.pf()), step));
        if count > 0 && up {
            self.set_up(asks);
        }
        if count > 0 {
            self.set_autoprobe(autoprobe, asks);
        }
        for (disruption, step) in way {
            // The way back up disturbs nobody that the way down did not.
            if self.pf().num_vfs != count {
                self.push_as(step, disruption, asks);
            }
        }
    }

    /// Sets the PF up where it has a netdev that is down.
    pub(super) fn set_up(&mut self, asks: &Asks) {
        if self.pf().netdev.as_ref().is_some_and(|netdev| !netdev.up) {
            self.push(Action::SetPfUp { up: true }, asks);
        }
    }

    /// Sets autoprobe where it is not so already.
    pub(super) fn set_autoprobe(&mut self, on: bool, asks: &Asks) {
        if self.pf().autoprobe != on {
            self.push(Action::SetAutoprobe { on }, asks);
        }
    }

    /// What autoprobe was before railhead came.
    pub(super) fn own_autoprobe(&self) -> bool {
        let entry = self.now.entry.as_ref();
        entry.and_then(|entry| entry.autoprobe).map_or(self.pf().autoprobe, |record| record.old)
    }

    /// The steps, and what is in the way of more.
    pub(super) fn into_parts(self) -> (Vec<Step>, Vec<Blocked>) {
        (self.steps, self.blocked)
    }
}

/// Whom `action` disturbs on a PF that is as told.
fn disruption(action: &Action, pf: &Pf) -> Disruption {
    let is_up = pf.netdev.as_ref().is_some_and(|netdev| netdev.up);
    match action {
        Action::SetNumVfs { .. } if is_up && !is_hitless(pf.driver.as_ref()) => {
            Disruption::WholeNic
        }
        Action::SetNumVfs { to: 0, .. } => Disruption::VfUsers,
        Action::SetPfMtu { .. } if is_up => Disruption::WholeNic,
        Action::SetPfUp { up: false } => Disruption::WholeNic,
        Action::Bind { from: Some(_), .. } => Disruption::VfUsers,
        Action::SetVfMtu { vf, .. } if is_vf_up(pf, *vf) => Disruption::VfUsers,
        _ => Disruption::None,
    }
}

fn is_hitless(driver: Option<&DriverName>) -> bool {
    driver.is_some_and(|driver| HITLESS.contains(&driver.as_str()))
}

fn is_vf_up(pf: &Pf, vf: VfIndex) -> bool {
    pf.vfs.get(&vf).and_then(|vf| vf.netdev.as_ref()).is_some_and(|netdev| netdev.up)
}

/// Who is disturbed by it. Nobody but its user binds a VF that is in use, even where it has no
/// driver: a plugin may just be about to.
fn disturbed(action: &Action, disruption: Disruption, pf: &Pf) -> Vec<(VfIndex, User)> {
    if disruption == Disruption::None && !matches!(action, Action::Bind { .. }) {
        return Vec::new();
    }
    let touches = |index| action.vf().is_none_or(|only| only == index);
    pf.users().filter(|(index, _)| touches(*index)).map(|(vf, user)| (vf, user.clone())).collect()
}
