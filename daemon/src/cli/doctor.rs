//! `railhead doctor`: what keeps railhead from its work.

use super::{Context, Exit, Outcome};
use crate::doctor::{Level, examine};
use crate::view::doctor::Examination;

/// Look for what keeps railhead from its work, and say how to mend it
///
/// Looks at the kernel, the firmware, other programs that want the same VFs, the plugins and
/// railhead's own files. Starts nothing and changes nothing. Exit status 1 when there is an error.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo railhead doctor
  railhead doctor -o json | jq '.findings[] | select(.level != \"ok\")'")]
pub struct Args {}

/// Examines.
pub fn run(_args: &Args, context: &mut Context) -> Outcome {
    let findings = match context.host.recorded() {
        Some(recorded) => recorded.findings.clone(),
        None => examine(&context.host),
    };
    let examination = Examination { findings };
    context.out.show(&examination)?;
    let has_failed = examination.findings.iter().any(|finding| finding.level == Level::Error);
    Ok(if has_failed { Exit::Failed } else { Exit::Done })
}
