//! A pause: somebody works on the NICs, and railhead leaves them alone.
//!
//! ```text
//! railhead pause  --> /var/lib/railhead/pause.json --> every pass: looks, reports, changes nothing
//! railhead resume --> removed; so is one whose time is over
//! ```
//!
//! The file is on disk, so that neither a restart nor a reboot in the middle of the work ends the
//! pause. Times are those of the wall clock, which is what people agree on.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use conf::printable::Printable;
use ipam::Root;
use ipam::durable::{self, FileError};
use serde::{Deserialize, Serialize};

use crate::report::Timestamp;

/// The version of the file's format that this build writes and reads.
const VERSION: u32 = 1;

/// A pause that is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    version: u32,
    /// Who paused.
    pub by: String,
    /// Why, where they said.
    pub reason: Option<String>,
    /// Since when, in seconds since 1970.
    pub since: u64,
    /// Until when, in seconds since 1970; without an end, until `railhead resume`.
    pub until: Option<u64>,
}

impl Pause {
    /// A pause from `now` on.
    pub fn new(by: String, reason: Option<String>, now: Timestamp, time: Option<Duration>) -> Self {
        let since = now.seconds();
        let until = time.map(|time| since.saturating_add(time.as_secs()));
        Self { version: VERSION, by, reason, since, until }
    }

    /// How long it still holds; `None` without an end.
    pub fn left(&self, now: Timestamp) -> Option<Duration> {
        self.until.map(|until| Duration::from_secs(until.saturating_sub(now.seconds())))
    }

    fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now.seconds())
    }

    /// A file that says nothing: somebody paused, and nothing is touched until it is clear why.
    fn unknown() -> Self {
        let reason = "the record of the pause is damaged".to_owned();
        Self { version: VERSION, by: "?".to_owned(), reason: Some(reason), since: 0, until: None }
    }
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "paused by {} since {}", Printable(&self.by), Timestamp::from_epoch(self.since))?;
        match self.until {
            Some(until) => write!(f, " until {}", Timestamp::from_epoch(until))?,
            None => f.write_str(" until `railhead resume`")?,
        }
        match &self.reason {
            Some(reason) => write!(f, ": {}", Printable(reason)),
            None => Ok(()),
        }
    }
}

/// The pause in force at `now`.
pub fn load(root: &Root, now: Timestamp) -> Result<Option<Pause>, FileError> {
    let Some(bytes) = durable::read_optional(&path(root))? else { return Ok(None) };
    let pause =
        serde_json::from_slice(&bytes).ok().filter(|pause: &Pause| pause.version == VERSION);
    Ok(Some(pause.unwrap_or_else(Pause::unknown)).filter(|pause| !pause.is_over(now)))
}

/// Puts a pause in force, in the place of one that was.
pub fn save(root: &Root, pause: &Pause) -> Result<(), FileError> {
    let path = path(root);
    let bytes = serde_json::to_vec(pause)
        .map_err(|error| FileError::at("write", &path)(std::io::Error::other(error)))?;
    durable::write_atomically(&path, &bytes)
}

/// Ends the pause; `false` when there was none.
pub fn end(root: &Root) -> Result<bool, FileError> {
    durable::remove(&path(root))
}

/// Removes what is left of a pause whose time is over at `now`.
pub fn tidy(root: &Root, now: Timestamp) -> Result<(), FileError> {
    if path(root).exists() && load(root, now)?.is_none() {
        end(root)?;
    }
    Ok(())
}

fn path(root: &Root) -> PathBuf {
    root.state().join("pause.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_epoch(seconds)
    }

    #[test]
    fn holds_until_its_time_and_not_a_second_more() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::at(directory.path());
        assert_eq!(load(&root, at(0)).unwrap(), None);
        let pause = Pause::new("eve".to_owned(), None, at(100), Some(Duration::from_secs(60)));
        save(&root, &pause).unwrap();
        assert_eq!(load(&root, at(159)).unwrap().unwrap().left(at(159)).unwrap().as_secs(), 1);
        tidy(&root, at(159)).unwrap();
        assert_eq!(load(&root, at(160)).unwrap(), None);
        tidy(&root, at(160)).unwrap();
        assert!(!end(&root).unwrap(), "tidied away");
    }

    #[test]
    fn a_damaged_record_is_a_pause_all_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::at(directory.path());
        for damage in ["", "{", r#"{"version":2,"by":"x","since":0}"#] {
            durable::write_atomically(&path(&root), damage.as_bytes()).unwrap();
            let pause = load(&root, at(u64::MAX)).unwrap().unwrap();
            assert!(pause.to_string().contains("damaged"), "{pause}");
        }
        assert!(end(&root).unwrap());
    }

    #[test]
    fn in_words() {
        let reason = Some("new\nfirmware".to_owned());
        let pause = Pause::new("eve".to_owned(), reason, at(0), Some(Duration::from_secs(3600)));
        assert_eq!(
            pause.to_string(),
            "paused by eve since 1970-01-01T00:00:00Z until 1970-01-01T01:00:00Z: new\\nfirmware"
        );
    }
}
