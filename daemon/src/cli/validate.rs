//! `railhead validate`: whether objects keep every rule, on any machine.

use std::path::PathBuf;

use super::{Context, Exit, Outcome, complain};
use crate::doctor::Level;
use crate::source::Files;
use crate::view::validate::Validated;

/// Check objects without looking at any host
///
/// Says of them what `plan` and `apply` would say on every host: files that are no YAML, fields and
/// values that break rules, objects that are there twice, what is not supported yet; and warns of
/// unknown fields and of pools that overlap. Needs no NIC, no settings and no root: it is made for a
/// check of a git repository. Objects of other kinds are skipped.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  railhead validate -f policies/
  railhead validate -f policy.yaml -f pools.yaml --strict
  kustomize build . | railhead validate -f - -o json | jq '.problems[]'

Exit status: 0 nothing is wrong, 1 something is (with --strict, also a warning), 2 wrong usage.")]
pub struct Args {
    /// What to check: a file, a directory, or - for standard input; all that are given are one set
    #[arg(short, long, value_name = "PATH", required = true)]
    file: Vec<PathBuf>,
    /// Let warnings fail too; what is skipped does not
    #[arg(long)]
    strict: bool,
}

/// Checks.
pub fn run(args: &Args, context: &mut Context) -> Outcome {
    let mut all = Files::default();
    let mut empty = Vec::new();
    for path in &args.file {
        let Files { files, problems } = Files::named(path)?;
        if files.is_empty() && problems.is_empty() {
            empty.push(path.clone());
        }
        all.files.extend(files);
        all.problems.extend(problems);
    }
    let objects = all.objects();
    let mut validated = Validated::of(&objects);
    empty.into_iter().for_each(|path| validated.add_empty(path));
    context.out.show(&validated)?;
    for skipped in objects.skipped.told() {
        complain(&skipped);
    }
    let fails = !validated.valid || (args.strict && validated.has(Level::Warning));
    Ok(if fails { Exit::Failed } else { Exit::Done })
}
