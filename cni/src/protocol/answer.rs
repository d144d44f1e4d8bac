//! The answer: at most one document on stdout, and the exit status.

use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use conf::cni::{AddResult, Code, Error, Version};
use conf::printable;
use serde_json::{Value, json};

use crate::log::Log;

/// Whether stdout has had its document. A panic that comes later must not add a second one.
static ANSWERED: AtomicBool = AtomicBool::new(false);

/// What a verb has to say.
pub(super) struct Answer {
    document: Option<Value>,
    failed: bool,
}

impl Answer {
    /// Success without a word: all verbs but ADD and VERSION.
    pub(super) fn nothing() -> Self {
        Self { document: None, failed: false }
    }

    pub(super) fn added(result: &AddResult, version: Version) -> Self {
        Self { document: Some(result.to_json(version)), failed: false }
    }

    /// Of VERSION. The caller's own version is not asked for, so that stdin need not be read.
    pub(super) fn versions() -> Self {
        let document = json!({"cniVersion": Version::NEWEST, "supportedVersions": Version::ALL});
        Self { document: Some(document), failed: false }
    }

    pub(super) fn failure(error: &Error, version: Version) -> Self {
        Self { document: Some(error.to_json(version)), failed: true }
    }

    /// Prints the document. When that fails the caller has no answer, which is a failure too.
    pub(super) fn print(&self, log: &Log) -> ExitCode {
        let printed = match &self.document {
            Some(document) if !ANSWERED.swap(true, Ordering::SeqCst) => print(document),
            _ => Ok(()),
        };
        if let Err(cause) = &printed {
            log.error(&format_args!("print the answer on stdout: {cause}"));
        }
        if self.failed || printed.is_err() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

fn print(document: &Value) -> std::io::Result<()> {
    // One write: a reader never sees half a document of a process that was killed in between.
    let mut stdout = std::io::stdout().lock();
    // Runtimes write it into their logs.
    stdout.write_all(format!("{}\n", printable::json(&document.to_string())).as_bytes())?;
    stdout.flush()
}

/// For a call without CNI_COMMAND: says on stderr what this is.
pub(super) fn about(plugin: &str) -> ExitCode {
    let versions = Version::ALL.map(Version::as_str).join(", ");
    let text = format!(
        "CNI {plugin} plugin of railhead {}\nCNI protocol versions supported: {versions}\n",
        env!("CARGO_PKG_VERSION")
    );
    // With stderr closed there is nobody to tell.
    std::io::stderr().lock().write_all(text.as_bytes()).ok();
    ExitCode::SUCCESS
}

/// From now on a panic answers with a CNI error and exit status 1.
///
/// What the verb did so far stays recorded, and the caller's DEL undoes it.
pub(super) fn answer_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let cause = panic.payload_as_str().unwrap_or("for a reason that is not text");
        let place = panic.location().map(|place| format!(" at {place}")).unwrap_or_default();
        let error = Error::new(Code::Internal, format!("the plugin panicked{place}: {cause}"))
            .details("this is a fault of railhead, please report it");
        let log = Log::default();
        log.error(&error);
        Answer::failure(&error, Version::NEWEST).print(&log);
        #[expect(
            clippy::exit,
            reason = "not every build unwinds to main, and none has more to say"
        )]
        std::process::exit(1);
    }));
}
