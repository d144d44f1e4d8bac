//! The environment: the verb and what it is about (CNI specification, "Parameters").

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use conf::ParseError;
use conf::cni::{Code, Error};
use ipam::AttachmentKey;

/// The variables of one call, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Environment {
    /// CNI_COMMAND, with the variables that only some verbs have.
    pub(super) verb: Verb,
    /// CNI_ARGS as it came: who reads it decides what is wrong with it, and DEL never does.
    pub(super) args: String,
    /// CNI_PATH: where other plugins are found.
    pub(super) path: Vec<PathBuf>,
    /// CNI_NETNS_OVERRIDE: the container may be in the plugin's own namespace.
    pub(super) netns_override: bool,
}

/// A verb of the protocol, with what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verb {
    Add { key: AttachmentKey, netns: PathBuf },
    Del { key: AttachmentKey, netns: Option<PathBuf> },
    Check { key: AttachmentKey, netns: PathBuf },
    Status,
    Gc,
    Version,
}

#[derive(Clone, Copy)]
enum Command {
    Add,
    Del,
    Check,
    Status,
    Gc,
    Version,
}

impl Environment {
    /// Reads the variables; `None` when CNI_COMMAND is not set, so that this is no CNI call.
    pub(super) fn read(variable: impl Fn(&str) -> Option<OsString>) -> Result<Option<Self>, Error> {
        // To the protocol an empty variable is one that is not there.
        let variables = Variables(|name: &str| variable(name).filter(|value| !value.is_empty()));
        let Some(command) = variables.text("CNI_COMMAND")? else { return Ok(None) };
        let command = Command::parse(&command)?;
        variables.require(command.needs())?;

        let key = || -> Result<AttachmentKey, Error> {
            let container = variables.parse("CNI_CONTAINERID")?;
            Ok(AttachmentKey { container, ifname: variables.parse("CNI_IFNAME")? })
        };
        let netns = (variables.0)("CNI_NETNS").map(PathBuf::from);
        let verb = match command {
            Command::Add => Verb::Add { key: key()?, netns: netns.unwrap_or_default() },
            Command::Del => Verb::Del { key: key()?, netns },
            Command::Check => Verb::Check { key: key()?, netns: netns.unwrap_or_default() },
            Command::Status => Verb::Status,
            Command::Gc => Verb::Gc,
            Command::Version => Verb::Version,
        };
        let path = (variables.0)("CNI_PATH").unwrap_or_default();
        let netns_override = variables.text("CNI_NETNS_OVERRIDE")?;
        Ok(Some(Self {
            verb,
            args: variables.text("CNI_ARGS")?.unwrap_or_default(),
            path: std::env::split_paths(&path).filter(|path| path.is_absolute()).collect(),
            netns_override: matches!(netns_override.as_deref(), Some("1" | "true")),
        }))
    }
}

impl Command {
    fn parse(word: &str) -> Result<Self, Error> {
        match word {
            "ADD" => Ok(Self::Add),
            "DEL" => Ok(Self::Del),
            "CHECK" => Ok(Self::Check),
            "STATUS" => Ok(Self::Status),
            "GC" => Ok(Self::Gc),
            "VERSION" => Ok(Self::Version),
            other => Err(invalid(format!("unknown CNI_COMMAND: {other}"))),
        }
    }

    fn needs(self) -> &'static [&'static str] {
        match self {
            Self::Add | Self::Check => &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
            Self::Del => &["CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"],
            Self::Status | Self::Gc => &["CNI_PATH"],
            Self::Version => &[],
        }
    }
}

struct Variables<F>(F);

