//! `apply --confirm`: objects on trial, which are undone unless somebody confirms them.
//!
//! ```text
//! begin ----> waiting --confirm--> (no record)          the objects stay
//!                |
//!                | the deadline, a signal, a reboot
//!                v
//!              over: the objects before are in force, whatever /etc/railhead/objects holds
//!                |
//!                | settle, after the pass that undid them
//!                +--> the set before is back in /etc/railhead/objects --> (no record)
//!                +--> else refused: until /etc/railhead/objects says something else
//! ```
//!
//! The record (`/var/lib/railhead/trial.json`) is on disk before the first object is replaced, and
//! it holds the objects to go back to. So going back takes no write that could fail: whoever reads
//! the objects after the deadline, be it the daemon, a boot or the next command, reads those
//! before, and one pass brings the host there by the ownership journal. The deadline is one of
//! `CLOCK_BOOTTIME` in one run of the machine, which nobody can set; no other run waits for it.
//!
//! Confirming and reading take turns at a lock on the record's directory, so that nobody confirms
//! what somebody else has begun to undo.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use conf::BootId;
use conf::printable::Printable;
use ipam::durable::{self, FileError};
use ipam::flock::{self, LockError, Mode};
use ipam::{BootTime, Moment, Root};
use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::report::Timestamp;
use crate::source::{self, Directory, Inputs as _, Objects, StoredObjects, known_version};

/// The version of the record's format that this build writes and reads.
const VERSION: u32 = 1;

/// A trial's record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Trial {
    #[serde(deserialize_with = "known_version::<VERSION, _>")]
    version: u32,
    /// Who applied the objects.
    by: String,
    /// When, in seconds since 1970.
    since: u64,
    /// When they are undone, in seconds since 1970: for people, who may set that clock.
    until: u64,
    /// In which run of the machine.
    boot: BootId,
    /// When they are undone.
    deadline: BootTime,
    /// What was in force before.
    before: StoredObjects,
    /// What `/etc/railhead/objects` said when they were undone, and is not in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused: Option<StoredObjects>,
}

/// How it stands with objects on trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tried {
    /// Who applied them.
    pub by: String,
    /// When, in seconds since 1970.
    pub since: u64,
    /// When they are, or were, to be undone, in seconds since 1970.
    pub until: u64,
    /// What became of them.
    pub state: State,
    /// The time that is left to confirm them.
    #[serde(skip)]
    pub left: Duration,
}

/// What became of objects on trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// They are in force, and wait for somebody to confirm them.
    Waiting,
    /// Nobody did: those before them are in force.
    Over,
    /// The same, and `/etc/railhead/objects` still holds them.
    Refused,
}

/// What came of confirming.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmed {
    /// The objects stay.
    Kept,
    /// They are undone.
    TooLate,
    /// There was nothing on trial.
    Nothing,
}

