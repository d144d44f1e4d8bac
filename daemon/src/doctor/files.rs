//! railhead's own files: the store, settings, objects, and the clock they are dated by.

use std::fs;
use std::time::{Duration, SystemTime};

use ipam::Store;
use ipam::store::Standing;

use super::Finding;
use crate::chain::Chain;
use crate::claims::Overlap;
use crate::fenced;
use crate::host::Host;
use crate::leftovers::{self, Leftover};
use crate::situation::Situation;
use crate::source::last_good_path;

/// The store, and whether it can be looked into without changing it.
pub(super) fn store(host: &Host) -> (Vec<Finding>, bool) {
    let check = "store";
    let why = "no address is given out that a running container may hold";
    let directory = host.root().store();
    let (damage, is_usable) = match Store::look(host.root()) {
        Ok(Standing::Sound | Standing::Absent) => (None, true),
        Ok(Standing::Damaged(damage)) => {
            (Some(format!("the store of attachments is damaged: {damage}")), false)
        }
        Err(error) => (Some(Chain(&error).to_string()), false),
    };
    if let Some(what) = damage {
        let finding = Finding::error(check, what, why)
            .mend("delete the pods with VFs of this node, then")
            .mend("sudo railhead ipam accept-loss")
            .mend("or reboot: nothing in it outlives one");
        return (vec![finding], false);
    }
    let aside: Vec<String> = fs::read_dir(&directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains(".damaged-"))
        .collect();
    if aside.is_empty() {
        return (vec![Finding::ok(check, "sound")], is_usable);
    }
    let what = format!("a damaged store was set aside: {}", aside.join(", "));
    let finding = Finding::warning(check, what, "whatever damaged it may do so again")
        .mend("keep the file for a report, then remove it")
        .mend("railhead ipam   (says whether the loss is dealt with)");
    (vec![finding], is_usable)
}

/// Records that outlive their attachments.
pub(super) fn leftovers(host: &Host) -> Vec<Finding> {
    // That the store cannot be read is told already.
    let found = leftovers::all(host).unwrap_or_default();
    let finding = |left: &Leftover| {
        let why = "an IPAM plugin may still count its address as used, and its own DEL fails";
        Finding::warning("leftovers", left.to_string(), why)
            .mend("give the address back by the plugin's own means, then")
            .mend(format!("sudo {}", left.clear))
    };
    found.iter().map(finding).collect()
}

/// VFs that go to nobody.
pub(super) fn fenced(host: &Host) -> Vec<Finding> {
    let found = fenced::all(host).unwrap_or_default();
    let finding = |fenced: &fenced::Fenced| {
        let why = "what its container left on it would be the next one's, so no pod gets it";
        let finding = Finding::error("fenced", fenced.to_string(), why);
        fenced.mend.iter().fold(finding, Finding::mend)
    };
    found.iter().map(finding).collect()
}

/// Objects and settings that break rules, or have no effect here.
pub(super) fn objects(situation: &Situation) -> Vec<Finding> {
    let check = "objects";
    let problems = situation.objects.problems.iter().map(|problem| {
        Finding::error(check, problem.to_string(), "it is not in force; what was last good stays")
            .mend("mend the file; `railhead plan` checks it and changes nothing")
    });
    let warnings = situation.loaded.warnings.iter().cloned();
    let notices = situation.objects.notices.iter().map(ToString::to_string);
    let notices = warnings.chain(notices).map(|notice| {
        Finding::warning(check, notice, "it is without effect").mend("remove it, or spell it right")
    });
    let damaged = situation.damaged.iter().map(|damaged| {
        Finding::warning(
            "journal",
            damaged.to_string(),
            "what is on that PF counts as somebody else's, so nothing of it is undone",
        )
        .mend("see `railhead status`; a reboot begins anew")
    });
    let overlaps = situation.overlaps().into_iter().map(|overlap| {
        let Overlap { one, other, range } = overlap;
        Finding::warning(
            "pools",
            format!("{one} and {other} overlap in {range}"),
            "two nodes may give out the same address; on one node none is given out twice",
        )
        .mend("give the pools networks of their own")
    });
    let findings: Vec<Finding> = problems.chain(notices).chain(damaged).chain(overlaps).collect();
    if findings.is_empty() {
        return vec![Finding::ok(check, format!("{} are fine", situation.objects.known.len()))];
    }
    findings
}

/// Settings, or a source, that cannot be used at all.
pub(super) fn unreadable(why: &str) -> Finding {
    Finding::error("settings", why, "the daemon keeps to what was last good, and no change counts")
        .mend("mend what it names")
}

/// How far a file may lie in the future: clocks are set a little.
const AHEAD: Duration = Duration::from_secs(24 * 3600);

/// Whether the clock has gone back behind what was written.
pub(super) fn clock(host: &Host) -> Option<Finding> {
    let check = "clock";
    let written = fs::metadata(last_good_path(host.root())).ok()?.modified().ok()?;
    let ahead = written.duration_since(SystemTime::now()).unwrap_or_default();
    Some(if ahead > AHEAD {
        let days = ahead.as_secs() / (24 * 3600);
        Finding::warning(
            check,
            format!("the clock is {days} days behind what was written last"),
            "reports carry wrong times, and certificates are not valid yet",
        )
        .mend("sudo timedatectl set-ntp true   (and see to the clock's battery)")
    } else {
        Finding::ok(check, "not behind what was written")
    })
}
