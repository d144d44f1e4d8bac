//! `railhead daemon`: brings the host to what the objects want, and keeps it there.

use std::io::{self, IsTerminal};

use conf::printable::Printable;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::format::{FormatFields, debug_fn};

use super::apply::refuse_captured;
use super::{Context, Exit, Outcome};
use crate::service;

/// Run the node daemon: bring the host to what the objects want, and keep it there
///
/// Watches the objects, the settings and the kernel; repairs what drifts as long as nobody is
/// disturbed. Meant for systemd (railhead.service); logs to standard error.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  systemctl enable --now railhead
  RUST_LOG=debug railhead daemon")]
pub struct Args {}

/// Runs until it is told to end.
pub fn run(_args: &Args, context: &mut Context) -> Outcome {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let log = log.fmt_fields(fields());
    // The journal has its own clock; a terminal likes colours.
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        log.without_time().with_target(false).with_ansi(false).init();
    } else {
        log.with_target(false).with_ansi(io::stderr().is_terminal()).init();
    }
    refuse_captured(&context.host)?;
    service::run(&context.host)?;
    Ok(Exit::Done)
}

/// How a line of the log is written: what others named is made [printable](Printable).
fn fields() -> impl for<'w> FormatFields<'w> + Send + Sync + 'static {
    debug_fn(|to, field, value| match field.name() {
        "message" => write!(to, "{}", Printable(format_args!("{value:?}"))),
        name => write!(to, "{name}={}", Printable(format_args!("{value:?}"))),
    })
    .delimited(" ")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A file's name is no line of the log, and moves no cursor.
    #[test]
    fn a_line_of_the_log_is_one_line() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .without_time()
            .with_ansi(false)
            .fmt_fields(fields())
            .finish();
        let name = "a\u{1b}[2J\n2026-01-01T00:00:00Z ERROR b\r\u{9b}\u{7f}\u{202e}\u{2028}.yaml";
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(name, of = %name, "look at {name}: {}", "no");
        });
        let told = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let line = told.strip_suffix('\n').unwrap();
        assert!(line.chars().all(conf::printable::is_plain), "{line}");
        assert!(
            line.contains(r"look at a\u{1b}[2J\n2026-01-01T00:00:00Z ERROR b\r\u{9b}"),
            "{line}"
        );
        assert!(line.ends_with(r"\u{202e}\u{2028}.yaml"), "{line}");
    }
}
