//! One call: the config on stdin with what the environment adds to it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::Read;
use std::path::PathBuf;

use conf::NetworkName;
use conf::cni::{AddResult, CniArgs, Code, Error, Version, json, keys};
use conf::plugin::log::LogSettings;
use ipam::AttachmentKey;
use serde_json::{Map, Value};

use super::environment::Environment;
use crate::log::Log;

/// What every verb gets.
#[derive(Debug)]
pub struct Call {
    /// The version that the caller speaks.
    pub version: Version,
    /// The network's name.
    pub network: NetworkName,
    /// The config, keys that all plugins share in their proper spelling.
    pub config: Map<String, Value>,
    /// The config as it came, for plugins that this one calls.
    pub stdin: String,
    /// CNI_ARGS as it came.
    pub args: String,
    /// CNI_PATH: where other plugins are found.
    pub path: Vec<PathBuf>,
    /// Whether the container may be in the plugin's own namespace.
    pub netns_override: bool,
    /// Where to log.
    pub log: Log,
    /// What was odd about the call, still to be logged.
    pub(super) warnings: Vec<String>,
    /// What is odd about the config without being wrong, for the details of a failure.
    hints: RefCell<Vec<String>>,
}

impl Call {
    /// Reads stdin. An error comes with the version to answer in.
    pub(super) fn read(
        plugin: &'static str,
        environment: &Environment,
        stdin: impl Read,
    ) -> Result<Self, (Version, Error)> {
        let newest = |error| (Version::NEWEST, error);
        let mut bytes = Vec::new();
        // What is too long is not read to its end.
        stdin.take(json::MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|cause| {
            newest(Error::new(Code::Io, format!("read the config from stdin: {cause}")))
        })?;
        if bytes.len() as u64 > json::MOST_BYTES {
            return Err(newest(no_config(&json::too_long())));
        }
        let stdin = String::from_utf8(bytes).map_err(|cause| newest(no_config(&cause)))?;
        let mut config = parse(&stdin).map_err(newest)?;
        keys::fold(&mut config, &keys::SHARED);
        let version = version(&config).map_err(newest)?;
        let network = network(&config).map_err(|error| (version, error))?;
        let (settings, mut warnings) = LogSettings::read(&config);
        let (log, refused) = Log::open(plugin, &settings);
        warnings.extend(refused);
        Ok(Self {
            version,
            network,
            config,
            stdin,
            args: environment.args.clone(),
            path: environment.path.clone(),
            netns_override: environment.netns_override,
            log,
            warnings,
            hints: RefCell::default(),
        })
    }

    /// Tells what is odd about the config without being wrong: to the log, and to the caller when
    /// the call fails, since that may be why.
    pub fn hint(&self, hint: &str) {
        self.log.warning(&hint);
        self.hints.borrow_mut().push(hint.to_owned());
    }

    /// All such hints so far.
    pub(super) fn hints(&self) -> Vec<String> {
        self.hints.borrow().clone()
    }

    /// CNI_ARGS.
    ///
    /// # Errors
    /// Code 4 when it is malformed.
    pub fn args(&self) -> Result<CniArgs, Error> {
        CniArgs::parse(&self.args)
    }

    /// The result of the plugins before this one, or of ADD; null is none.
    ///
    /// # Errors
    /// Code 6 when it is no result, code 1 when its version is unknown.
    pub fn prev_result(&self) -> Result<Option<AddResult>, Error> {
        self.config
            .get("prevResult")
            .filter(|value| !value.is_null())
            .map(|value| AddResult::from_json(value, self.version))
            .transpose()
    }

    /// Refuses a verb that the config's version does not have.
    pub(super) fn require_version(&self, least: Version, verb: &str) -> Result<(), Error> {
        if self.version >= least {
            return Ok(());
        }
        Err(Error::new(
            Code::IncompatibleVersion,
            format!("cniVersion {}: {verb} needs {least} or later", self.version),
        ))
    }

    /// The attachments that GC must leave alone; `None` when the caller did not say (`cnitool gc`
    /// sends no list at all), which is not the same as an empty list.
    pub(super) fn valid_attachments(&self) -> Result<Option<BTreeSet<AttachmentKey>>, Error> {
        let named = ["cni.dev/valid-attachments", "cni.dev/attachments"];
        let list = named.iter().find_map(|key| {
            self.config.get(*key).filter(|value| !value.is_null()).map(|value| (key, value))
        });
        let Some((key, list)) = list else { return Ok(None) };
        let wrong = |value: &Value| {
            Error::new(
                Code::InvalidConfig,
                format!(
                    "invalid config: {key}: {value}: must be a list of {{containerID, ifname}}"
                ),
            )
        };
        let mut valid = BTreeSet::new();
        for entry in list.as_array().ok_or_else(|| wrong(list))? {
            let text = |field: &str| entry.get(field).and_then(Value::as_str);
            let (Some(container), Some(ifname)) = (text("containerID"), text("ifname")) else {
                return Err(wrong(entry));
            };
            // A name that is none of ours in form is none of ours at all.
            if let (Ok(container), Ok(ifname)) = (container.parse(), ifname.parse()) {
                valid.insert(AttachmentKey { container, ifname });
            }
        }
        Ok(Some(valid))
    }
}

fn parse(text: &str) -> Result<Map<String, Value>, Error> {
    match json::read(text.as_bytes()) {
        Ok(Value::Object(config)) => Ok(config),
        Ok(_) => Err(no_config(&"must be a JSON object")),
        Err(cause) => Err(no_config(&cause)),
    }
}

fn no_config(cause: &dyn std::fmt::Display) -> Error {
    Error::new(Code::Decode, format!("read the config from stdin: {cause}"))
}

fn version(config: &Map<String, Value>) -> Result<Version, Error> {
    let text = match config.get("cniVersion") {
        None | Some(Value::Null) => "",
        Some(Value::String(text)) => text,
        Some(other) => {
            return Err(no_config(&format_args!("cniVersion: {other}: must be a string")));
        }
    };
    text.parse().map_err(|rule| {
        Error::new(Code::IncompatibleVersion, "incompatible CNI versions")
            .details(format!("cniVersion: {text:?}: {rule}"))
    })
}

fn network(config: &Map<String, Value>) -> Result<NetworkName, Error> {
    let wrong = |value: &str, rule: &dyn std::fmt::Display| {
        Error::new(Code::InvalidConfig, format!("invalid config: name: {value}: {rule}"))
    };
    match config.get("name") {
        None | Some(Value::Null) => Err(wrong("is missing", &"must be the network's name")),
        Some(Value::String(name)) => {
            name.parse().map_err(|rule| wrong(&Value::from(name.as_str()).to_string(), &rule))
        }
        Some(other) => Err(wrong(&other.to_string(), &"must be a string")),
    }
}

#[cfg(test)]
mod tests;