/// A trial's record could not be used.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The record is not what this railhead writes.
    #[error(
        "read {}: it does not say what was in force before `apply --confirm`; remove it to put the \
         objects in /etc/railhead/objects in force",
        path.display()
    )]
    Damaged {
        /// The record.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Somebody holds the lock of the record and does not let go of it.
    #[error(
        "lock {}, to look at objects on trial: {holder} has held it for {} s: it hangs, or is \
         stopped; end it, or let it go on",
        path.display(),
        waited.as_secs()
    )]
    Held {
        /// What is locked.
        path: PathBuf,
        /// Who holds it, as far as the kernel tells.
        holder: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The machine does not tell the time since its start.
    #[error("read the clock")]
    Clock(#[source] io::Error),
}

impl Trial {
    fn new(by: String, time: Duration, before: StoredObjects, now: Moment) -> Self {
        let since = Timestamp::now().seconds();
        let mut trial = Self {
            version: VERSION,
            by,
            since,
            until: since,
            boot: now.boot,
            deadline: now.time,
            before,
            refused: None,
        };
        trial.end_in(time, now.time);
        trial
    }

    fn end_in(&mut self, time: Duration, now: BootTime) {
        self.until = Timestamp::now().seconds().saturating_add(time.as_secs());
        self.deadline = BootTime::from_start(now.since_start().saturating_add(time));
    }

    fn state(&self, now: &Moment) -> State {
        match self.refused {
            Some(_) => State::Refused,
            None if self.boot == now.boot && now.time < self.deadline => State::Waiting,
            None => State::Over,
        }
    }

    fn tried(&self, now: &Moment) -> Tried {
        Tried {
            by: self.by.clone(),
            since: self.since,
            until: self.until,
            state: self.state(now),
            left: self.deadline.since(now.time),
        }
    }

    /// Whether these objects, of `/etc/railhead/objects`, are the ones that nobody confirmed. They
    /// may be as long as some cannot be read.
    fn refuses(&self, objects: &Objects) -> bool {
        let says = || Some(StoredObjects::of(objects));
        self.refused.is_some() && (!objects.is_readable() || self.refused == says())
    }
}

/// How it stands with objects on trial, and those to be in force in the place of the ones in
/// `/etc/railhead/objects`, if any.
pub fn look(host: &Host) -> Result<Option<(Tried, Option<Objects>)>, TrialError> {
    let root = host.root();
    let _lock = lock(root, Mode::Shared)?;
    let Some(trial) = load(root)? else { return Ok(None) };
    let now = now(host)?;
    let overridden = match trial.state(&now) {
        State::Waiting => false,
        State::Over => true,
        State::Refused => {
            // While nobody can tell what they say, what was in force stays.
            let present = Directory::at(root.objects()).read();
            if present.is_ok_and(|present| !trial.refuses(&present)) {
                return Ok(None);
            }
            true
        }
    };
    let tried = trial.tried(&now);
    Ok(Some((tried, overridden.then(|| trial.before.into_objects()))))
}

/// Puts whatever is applied next on trial for `time`, in the place of a trial that was.
pub fn begin(
    host: &Host,
    by: String,
    time: Duration,
    before: StoredObjects,
) -> Result<(), TrialError> {
    durable::make_directory(&host.root().state())?;
    let _lock = lock(host.root(), Mode::Exclusive)?;
    save(host.root(), &Trial::new(by, time, before, now(host)?))
}

/// Lets the trial that waits end `time` from now; `None` when there is none any more.
pub fn end_in(host: &Host, time: Duration) -> Result<Option<Tried>, TrialError> {
    let root = host.root();
    let _lock = lock(root, Mode::Exclusive)?;
    let now = now(host)?;
    let Some(mut trial) = load(root)?.filter(|trial| trial.state(&now) == State::Waiting) else {
        return Ok(None);
    };
    trial.end_in(time, now.time);
    save(root, &trial)?;
    Ok(Some(trial.tried(&now)))
}

/// Keeps what is on trial.
pub fn confirm(host: &Host) -> Result<Confirmed, TrialError> {
    let root = host.root();
    let _lock = lock(root, Mode::Exclusive)?;
    let Some(trial) = load(root)? else { return Ok(Confirmed::Nothing) };
    match trial.state(&now(host)?) {
        State::Waiting => {
            durable::remove(&path(root))?;
            Ok(Confirmed::Kept)
        }
        State::Over | State::Refused => Ok(Confirmed::TooLate),
    }
}

/// Ends a trial without undoing anything: something else was decided.
pub fn forget(root: &Root) -> Result<(), TrialError> {
    let _lock = lock(root, Mode::Exclusive)?;
    durable::remove(&path(root))?;
    Ok(())
}

/// Has `/etc/railhead/objects` say what is in force, where a trial is over, and ends the trial.
/// Where that cannot be, what it says is refused from now on: that is what is returned.
pub fn settle(host: &Host) -> Result<Option<Tried>, TrialError> {
    let root = host.root();
    let _lock = lock(root, Mode::Exclusive)?;
    let Some(mut trial) = load(root)? else { return Ok(None) };
    let now = now(host)?;
    let is_over = match trial.state(&now) {
        State::Waiting => return Ok(None),
        State::Over => true,
        State::Refused => false,
    };
    let present = match Directory::at(root.objects()).read() {
        Ok(present) if present.is_readable() => present,
        // What cannot be read now is looked at next time; those before stay in force.
        _ => return Ok(Some(Tried { state: State::Refused, ..trial.tried(&now) })),
    };
    let says = StoredObjects::of(&present);
    let is_settled = if is_over {
        says == trial.before || is_put_back(root, &trial.before)
    } else {
        !trial.refuses(&present)
    };
    if is_settled {
        durable::remove(&path(root))?;
        return Ok(None);
    }
    if is_over {
        trial.refused = Some(says);
        save(root, &trial)?;
    }
    Ok(Some(trial.tried(&now)))
}

/// Whether the set before could be put back. Why not is told in the log: nothing depends on it.
fn is_put_back(root: &Root, before: &StoredObjects) -> bool {
    source::put_back(root, before).unwrap_or_else(|error| {
        tracing::warn!("put back the objects before: {}", crate::chain::Chain(&error));
        false
    })
}

/// Where the record is.
pub fn path(root: &Root) -> PathBuf {
    root.state().join("trial.json")
}

fn now(host: &Host) -> Result<Moment, TrialError> {
    host.now().map_err(TrialError::Clock)
}

fn load(root: &Root) -> Result<Option<Trial>, TrialError> {
    let path = path(root);
    let Some(bytes) = durable::read_optional(&path)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|source| TrialError::Damaged { path, source })
}

fn save(root: &Root, trial: &Trial) -> Result<(), TrialError> {
    let path = path(root);
    let bytes = serde_json::to_vec(trial)
        .map_err(|source| TrialError::Damaged { path: path.clone(), source })?;
    Ok(durable::write_atomically(&path, &bytes)?)
}

/// How long somebody waits who decides about a trial: it is held for as long as files are written.
const TO_DECIDE: Duration = Duration::from_secs(10);

/// How long somebody waits who only looks.
const TO_LOOK: Duration = Duration::from_secs(2);

/// The lock of the record; `None` where there is no directory for one.
fn lock(root: &Root, mode: Mode) -> Result<Option<File>, TrialError> {
    let state = root.state();
    let directory = match File::open(&state) {
        Ok(directory) => directory,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FileError::at("open", &state)(error).into()),
    };
    let patience = match mode {
        Mode::Exclusive => TO_DECIDE,
        Mode::Shared => TO_LOOK,
    };
    flock::wait(directory, mode, patience).map(Some).map_err(|error| match error {
        LockError::Held { holder, waited } => TrialError::Held { path: state, holder, waited },
        LockError::Io(source) => FileError::at("lock", &state)(source).into(),
    })
}

impl Tried {
    /// Whether somebody may confirm them still.
    pub fn is_waiting(&self) -> bool {
        self.state == State::Waiting
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (by, since) = (Printable(&self.by), Timestamp::from_epoch(self.since));
        match self.state {
            State::Waiting => write!(
                f,
                "the objects that {by} applied at {since} are on trial until {}: `railhead \
                 confirm` keeps them",
                Timestamp::from_epoch(self.until)
            ),
            State::Over => write!(
                f,
                "the objects that {by} applied at {since} were not confirmed: those before are in \
                 force again"
            ),
            State::Refused => write!(
                f,
                "the objects in /etc/railhead/objects, which {by} applied at {since}, were not \
                 confirmed: those before stay in force until they are changed; `railhead apply -f \
                 /etc/railhead/objects` puts them in force as they are"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
