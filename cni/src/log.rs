//! Logs of the plugins: one logfmt line each, on stderr or in a file, never on stdout.
//!
//! `time=2026-01-02T03:04:05.678Z level=info plugin=sriov msg="attached 0000:01:10.0"`

use std::cell::RefCell;
use std::fmt::Display;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use conf::plugin::log::{LOGS, LogLevel, LogSettings};
use conf::printable;

mod file;

/// The names that stand in lines of ours.
const PLUGINS: [&str; 3] = ["railhead-cni", "sriov", "nv-ipam"];

/// Where one verb logs to.
#[derive(Debug)]
pub struct Log {
    plugin: &'static str,
    level: LogLevel,
    /// `None`: stderr.
    file: Option<RefCell<File>>,
}

impl Default for Log {
    /// On stderr, at level info.
    fn default() -> Self {
        Self { plugin: "railhead-cni", level: LogLevel::default(), file: None }
    }
}

impl Log {
    /// The log that a config asks for. A file that cannot be used is told, and no reason to fail:
    /// the lines go to stderr.
    pub fn open(plugin: &'static str, settings: &LogSettings) -> (Self, Option<String>) {
        let mut log = Self { plugin, level: settings.level, file: None };
        let Some(path) = &settings.file else { return (log, None) };
        let first = log.text(LogLevel::Info, &"the log begins");
        match file::open(Path::new(LOGS), path, &first) {
            Ok(file) => {
                log.file = Some(RefCell::new(file));
                (log, None)
            }
            Err(cause) => (log, Some(format!("logFile {} is ignored: {cause}", path.display()))),
        }
    }

    /// A failure of the verb.
    pub fn error(&self, message: &dyn Display) {
        self.line(LogLevel::Error, message);
    }

    /// What deserves a look.
    pub fn warning(&self, message: &dyn Display) {
        self.line(LogLevel::Warning, message);
    }

    /// What the verb did, in one line.
    pub fn info(&self, message: &dyn Display) {
        self.line(LogLevel::Info, message);
    }

    /// One change of the kernel.
    pub fn debug(&self, message: &dyn Display) {
        self.line(LogLevel::Debug, message);
    }

    /// One change of the kernel, logged if it was made; the outcome is handed on.
    ///
    /// # Errors
    /// That of `outcome`.
    pub fn change<T, E>(&self, what: impl Display, outcome: Result<T, E>) -> Result<(), E> {
        outcome.map(|_made| self.debug(&what))
    }

    fn line(&self, level: LogLevel, message: &dyn Display) {
        if level > self.level {
            return;
        }
        let line = self.text(level, message);
        // A log that cannot be written must not fail a pod: stderr may be closed, disks full.
        match &self.file {
            Some(file) => file.borrow_mut().write_all(line.as_bytes()).ok(),
            None => std::io::stderr().lock().write_all(line.as_bytes()).ok(),
        };
    }

    /// One whole line.
    fn text(&self, level: LogLevel, message: &dyn Display) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        format!(
            "time={} level={} plugin={} msg={}\n",
            timestamp(now),
            level.as_str(),
            self.plugin,
            quoted(&message.to_string())
        )
    }
}

/// Whether a text begins with a line of ours.
fn is_line(text: &str) -> bool {
    let parse = || {
        let (time, rest) = text.strip_prefix("time=")?.split_once(" level=")?;
        let (level, rest) = rest.split_once(" plugin=")?;
        let (plugin, _) = rest.split_once(" msg=\"")?;
        let is_time = time.len() == 24 && time.starts_with('2') && time.ends_with('Z');
        let is_level = LogLevel::ALL.iter().any(|known| known.as_str() == level);
        Some(is_time && is_level && PLUGINS.contains(&plugin))
    };
    parse().unwrap_or(false)
}

/// The most characters of a message: it may quote a config, or what another plugin says.
const LONGEST: usize = 16 << 10;

/// In quotes, on one line, without [what a terminal obeys](conf::printable).
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(LONGEST) + 2);
    out.push('"');
    for c in text.chars().take(LONGEST) {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if printable::is_plain(c) => out.push(c),
            c => out.push_str(&printable::escape(c)),
        }
    }
    out.push('"');
    out
}

/// RFC 3339 in UTC with milliseconds, of a time since 1970-01-01.
fn timestamp(since_epoch: Duration) -> String {
    let seconds = since_epoch.as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Gregorian calendar from days, counted in 400-year eras that begin on 1 March of year 0
    // (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days).
    let shifted = days + 719_468;
    let era_day = shifted % 146_097;
    let era_year = (era_day - era_day / 1_460 + era_day / 36_524 - era_day / 146_096) / 365;
    let year_day = era_day - (365 * era_year + era_year / 4 - era_year / 100);
    let march_month = (5 * year_day + 2) / 153;
    let day = year_day - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = shifted / 146_097 * 400 + era_year + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let millis = since_epoch.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_827_696_789, "2000-02-29T12:34:56.789Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(timestamp(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn a_message_stays_on_its_line() {
        assert_eq!(quoted("a \"b\"\\\nc\u{1b}[1m"), r#""a \"b\"\\\nc\u001b[1m""#);
    }

    #[test]
    fn no_message_is_without_end() {
        assert_eq!(quoted(&"ü".repeat(1 << 20)).chars().count(), LONGEST + 2);
    }

    #[test]
    fn every_line_is_known_as_ours() {
        for plugin in PLUGINS {
            for level in LogLevel::ALL {
                let log = Log { plugin, level, file: None };
                assert!(is_line(&log.text(level, &"it \"is\"")), "{plugin} {level:?}");
            }
        }
        for text in ["", "time=", "time=2026-01-02T03:04:05.678Z level=loud plugin=sriov msg=\""] {
            assert!(!is_line(text), "{text}");
        }
    }
}