impl<F: Fn(&str) -> Option<OsString>> Variables<F> {
    /// Refuses a call that lacks any of `names`, naming all that are missing.
    fn require(&self, names: &[&str]) -> Result<(), Error> {
        let missing: Vec<&str> =
            names.iter().copied().filter(|name| (self.0)(name).is_none()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(invalid(format!("required env variables [{}] missing", missing.join(","))))
    }

    fn text(&self, name: &str) -> Result<Option<String>, Error> {
        match (self.0)(name).map(OsString::into_string) {
            None => Ok(None),
            Some(Ok(text)) => Ok(Some(text)),
            Some(Err(raw)) => Err(invalid(format!("{name}: {raw:?}: must be UTF-8"))),
        }
    }

    fn parse<T: FromStr<Err = ParseError>>(&self, name: &str) -> Result<T, Error> {
        let text = self.text(name)?.unwrap_or_default();
        text.parse().map_err(|rule| invalid(format!("{name}: {text:?}: {rule}")))
    }
}

fn invalid(msg: String) -> Error {
    Error::new(Code::InvalidEnvironment, msg)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: [(&str, &str); 6] = [
        ("CNI_COMMAND", "ADD"),
        ("CNI_CONTAINERID", "c1"),
        ("CNI_NETNS", "/run/netns/a"),
        ("CNI_IFNAME", "net1"),
        ("CNI_PATH", "/opt/cni/bin:relative::/usr/lib/cni"),
        ("CNI_ARGS", "K=V"),
    ];

    fn read(changes: &[(&str, &str)]) -> Result<Option<Environment>, Error> {
        Environment::read(|name| {
            let of = |list: &[(&str, &str)]| {
                list.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
            };
            of(changes).or_else(|| of(&FULL))
        })
    }

    #[test]
    fn all_variables_of_add() {
        let environment = read(&[("CNI_NETNS_OVERRIDE", "true")]).unwrap().unwrap();
        let Verb::Add { key, netns } = environment.verb else { panic!("{environment:?}") };
        assert_eq!((key.container.as_str(), key.ifname.as_str()), ("c1", "net1"));
        assert_eq!(netns, PathBuf::from("/run/netns/a"));
        assert_eq!(environment.args, "K=V");
        assert_eq!(environment.path, ["/opt/cni/bin", "/usr/lib/cni"].map(PathBuf::from));
        assert!(environment.netns_override);
    }

    #[test]
    fn every_missing_variable_is_named_at_once() {
        for (command, missing) in [
            ("ADD", "CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH"),
            ("CHECK", "CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH"),
            ("DEL", "CNI_CONTAINERID,CNI_IFNAME,CNI_PATH"),
            ("GC", "CNI_PATH"),
            ("STATUS", "CNI_PATH"),
        ] {
            let error = Environment::read(|name| (name == "CNI_COMMAND").then(|| command.into()))
                .unwrap_err();
            assert_eq!(error.code, Code::InvalidEnvironment);
            assert_eq!(error.msg, format!("required env variables [{missing}] missing"));
        }
    }

    #[test]
    fn one_missing_variable_of_each_verb() {
        for name in ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"] {
            let error = read(&[(name, "")]).unwrap_err();
            assert_eq!(error.msg, format!("required env variables [{name}] missing"));
        }
        let without_netns = read(&[("CNI_COMMAND", "DEL"), ("CNI_NETNS", "")]).unwrap().unwrap();
        assert!(matches!(without_netns.verb, Verb::Del { netns: None, .. }));
    }

    #[test]
    fn commands_are_upper_case_words() {
        for word in ["add", "FOO", "ADD "] {
            let error = read(&[("CNI_COMMAND", word)]).unwrap_err();
            assert_eq!(error.msg, format!("unknown CNI_COMMAND: {word}"));
        }
        assert_eq!(read(&[("CNI_COMMAND", "")]), Ok(None));
    }

    #[test]
    fn names_that_would_be_paths_are_refused() {
        for (name, value) in [
            ("CNI_CONTAINERID", "../x"),
            ("CNI_CONTAINERID", "a/b"),
            ("CNI_IFNAME", "a/b"),
            ("CNI_IFNAME", "1234567890123456"),
            ("CNI_IFNAME", ".."),
            ("CNI_IFNAME", "a:b"),
        ] {
            let error = read(&[(name, value)]).unwrap_err();
            assert_eq!(error.code, Code::InvalidEnvironment);
            assert!(error.msg.contains(name) && error.msg.contains(value), "{error}");
        }
    }
}
