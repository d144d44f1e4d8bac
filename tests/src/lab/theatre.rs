//! What a person watches: the demo, figures of the VM, a shell.

use std::io::{IsTerminal, Write, stdout};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::build::{self, Profile, Programs};
use super::rig::{Kind, Rig};
use super::session::{Happening, Session};
use super::{machine, place, suite};
use crate::figure::Figure;
use crate::protocol::{Orders, Terminal};

/// Shows what railhead does. True when every claim of the demo held.
///
/// # Errors
/// When the machine cannot be built or started.
pub fn demo() -> Result<bool> {
    place::set_up()?;
    let programs = build::build(Profile::Lab)?;
    println!("booting the VM");
    play(&programs, Orders::Demo(terminal()), |_| Ok(()))
}

/// Measures what has these names. True when it could.
pub(super) fn bench(
    programs: &Programs,
    names: Vec<String>,
    measured: impl FnMut(&Figure) -> Result<()>,
) -> Result<bool> {
    play(programs, Orders::Bench(names), measured)
}

/// Gives a person a shell in the machine, until they leave it.
///
/// # Errors
/// When the machine cannot be built or started.
pub fn shell() -> Result<bool> {
    place::set_up()?;
    let programs = build::build(Profile::Lab)?;
    let rig = Rig::new(&programs, Kind::Bare)?;
    rig.order(&Orders::Shell(terminal().unwrap_or(Terminal { rows: 24, columns: 80 })))?;
    println!(
        "booting; leave the shell with exit or Ctrl-D, and a machine that hangs with Ctrl-A X"
    );
    machine::interact(&rig)?;
    Ok(true)
}

fn play(
    programs: &Programs,
    orders: Orders,
    mut measured: impl FnMut(&Figure) -> Result<()>,
) -> Result<bool> {
    let mut session = Session::boot(programs, orders)?;
    let mut held = false;
    while let Some(happening) = session.next()? {
        match happening {
            Happening::Started { .. } => {}
            Happening::Shown(text) => {
                print!("{text}");
                stdout().flush().context("write to standard output")?;
            }
            Happening::Measured(figure) => measured(&figure)?,
            Happening::Passed { .. } => held = true,
            Happening::Failed { transcript, message, wreck, .. } => {
                println!("\nThis went wrong:");
                suite::print_failure(&transcript, &message, &wreck);
            }
            Happening::Broken { message, wreck, .. } => {
                println!(
                    "\nQEMU died: {message}\nPlease try again. The wreck: {}",
                    wreck.display()
                );
            }
            Happening::Unusable(message) => println!("{message}"),
        }
    }
    Ok(held)
}

/// The terminal that this program writes to, if it is one.
fn terminal() -> Option<Terminal> {
    if !stdout().is_terminal() {
        return None;
    }
    // stty asks its standard input, which is the same terminal unless somebody redirected it.
    let output = Command::new("stty").arg("size").stdin(Stdio::inherit()).output().ok()?;
    size(&String::from_utf8_lossy(&output.stdout)).or(Some(Terminal { rows: 24, columns: 80 }))
}

/// `24 80`, as stty prints it. A terminal that does not know its size says 0.
fn size(text: &str) -> Option<Terminal> {
    let (rows, columns) = text.trim().split_once(' ')?;
    let size = Terminal { rows: rows.parse().ok()?, columns: columns.parse().ok()? };
    (size.rows > 0 && size.columns > 0).then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_without_a_size_has_none() {
        assert_eq!(size("50 132\n"), Some(Terminal { rows: 50, columns: 132 }));
        assert_eq!(size("0 0\n"), None);
        assert_eq!(size(""), None);
    }
}
