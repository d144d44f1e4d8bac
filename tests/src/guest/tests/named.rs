//! Holds the tests that documents name against the tests that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::all;

/// Where tests are that need no VM.
const PACKAGES: [&str; 5] = ["conf", "ipam", "cni", "daemon", "tests"];

#[test]
fn the_list_of_the_sriov_plugins_tests_is_true() {
    let text = read("docs/cni-sriov-tests.md");
    let is_sriovs = |name: &&str| name.starts_with("sriov::") && *name != "sriov::";
    let named: BTreeSet<&str> = spans(&text).filter(is_sriovs).collect();
    let known: BTreeSet<&str> = all().map(|(name, _)| *name).filter(is_sriovs).collect();
    assert_eq!(named, known);
}

#[test]
fn every_test_of_a_scenario_is_there() {
    let known = known();
    for (document, at_least) in [
        ("docs/scenarios.md", 25),
        ("docs/ipam.md", 25),
        ("docs/cni-sriov-tests.md", 25),
        ("docs/field-cases.md", 0),
    ] {
        let text = read(document);
        let named: BTreeSet<&str> = of_scenarios(&text).collect();
        assert!(named.len() >= at_least, "{document} names no more than {named:?}");
        let missing: Vec<_> = named.iter().filter(|name| !is_there(name, &known)).collect();
        assert!(missing.is_empty(), "{document}: {missing:#?}");
    }
}

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).expect("a document")
}

/// What stands between backticks.
fn spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// What tables name in their column `test`, the last one, and what the text around them does of the daemon's.
fn of_scenarios(text: &str) -> impl Iterator<Item = &str> {
    let mut names_tests = false;
    text.lines().flat_map(move |line| {
        let cells = line.strip_prefix('|').and_then(|line| line.strip_suffix('|'));
        let last = cells.and_then(|cells| cells.rsplit('|').next()).map(str::trim);
        names_tests = last.is_some_and(|last| last == "test" || names_tests);
        let of_table = spans(last.filter(|_| names_tests).unwrap_or_default());
        // A command such as `make bench` is no name.
        let of_table = of_table.filter(|span| !span.contains(' '));
        of_table.chain(spans(line).filter(|span| span.starts_with("daemon::")))
    })
}

/// Whether a file or directory of this name is there, or a test or module: `claims::a_block_…` is a test that begins
/// so, anywhere in a module `claims`. Modules `tests` are left out, as `cargo test` finds a test without them.
fn is_there(name: &str, known: &[Vec<String>]) -> bool {
    if name.contains('/') {
        return repository().join(name).exists();
    }
    known.iter().any(|path| {
        let mut path = path.iter();
        let mut wanted = name.split("::").filter(|segment| *segment != "tests");
        wanted.all(|wanted| {
            path.any(|segment| match wanted.strip_suffix('…') {
                Some(beginning) => segment.starts_with(beginning),
                None => segment == wanted,
            })
        })
    })
}

/// All tests: package, modules, name.
fn known() -> Vec<Vec<String>> {
    let in_vm = all().map(|(name, _)| name.split("::").map(str::to_owned).collect());
    let elsewhere = PACKAGES.iter().flat_map(|package| {
        let files = sources(&repository().join(package));
        files.into_iter().flat_map(|file| tests_in(&file))
    });
    in_vm.chain(elsewhere).collect()
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory of sources");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => sources(&path),
            false if path.extension().is_some_and(|extension| extension == "rs") => vec![path],
            false => Vec::new(),
        })
        .collect()
}

fn tests_in(file: &Path) -> Vec<Vec<String>> {
    let inside =
        file.strip_prefix(repository()).expect("a file of the repository").with_extension("");
    let modules: Vec<String> = inside
        .iter()
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| !["src", "tests", "main", "lib"].contains(&name.as_str()))
        .collect();
    let text = fs::read_to_string(file).expect("a source");
    let mut tests = Vec::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        let name = line.trim_start_matches("async ").strip_prefix("fn ");
        if let (Some((name, _)), true) = (name.and_then(|name| name.split_once('(')), is_test) {
            tests.push(modules.iter().cloned().chain([name.to_owned()]).collect());
            is_test = false;
        }
        is_test |= line.starts_with("#[") && line.ends_with("test]");
    }
    tests
}
