//! `railhead pause` and `railhead resume`.

use std::time::Duration;

use nix::unistd::{User, getuid};

use super::apply::{refuse_captured, refuse_on_trial};
use super::{Context, Exit, Outcome, complain, show_pass};
use crate::chain::Chain;
use crate::host::Host;
use crate::pause::{self, Pause};
use crate::report::Timestamp;
use crate::service::client::Client;

/// Leave the NICs alone until `resume`, or for some time
///
/// Nothing is repaired and nothing applied meanwhile, not by the daemon, not by `apply`, not at
/// boot; `status` and `discover` say so. Restarts and reboots do not end the pause. Returns when a
/// pass that was at work is at its end.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  railhead pause --for 2h --reason 'new firmware for enp1s0'
  railhead pause
  railhead resume")]
pub struct PauseArgs {
    /// End the pause by itself after that time: 90s, 30m, 2h, 1d
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    time: Option<Duration>,
    /// Why, for whoever looks at `status`
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// End a pause
///
/// Where the daemon runs, it brings the host at once to what the objects want, as `apply` does.
#[derive(Debug, clap::Args)]
pub struct ResumeArgs {}

/// Pauses.
pub fn pause(args: &PauseArgs, context: &mut Context) -> Outcome {
    let host = &context.host;
    refuse_captured(host)?;
    refuse_on_trial(host)?;
    let pause = Pause::new(who(), args.reason.clone(), Timestamp::now(), args.time);
    pause::save(host.root(), &pause)?;
    // The daemon's next pass is the first that knows; when it is over, so are those before it.
    if let Err(error) = pass(host) {
        complain(&format_args!("the pause is in force, but the daemon did not look: {error}"));
    }
    context.out.line(&pause.to_string())?;
    Ok(Exit::Done)
}

/// Ends the pause.
pub fn resume(_args: &ResumeArgs, context: &mut Context) -> Outcome {
    let host = &context.host;
    refuse_captured(host)?;
    if !pause::end(host.root())? {
        context.out.line("there was no pause")?;
        return Ok(Exit::Done);
    }
    let outcome = pass(host).map_err(|error| {
        format!("resumed, but the daemon did not look: {}", Chain(error.as_ref()))
    });
    match outcome? {
        None => {
            context
                .out
                .line("resumed; no daemon runs, so `railhead apply` repairs what changed")?;
            Ok(Exit::Done)
        }
        Some(outcome) => show_pass(&outcome, context),
    }
}

/// Has the daemon make a pass, where one runs.
fn pass(host: &Host) -> Result<Option<crate::reconcile::Outcome>, Box<dyn std::error::Error>> {
    match Client::connect(host)? {
        Some(client) => Ok(Some(client.apply(|_| {})?)),
        None => Ok(None),
    }
}

/// The person behind sudo, else the user.
pub(super) fn who() -> String {
    let sudo = std::env::var("SUDO_USER").ok().filter(|name| !name.is_empty());
    let user = || User::from_uid(getuid()).ok().flatten().map(|user| user.name);
    sudo.or_else(user).unwrap_or_else(|| format!("uid {}", getuid()))
}

/// A number and `s`, `m`, `h` or `d`.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let rule = || "must be a number above 0 with s, m, h or d, like 90s or 2h".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(rule)?;
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(rule()),
    };
    let number = number.parse::<u32>().ok().filter(|number| *number > 0).ok_or_else(rule)?;
    Ok(Duration::from_secs(seconds * u64::from(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, seconds) in [("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86_400)] {
            assert_eq!(time(text), Ok(Duration::from_secs(seconds)));
        }
        for text in ["", "s", "2", "0s", "-1h", "2w", "1.5h", "4294967296s", "2ħ"] {
            time(text).unwrap_err();
        }
    }
}
