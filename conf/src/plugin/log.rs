//! `logLevel` and `logFile`, which all plugins take.

use std::path::PathBuf;

use serde_json::{Map, Value};

/// How much is logged, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum LogLevel {
    /// Failures of this program.
    Panic,
    /// Failures of a verb.
    Error,
    /// What deserves a look.
    Warning,
    /// One line for each verb.
    #[default]
    Info,
    /// One line for each change of the kernel.
    Debug,
}

impl LogLevel {
    /// The word in configs and log lines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }

    /// All of them, the least first.
    pub const ALL: [Self; 5] = [Self::Panic, Self::Error, Self::Warning, Self::Info, Self::Debug];
}

/// How much is logged, and where.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogSettings {
    /// The least important level that is logged.
    pub level: LogLevel,
    /// The file that lines are appended to; absent for stderr.
    pub file: Option<PathBuf>,
}

impl LogSettings {
    /// Reads both keys, in their proper spelling. What is wrong with them is told, and is no
    /// reason to leave a pod without its network: the default stands.
    pub fn read(document: &Map<String, Value>) -> (Self, Vec<String>) {
        let mut settings = Self::default();
        let mut warnings = Vec::new();
        let text = |key: &str| match document.get(key) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text.is_empty() => None,
            Some(value) => Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
        };
        if let Some(text) = text("logLevel") {
            let known =
                LogLevel::ALL.into_iter().find(|level| level.as_str().eq_ignore_ascii_case(&text));
            match known {
                Some(level) => settings.level = level,
                None => warnings.push(format!(
                    "logLevel {text:?} is ignored: must be panic, error, warning, info or debug"
                )),
            }
        }
        if let Some(text) = text("logFile") {
            if is_log(&text) {
                settings.file = Some(PathBuf::from(text));
            } else {
                warnings.push(format!("logFile {text:?} is ignored: must be a file in {LOGS}"));
            }
        }
        (settings, warnings)
    }
}

/// The directory that logs may be in, or in one below it.
pub const LOGS: &str = "/var/log/";

/// Root appends to the file, partly in the words of whoever wrote the config: any other file, one
/// that a shell reads for instance, would be theirs to change.
fn is_log(path: &str) -> bool {
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
    path.strip_prefix(LOGS).is_some_and(|rest| rest.split('/').all(plain))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(document: Value) -> (LogSettings, Vec<String>) {
        let Value::Object(object) = document else { panic!("an object") };
        LogSettings::read(&object)
    }

    #[test]
    fn both_keys() {
        let (settings, warnings) = read(json!({"logLevel": "DEBUG", "logFile": "/var/log/x.log"}));
        assert_eq!(settings.level, LogLevel::Debug);
        assert_eq!(settings.file, Some(PathBuf::from("/var/log/x.log")));
        assert_eq!(warnings, Vec::<String>::new());
    }

    #[test]
    fn only_logs_are_appended_to() {
        let good = ["/var/log/x", "/var/log/cni/sriov.log", "/var/log/..x"];
        let bad = [
            "x.log",
            "/root/.bashrc",
            "/etc/profile.d/x.sh",
            "/var/log/",
            "/var/log/../../root/.bashrc",
            "/var/log/a/../../x",
            "/var/log//x",
            "/var/logs/x",
            "/var/log/x\0",
        ];
        for (path, taken) in
            good.map(|path| (path, true)).into_iter().chain(bad.map(|p| (p, false)))
        {
            let (settings, warnings) = read(json!({"logFile": path}));
            assert_eq!(settings.file, taken.then(|| PathBuf::from(path)), "{path}");
            assert_eq!(warnings.is_empty(), taken, "{path}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_and_harmless() {
        assert_eq!(read(json!({"logLevel": null, "logFile": ""})), Default::default());
        let (settings, warnings) = read(json!({"logLevel": "loud", "logFile": 5}));
        assert_eq!(settings, LogSettings::default());
        assert_eq!(warnings.len(), 2);
    }
}
