//! `railhead completions`: for the shell.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::{Cli, Context, Exit, Outcome};

/// Print completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  railhead completions bash > /usr/share/bash-completion/completions/railhead
  railhead completions zsh > \"${fpath[1]}/_railhead\"")]
pub struct Args {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the completions.
pub fn run(args: &Args, context: &mut Context) -> Outcome {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "railhead", &mut script);
    context.out.raw(&script)?;
    Ok(Exit::Done)
}
