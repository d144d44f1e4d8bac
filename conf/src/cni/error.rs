//! The error that a plugin answers with.

use std::borrow::Cow;
use std::fmt;

use serde_json::{Value, json};

use super::Version;

/// What kind of failure it was (CNI specification 1.1.0, "Error").
///
/// Codes below 100 belong to the specification, those from 100 on to each plugin; 999 is what the Go
/// library uses for "anything else", and callers know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// 1: the protocol version is not one of ours, or too old for the verb.
    IncompatibleVersion,
    /// 2: a field of the config is known but not supported.
    UnsupportedField,
    /// 3: the container is unknown: nothing to be done, the caller need not call DEL.
    UnknownContainer,
    /// 4: an environment variable is missing or wrong.
    InvalidEnvironment,
    /// 5: a file could not be read or written.
    Io,
    /// 6: what came in is not JSON of the right shape.
    Decode,
    /// 7: the config breaks a rule.
    InvalidConfig,
    /// 8: CNI_NETNS is not a network namespace, or the plugin's own.
    InvalidNetns,
    /// 11: busy now; the same call may succeed later.
    TryAgainLater,
    /// 50: STATUS: an ADD would fail.
    NotAvailable,
    /// 51: STATUS: an ADD would fail, and existing containers may be affected.
    LimitedConnectivity,
    /// 100: the kernel or a driver refused.
    KernelRefused,
    /// 101: the kernel or a driver did not answer in time, or what it said makes no sense.
    NoAnswer,
    /// 102: CHECK: something is not as ADD left it.
    Differs,
    /// 103: ADD: the attachment is there and complete.
    AlreadyAttached,
    /// 999: a fault of this program, or of another plugin that gave no code.
    Internal,
    /// Another plugin's own, passed on.
    Other(u32),
}

impl Code {
    /// Every code that has a name.
    pub const ALL: [Self; 16] = [
        Self::IncompatibleVersion,
        Self::UnsupportedField,
        Self::UnknownContainer,
        Self::InvalidEnvironment,
        Self::Io,
        Self::Decode,
        Self::InvalidConfig,
        Self::InvalidNetns,
        Self::TryAgainLater,
        Self::NotAvailable,
        Self::LimitedConnectivity,
        Self::KernelRefused,
        Self::NoAnswer,
        Self::Differs,
        Self::AlreadyAttached,
        Self::Internal,
    ];

    /// The number on the wire.
    pub const fn number(self) -> u32 {
        match self {
            Self::IncompatibleVersion => 1,
            Self::UnsupportedField => 2,
            Self::UnknownContainer => 3,
            Self::InvalidEnvironment => 4,
            Self::Io => 5,
            Self::Decode => 6,
            Self::InvalidConfig => 7,
            Self::InvalidNetns => 8,
            Self::TryAgainLater => 11,
            Self::NotAvailable => 50,
            Self::LimitedConnectivity => 51,
            Self::KernelRefused => 100,
            Self::NoAnswer => 101,
            Self::Differs => 102,
            Self::AlreadyAttached => 103,
            Self::Internal => 999,
            Self::Other(number) => number,
        }
    }

    /// The code with this number; what no plugin can mean, 0 for one, is [`Code::Internal`].
    pub fn from_number(number: u64) -> Self {
        let known = Self::ALL.into_iter().find(|code| u64::from(code.number()) == number);
        known.unwrap_or(match u32::try_from(number) {
            Ok(number) if number > 0 => Self::Other(number),
            _ => Self::Internal,
        })
    }
}

/// One failure of one verb: the only thing on stdout when the exit status is not 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// What kind.
    pub code: Code,
    /// One sentence: verb, object, cause.
    pub msg: String,
    /// What else helps: further failures, the likely cause, what to do. May be empty.
    pub details: String,
}

impl Error {
    /// A failure without details.
    pub fn new(code: Code, msg: impl Into<String>) -> Self {
        Self { code, msg: msg.into(), details: String::new() }
    }

    /// The same with `details`.
    #[must_use]
    pub fn details(mut self, details: impl Into<String>) -> Self {
        self.details = details.into();
        self
    }

    /// The same with one more sentence at the end of the details.
    #[must_use]
    pub fn and(mut self, more: impl fmt::Display) -> Self {
        if !self.details.is_empty() {
            self.details.push_str("; ");
        }
        self.details.push_str(&more.to_string());
        self
    }

    /// The same with what is odd about the config, which may be why.
    #[must_use]
    pub fn hinted<T: AsRef<str>>(self, hints: impl IntoIterator<Item = T>) -> Self {
        hints.into_iter().fold(self, |error, hint| {
            let hint = hint.as_ref();
            if error.details.contains(hint) { error } else { error.and(hint) }
        })
    }

    /// Reads another plugin's error document; `None` when it is none.
    pub fn from_json(document: &Value) -> Option<Self> {
        let code = Code::from_number(document.get("code")?.as_u64()?);
        let text = |key: &str| document.get(key).and_then(Value::as_str).unwrap_or_default();
        Some(Self::new(code, text("msg")).details(text("details")))
    }

    /// The document for stdout, for a caller that speaks `version`.
    pub fn to_json(&self, version: Version) -> Value {
        let mut document =
            json!({"cniVersion": version, "code": self.code.number(), "msg": shortened(&self.msg)});
        if !self.details.is_empty() {
            document["details"] = Value::from(shortened(&self.details));
        }
        document
    }
}

/// The most bytes of a text that goes out.
const LONGEST: usize = 16 << 10;

/// Enough of a text for any error that somebody reads; values of a config, and what other plugins
/// say, may be of any length.
fn shortened(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST {
        return Cow::Borrowed(text);
    }
    let head = text.get(..text.floor_char_boundary(LONGEST)).unwrap_or_default();
    Cow::Owned(format!("{head}…"))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.msg)?;
        if !self.details.is_empty() {
            write!(f, "; {}", self.details)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_other_plugins() {
        for code in Code::ALL {
            assert_eq!(Code::from_number(code.number().into()), code);
        }
        for number in [9, 12, 49, 52, 99, 104, 998, 4711, u64::from(u32::MAX)] {
            assert_eq!(u64::from(Code::from_number(number).number()), number, "passed on");
        }
        for number in [0, u64::from(u32::MAX) + 1] {
            assert_eq!(Code::from_number(number), Code::Internal, "{number}");
        }
        for document in [json!({}), json!([]), json!({"code": "7"}), json!({"code": -1})] {
            assert_eq!(Error::from_json(&document), None);
        }
    }

    #[test]
    fn no_text_is_without_end() {
        let error =
            Error::new(Code::InvalidConfig, "ü".repeat(1 << 20)).details("x".repeat(1 << 20));
        let document = error.to_json(Version::V1_0_0);
        for key in ["msg", "details"] {
            let text = document[key].as_str().unwrap();
            assert!(text.len() < 20_000 && text.ends_with('…'), "{key}: {}", text.len());
        }
    }

    #[test]
    fn document_golden() {
        let error = Error::new(Code::TryAgainLater, "VF 0000:01:10.0 is held by c1 net1");
        assert_eq!(
            error.to_json(Version::V1_0_0).to_string(),
            r#"{"cniVersion":"1.0.0","code":11,"msg":"VF 0000:01:10.0 is held by c1 net1"}"#
        );
        assert_eq!(Error::from_json(&error.to_json(Version::V1_0_0)), Some(error.clone()));
        assert_eq!(
            error.and("first").and("second").to_json(Version::V0_3_1)["details"],
            "first; second"
        );
    }
}
