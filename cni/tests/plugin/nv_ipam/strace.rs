//! Something happens to a verb at each of its system calls in turn: strace sees to it, so that the
//! shipped program has no switch for it.

use std::collections::BTreeMap;
use std::fs;
use std::process::Output;

use crate::bed::Call;

/// Runs `verb` once for each of its system calls, each time after `prepare` and with `what`
/// (`signal=KILL`, `error=EIO`) at that call. What came of it is looked at by `look`, which also
/// gets what was prepared.
///
/// Tells how many system calls there are.
#[expect(clippy::print_stdout, reason = "a test that fails shows at which call it was")]
pub(super) fn at_every_call<T>(
    what: &str,
    prepare: impl Fn() -> T,
    verb: impl Fn() -> Call,
    mut look: impl FnMut(T, Output),
) -> usize {
    prepare();
    let calls = system_calls(verb());
    for (name, number) in &calls {
        let prepared = prepare();
        let inject = format!("inject={name}:{what}:when={number}");
        let run = verb().under(&["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject]);
        let output = run.start().wait_with_output().unwrap();
        println!("{name} {number}: {output:?}");
        look(prepared, output);
    }
    calls.len()
}

/// The system calls of the program's first thread: which one, and the how manyeth of its name.
fn system_calls(verb: Call) -> Vec<(String, usize)> {
    let log = "/run/trace";
    verb.under(&["strace", "-f", "-qq", "-o", log]).start().wait().unwrap();
    let log = fs::read_to_string(log).unwrap();
    let lines: Vec<(&str, &str)> = log.lines().filter_map(|line| line.split_once(' ')).collect();
    let thread = lines[0].0;
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut calls = Vec::new();
    for (_, line) in lines.into_iter().filter(|(pid, _)| *pid == thread) {
        let Some((name, _)) = line.trim_start().split_once('(') else { continue };
        if name.chars().all(|letter| letter.is_alphanumeric() || letter == '_') {
            let number = numbers.entry(name).or_default();
            *number += 1;
            calls.push((name.to_owned(), *number));
        }
    }
    calls
}
