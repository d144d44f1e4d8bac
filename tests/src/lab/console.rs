//! Reads the console for words from which a kernel does not recover.

use std::path::Path;

/// What a kernel says when it is lost.
const LAST_WORDS: &[&str] = &[
    "Kernel panic - not syncing",
    "BUG: unable to handle",
    "Internal error: Oops",
    "watchdog: BUG: soft lockup",
    "Unable to mount root fs",
];

/// The first line with such words, if there is one.
pub(super) fn crash(console: &Path) -> Option<String> {
    let text = std::fs::read(console).ok()?;
    crash_in(&String::from_utf8_lossy(&text))
}

fn crash_in(text: &str) -> Option<String> {
    text.lines()
        .find(|line| LAST_WORDS.iter().any(|words| line.contains(words)))
        .map(|line| line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_found_and_a_warning_is_not() {
        let text =
            "[ 1.2] igb: loading\n[ 3.4] Kernel panic - not syncing: Attempted to kill init!\r\n";
        assert_eq!(
            crash_in(text).as_deref(),
            Some("[ 3.4] Kernel panic - not syncing: Attempted to kill init!")
        );
        assert_eq!(crash_in("[ 1.2] WARNING: CPU: 0\n"), None);
    }
}
