//! Verbs of somebody who is not root, on the machine that the test runs on: they are refused before
//! they look at anything.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

use clap::CommandFactory;
use daemon::cli::Cli;
use nix::unistd::geteuid;

/// Verbs that need no host.
const FOR_ALL: [&str; 2] = ["completions", "validate"];

/// What verbs want to be called with.
fn arguments(verb: &str) -> &'static [&'static str] {
    match verb {
        "explain" => &["eth0"],
        "completions" => &["bash"],
        "validate" => &["-f", "-"],
        "dump" => &["/nowhere/dump"],
        _ => &[],
    }
}

/// A place that every user can reach, with the binary in it.
fn reachable() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_railhead"), place.path().join("railhead")).unwrap();
    place
}

fn run(place: &Path, arguments: &[&str]) -> Output {
    let mut railhead = Command::new(place.join("railhead"));
    railhead.args(arguments).current_dir(place);
    if geteuid().is_root() {
        railhead.uid(1000).gid(1000);
    }
    railhead.output().unwrap()
}

#[test]
fn every_verb_that_looks_at_the_machine_says_to_run_it_as_root() {
    let place = reachable();
    let roots = [None, Some(place.path().to_str().unwrap())];
    for verb in Cli::command().get_subcommands() {
        let name = verb.get_name();
        for (root, format) in roots.iter().zip(["table", "json"]) {
            let mut words = vec![name, "-o", format];
            words.extend(arguments(name));
            words.extend(root.iter().flat_map(|root| ["--root", root]));
            let ran = run(place.path(), &words);
            let said = String::from_utf8_lossy(&ran.stderr).into_owned();
            if FOR_ALL.contains(&name) {
                assert_eq!(ran.status.code(), Some(0), "{words:?}: {said}");
                continue;
            }
            assert_eq!(ran.status.code(), Some(1), "{words:?}: {said}");
            assert!(said.contains("run it as root"), "{words:?}: {said}");
            assert!(ran.stdout.is_empty(), "{words:?} shows what it does not know");
        }
    }
}

#[test]
fn what_attachments_does_besides_is_refused_too() {
    let place = reachable();
    for words in [
        ["attachments", "drop", "c1", "net1"].as_slice(),
        &["ipam", "verify"],
        &["ipam", "accept-loss"],
        &["plan", "-f", "-"],
        &["apply", "-f", "-"],
    ] {
        let ran = run(place.path(), words);
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(1), "{words:?}: {said}");
        assert!(said.contains("run it as root"), "{words:?}: {said}");
        assert!(ran.stdout.is_empty(), "{words:?}");
    }
}
