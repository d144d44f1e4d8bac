//! The CNI protocol, for every plugin of this binary: what comes in, which verb is meant, and
//! exactly one document on stdout whatever happens.
//!
//! ```text
//! environment --> Verb ---+
//!                         +--> Plugin::add | del | check | status | gc --> Answer
//! stdin --------> Call ---+                                                  |
//!                                              panic hook -------------------+--> stdout, once
//! ```
//!
//! Source: CNI specification 1.1.0, "Section 2: Execution Protocol". Everything is checked before
//! a plugin runs; a plugin that fails has undone what it did.

mod answer;
mod call;
mod environment;
mod sandbox;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use conf::cni::{AddResult, Code, Error, Version};
use ipam::AttachmentKey;

use self::answer::Answer;
pub use self::call::Call;
use self::environment::{Environment, Verb};
pub use self::sandbox::Sandbox;
use crate::kernel::process::{answer_aborts, fail_at_file_size_limit};
use crate::log::Log;

/// What an ADD came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// The result.
    pub result: AddResult,
    /// Whether an ADD before this one gave some of it, which the caller knows of, and ends by DEL.
    pub is_repeated: bool,
}

/// What a plugin does for each verb.
///
/// A plugin holds no state of its own between verbs: the process ends with the answer.
pub trait Plugin {
    /// The name that the binary is called by.
    const NAME: &'static str;

    /// Attaches `key` to the network in the namespace at `netns`.
    ///
    /// # Errors
    /// Whatever stood in the way, after everything that was done has been undone.
    fn add(&self, call: &Call, key: &AttachmentKey, netns: &Path) -> Result<Added, Error>;

    /// Takes `key` off the network. What is not there is success.
    ///
    /// # Errors
    /// Whatever could not be put back; what is needed to try again is kept.
    fn del(&self, call: &Call, key: &AttachmentKey, netns: Option<&Path>) -> Result<(), Error>;

    /// Compares what is there with what ADD answered.
    ///
    /// # Errors
    /// Every difference.
    fn check(
        &self,
        call: &Call,
        key: &AttachmentKey,
        netns: &Path,
        added: &AddResult,
    ) -> Result<(), Error>;

    /// Whether an ADD could succeed.
    ///
    /// # Errors
    /// Why not.
    fn status(&self, call: &Call) -> Result<(), Error>;

    /// Frees what this network's attachments hold, except for those in `valid`.
    ///
    /// # Errors
    /// Everything that could not be freed.
    fn gc(&self, call: &Call, valid: &BTreeSet<AttachmentKey>) -> Result<(), Error>;
}

/// Serves one verb: reads the environment and stdin, runs the plugin, answers on stdout.
pub fn serve(plugin: &impl Plugin) -> ExitCode {
    answer_aborts();
    answer::answer_panics();
    fail_at_file_size_limit();
    serve_with(plugin, |name| std::env::var_os(name), std::io::stdin().lock())
}

/// Answers a runtime that calls the binary by a name that is no plugin's.
pub fn refuse_name(name: &str) -> ExitCode {
    let error =
        Error::new(Code::InvalidConfig, format!("call plugin {name}: there is no such one"))
            .details(
                "the config's type must be the name of a link that `railhead-cni install` makes",
            );
    Answer::failure(&error, Version::NEWEST).print(&Log::default())
}

fn serve_with<P: Plugin>(
    plugin: &P,
    variable: impl Fn(&str) -> Option<OsString>,
    stdin: impl Read,
) -> ExitCode {
    let environment = match Environment::read(variable) {
        Ok(Some(environment)) => environment,
        Ok(None) => return answer::about(P::NAME),
        Err(error) => return Answer::failure(&error, Version::NEWEST).print(&Log::default()),
    };
    if environment.verb == Verb::Version {
        return Answer::versions().print(&Log::default());
    }
    let call = match Call::read(P::NAME, &environment, stdin) {
        Ok(call) => call,
        Err((version, error)) => return Answer::failure(&error, version).print(&Log::default()),
    };
    for warning in &call.warnings {
        call.log.warning(warning);
    }
    match perform(plugin, &call, &environment.verb) {
        Ok((answer, is_repeated)) => {
            let code = answer.print(&call.log);
            if code != ExitCode::SUCCESS && !is_repeated {
                take_back(plugin, &call, &environment.verb);
            }
            code
        }
        Err(error) => {
            let error = error.hinted(call.hints());
            call.log.error(&error);
            Answer::failure(&error, call.version).print(&call.log)
        }
    }
}

/// The answer, and whether it was an ADD that gave what an earlier one had given.
fn perform<P: Plugin>(plugin: &P, call: &Call, verb: &Verb) -> Result<(Answer, bool), Error> {
    match verb {
        Verb::Version => return Ok((Answer::versions(), false)),
        Verb::Add { key, netns } => {
            let Added { result, is_repeated } = plugin.add(call, key, netns)?;
            return Ok((Answer::added(&result, call.version), is_repeated));
        }
        Verb::Del { key, netns } => plugin.del(call, key, netns.as_deref())?,
        Verb::Check { key, netns } => {
            call.require_version(Version::V0_4_0, "CHECK")?;
            let added = call.prev_result()?.ok_or_else(|| {
                Error::new(Code::InvalidConfig, "invalid config: prevResult: CHECK needs it")
            })?;
            plugin.check(call, key, netns, &added)?;
        }
        Verb::Status => {
            call.require_version(Version::V1_1_0, "STATUS")?;
            plugin.status(call)?;
        }
        Verb::Gc => {
            call.require_version(Version::V1_1_0, "GC")?;
            match call.valid_attachments()? {
                Some(valid) => plugin.gc(call, &valid)?,
                None => call.log.warning(&"GC without cni.dev/valid-attachments: nothing is freed"),
            }
        }
    }
    Ok((Answer::nothing(), false))
}

/// After a result that nobody could read: the caller knows of no attachment, so there is none. What an
/// ADD before this one gave is not taken back: a container may use it.
fn take_back<P: Plugin>(plugin: &P, call: &Call, verb: &Verb) {
    if let Verb::Add { key, netns } = verb
        && let Err(error) = plugin.del(call, key, Some(netns))
    {
        call.log.error(&error);
    }
}
