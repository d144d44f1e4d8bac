//! Calling another plugin, as the CNI specification's section 4 says: same environment, same
//! stdin, another verb.
//!
//! A plugin that does not answer within [`DEADLINE`] is killed: a verb of ours holds a VF's lock
//! meanwhile, and the runtime would give up on us in the end.

mod child;

use std::fmt;
use std::fs::Metadata;
use std::iter;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use conf::cni::{AddResult, Code, Error, Version, json};
use conf::plugin::PluginName;
use ipam::AttachmentKey;
use serde_json::Value;

use self::child::Output;
use crate::protocol::Call;

/// How long a plugin may take for one verb. A DHCP client needs the most of them, some 10 s.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// One plugin, found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delegate {
    name: PluginName,
    executable: PathBuf,
    /// Device and inode number of the executable: which file it is, whatever it is called.
    identity: (u64, u64),
}

/// Directories where plugins are looked for, in order, and where that list comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SearchPath<'a> {
    /// The directories.
    pub(crate) directories: &'a [PathBuf],
    /// Whose list it is, as an error tells it.
    pub(crate) origin: &'static str,
}

impl<'a> SearchPath<'a> {
    /// CNI_PATH of `call`.
    pub(crate) fn of(call: &'a Call) -> Self {
        Self { directories: &call.path, origin: "CNI_PATH" }
    }
}

impl fmt::Display for SearchPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.origin)?;
        for (directory, separator) in
            self.directories.iter().zip(iter::once(' ').chain(iter::repeat(':')))
        {
            write!(f, "{separator}{}", directory.display())?;
        }
        Ok(())
    }
}

/// A failed ADD of a plugin.
#[derive(Debug)]
pub(crate) struct FailedAdd {
    /// What went wrong.
    pub(crate) error: Error,
    /// Whether it certainly holds nothing: it said itself that it failed, or never ran. One that
    /// was killed, or whose answer makes no sense, may have given something.
    pub(crate) gave_nothing: bool,
}

impl FailedAdd {
    fn unclear(error: Error) -> Self {
        Self { error, gave_nothing: false }
    }
}

/// What a plugin is given besides its verb.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Invocation<'a> {
    /// The attachment; none for STATUS and GC.
    pub(crate) attachment: Option<(&'a AttachmentKey, Option<&'a Path>)>,
    /// CNI_ARGS.
    pub(crate) args: &'a str,
    /// CNI_PATH.
    pub(crate) path: &'a [PathBuf],
    /// The config for stdin.
    pub(crate) config: &'a str,
}

impl<'a> Invocation<'a> {
    /// What this plugin was given itself, about `attachment`.
    pub(crate) fn handed_on(
        call: &'a Call,
        attachment: Option<(&'a AttachmentKey, Option<&'a Path>)>,
    ) -> Self {
        Self { attachment, args: &call.args, path: &call.path, config: &call.stdin }
    }
}

impl Delegate {
    /// Looks for `name` in these directories, in order.
    ///
    /// # Errors
    /// Code 7 when it is in none of them, naming all.
    pub(crate) fn find(name: &PluginName, paths: &[SearchPath<'_>]) -> Result<Self, Error> {
        let mut directories = paths.iter().flat_map(|path| path.directories);
        let found = directories.find_map(|directory| {
            let executable = directory.join(name.as_str());
            let found = std::fs::metadata(&executable).ok().filter(Metadata::is_file)?;
            Some((executable, identity(&found)))
        });
        match found {
            Some((executable, identity)) => Ok(Self { name: name.clone(), executable, identity }),
            None => {
                let shown: Vec<String> = paths.iter().map(ToString::to_string).collect();
                Err(Error::new(
                    Code::InvalidConfig,
                    format!("find plugin {name} in {}: no such file", shown.join(" and ")),
                ))
            }
        }
    }

    /// Whether it is the program that runs here.
    pub(crate) fn is_this_program(&self) -> bool {
        std::fs::metadata("/proc/self/exe").is_ok_and(|own| identity(&own) == self.identity)
    }

    /// Runs ADD, and reads its result.
    ///
    /// # Errors
    /// The plugin's own error, with its name; whatever kept it from answering.
    pub(crate) fn add(
        &self,
        invocation: Invocation<'_>,
        version: Version,
    ) -> Result<AddResult, FailedAdd> {
        let stdout = self.run("ADD", invocation)?;
        let document: Value = json::read(&stdout).map_err(|cause| {
            let why = format!("its result is no JSON: {cause}");
            FailedAdd::unclear(self.failed("ADD", Code::Decode, &why))
        })?;
        AddResult::from_json(&document, version)
            .map_err(|error| FailedAdd::unclear(self.told("ADD", error)))
    }

    /// Runs a verb that answers nothing.
    ///
    /// # Errors
    /// As for [`Delegate::add`].
    pub(crate) fn call(&self, verb: &'static str, invocation: Invocation<'_>) -> Result<(), Error> {
        self.run(verb, invocation).map(drop).map_err(|failed| failed.error)
    }

    /// Runs STATUS or GC, which older plugins do not have: theirs say code 4 (no such verb) or 1
    /// (no such version), and neither means that anything is wrong.
    ///
    /// # Errors
    /// As for [`Delegate::add`].
    pub(crate) fn call_if_known(
        &self,
        verb: &'static str,
        invocation: Invocation<'_>,
    ) -> Result<(), Error> {
        match self.call(verb, invocation) {
            Err(Error { code: Code::InvalidEnvironment | Code::IncompatibleVersion, .. }) => Ok(()),
            outcome => outcome,
        }
    }

    fn run(&self, verb: &'static str, invocation: Invocation<'_>) -> Result<Vec<u8>, FailedAdd> {
        let io = |cause: &std::io::Error| self.failed(verb, code_of(cause), &cause.to_string());
        let output = child::run(&self.executable, verb, invocation, DEADLINE)
            .map_err(|cause| FailedAdd::unclear(io(&cause)))?;
        match output {
            Output::Succeeded(stdout) => Ok(stdout),
            Output::Failed { stdout, status } => {
                let document: Option<Value> = json::read(&stdout).ok();
                let error = match document.as_ref().and_then(Error::from_json) {
                    Some(error) => self.told(verb, error),
                    None => {
                        let text = String::from_utf8_lossy(&stdout);
                        let text: String = text.trim().chars().take(200).collect();
                        self.failed(verb, Code::Internal, &format!("{status}: {text:?}"))
                    }
                };
                Err(FailedAdd { error, gave_nothing: status.code().is_some() })
            }
            Output::TimedOut => {
                let msg = format!("it did not answer within {DEADLINE:?} and was killed");
                Err(FailedAdd::unclear(self.failed(verb, Code::TryAgainLater, &msg)))
            }
            Output::NotStarted(cause) => Err(FailedAdd { error: io(&cause), gave_nothing: true }),
        }
    }

    fn failed(&self, verb: &str, code: Code, why: &str) -> Error {
        Error::new(code, format!("{verb} of plugin {}: {why}", self.name))
    }

    /// An error that is told of it.
    pub(crate) fn told(&self, verb: &str, error: Error) -> Error {
        let Error { code, msg, details } = error;
        self.failed(verb, code, &msg).details(details)
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// A file that is just being replaced (ETXTBSY) will be whole in a moment.
fn code_of(cause: &std::io::Error) -> Code {
    match cause.kind() {
        std::io::ErrorKind::ExecutableFileBusy => Code::TryAgainLater,
        _ => Code::Io,
    }
}

#[cfg(test)]
mod tests;
