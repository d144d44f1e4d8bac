use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

pub(super) fn file(name: &str, content: &str) -> SourceFile {
    SourceFile { path: PathBuf::from(name), content: content.into() }
}

fn policy(name: &str, num_vfs: i32) -> String {
    format!(
        "apiVersion: sriovnetwork.openshift.io/v1\nkind: SriovNetworkNodePolicy\n\
         metadata: {{name: {name}}}\nspec:\n  numVfs: {num_vfs}\n  resourceName: r\n  \
         nodeSelector: {{}}\n  nicSelector: {{pfNames: [enp1s0]}}\n"
    )
}

fn pool(name: &str) -> String {
    format!(
        "apiVersion: nv-ipam.nvidia.com/v1alpha1\nkind: IPPool\nmetadata: {{name: {name}}}\n\
         spec: {{subnet: 10.0.0.0/24, perNodeBlockSize: 10}}\n"
    )
}

fn names(objects: &Objects) -> Vec<(String, bool)> {
    objects.known.iter().map(|known| (known.at.to_string(), known.kept)).collect()
}

fn problems(objects: &Objects) -> Vec<String> {
    objects.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn a_bad_object_hides_no_other_and_tells_file_field_value_and_rule() {
    let text = format!("{}---\n{}---\n{}", policy("good", 2), policy("bad", -1), pool("blue"));
    let objects = Objects::of_files(&[file("/etc/objects/a.yaml", &text)]);
    assert_eq!(
        names(&objects),
        [("SriovNetworkNodePolicy good".to_owned(), false), ("IPPool blue".to_owned(), false)]
    );
    let told = problems(&objects);
    assert_eq!(told.len(), 1);
    assert!(
        told[0].starts_with(
            "/etc/objects/a.yaml:10: SriovNetworkNodePolicy bad: spec.numVfs: -1: must be"
        ),
        "{}",
        told[0]
    );
    assert!(objects.is_complete());
    assert_eq!((objects.policies().count(), objects.pools().count()), (1, 1));
}

#[test]
fn the_later_of_two_is_refused_and_both_files_are_named() {
    let files = [file("a.yaml", &policy("same", 1)), file("b.yaml", &policy("same", 2))];
    let objects = Objects::of_files(&files);
    assert_eq!(objects.policies().map(|policy| policy.num_vfs).collect::<Vec<_>>(), [1]);
    assert_eq!(
        problems(&objects),
        [
            "b.yaml:1: SriovNetworkNodePolicy same is defined already at a.yaml:1; remove one of the \
          two"
        ]
    );
}

/// Which of two was meant nobody knows, so the broken first one does not make the second count.
#[test]
fn a_duplicate_of_a_broken_object_is_refused_too() {
    let files = [file("a.yaml", &policy("same", -1)), file("b.yaml", &policy("same", 2))];
    let objects = Objects::of_files(&files);
    assert_eq!((objects.known.len(), objects.problems.len()), (0, 2));
}

#[test]
fn one_name_for_two_kinds_is_no_duplicate() {
    let objects = Objects::of_files(&[file("a.yaml", &(policy("x", 1) + "---\n" + &pool("x")))]);
    assert!(objects.problems.is_empty(), "{:?}", objects.problems);
    assert_eq!(objects.known.len(), 2);
}

#[test]
fn lists_are_unrolled() {
    let items: String = [policy("one", 1), pool("two")]
        .iter()
        .map(|item| {
            let indented: Vec<String> = item.lines().map(|line| format!("  {line}")).collect();
            format!(
                "-{}\n",
                indented.join("\n").trim_start_matches(' ').to_owned().replacen("", " ", 1)
            )
        })
        .collect();
    let text = format!("apiVersion: v1\nkind: List\nitems:\n{items}");
    let objects = Objects::of_files(&[file("a.yaml", &text)]);
    assert_eq!(objects.known.len(), 2, "{text}{:?}", objects.problems);
}

#[test]
fn unknown_fields_are_told_with_their_place() {
    let text = policy("p", 1) + "  numVFs: 3\n";
    let objects = Objects::of_files(&[file("a.yaml", &text)]);
    let told: Vec<String> = objects.notices.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("a.yaml:1: SriovNetworkNodePolicy p: spec.numVFs"), "{}", told[0]);
}

#[test]
fn what_is_invalid_now_stays_as_it_was() {
    let last =
        Objects::of_files(&[file("a.yaml", &(policy("x", 1) + "---\n" + &policy("other", 2)))]);
    let now = Objects::of_files(&[file("a.yaml", &policy("x", -1))]).keeping(&last);
    // The other is gone for good, x is there and broken.
    assert_eq!(names(&now), [("SriovNetworkNodePolicy x".to_owned(), true)]);
    assert_eq!(now.policies().next().unwrap().num_vfs, 1);
    assert_eq!(now.problems.len(), 1);
}

#[test]
fn what_a_broken_file_may_hold_stays_as_it_was() {
    let last = Objects::of_files(&[
        file("a.yaml", &policy("x", 1)),
        file("b.yaml", &(policy("other", 2) + "---\n" + &pool("p"))),
    ]);
    let files = [file("a.yaml", &policy("x", 3)), file("b.yaml", "kind: [")];
    let now = Objects::of_files(&files).keeping(&last);
    assert!(!now.is_complete());
    assert_eq!(
        names(&now),
        [
            ("SriovNetworkNodePolicy x".to_owned(), false),
            ("SriovNetworkNodePolicy other".to_owned(), true),
            ("IPPool p".to_owned(), true),
        ]
    );
    // The present version of what can be read counts.
    assert_eq!(now.policies().map(|policy| policy.num_vfs).collect::<Vec<_>>(), [3, 2]);
}

#[test]
fn what_an_object_without_a_name_or_kind_may_be_stays_as_it_was() {
    let last = Objects::of_files(&[file("a.yaml", &policy("x", 1))]);
    for (from, to) in [
        ("SriovNetworkNodePolicy", "SriovNetworkNodePolcy"),
        ("SriovNetworkNodePolicy", "sriovnetworknodepolicy"),
        ("kind: SriovNetworkNodePolicy", "knd: SriovNetworkNodePolicy"),
        ("{name: x}", "{Name: x}"),
        ("{name: x}", "{name: 1}"),
        ("{name: x}", "x"),
    ] {
        let text = policy("x", 2).replace(from, to);
        let now = Objects::of_files(&[file("a.yaml", &text)]);
        assert!(now.is_readable() && !now.is_complete(), "{text}");
        let now = now.keeping(&last);
        assert_eq!(names(&now), [("SriovNetworkNodePolicy x".to_owned(), true)], "{text}");
    }
    // One that railhead does not act upon hides none that it does.
    let text = "apiVersion: sriovnetwork.openshift.io/v1\nkind: SriovNetwork\nmetadata: {}\n";
    let now = Objects::of_files(&[file("a.yaml", text)]);
    assert_eq!((now.problems.len(), now.is_complete()), (0, true));
}

#[test]
fn what_is_none_of_our_business_is_counted_and_nothing_else() {
    let of = |api_version: &str, kind: &str| {
        format!("apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: same}}\n---\n")
    };
    // The same names in two namespaces, as far as anybody knows.
    let text =
        of("v1", "Pod") + &of("v1", "Pod") + &of("sriovnetwork.openshift.io/v1", "SriovNetwork");
    let list = "apiVersion: v1\nkind: ConfigMapList\nitems: [{metadata: {name: a}}, {}]\n";
    let objects =
        Objects::of_files(&[file("a.yaml", &(text + list)), file("b.yaml", &policy("x", 1))]);
    assert_eq!((problems(&objects), objects.notices.len()), (vec![], 0));
    assert_eq!(names(&objects), [("SriovNetworkNodePolicy x".to_owned(), false)]);
    assert_eq!(
        objects.skipped.told(),
        [
            "skipped 1 object of kinds that this version does not handle yet: SriovNetwork",
            "skipped 4 objects of other kinds: ConfigMap, Pod",
        ]
    );
}

#[test]
fn hostile_names_are_told_without_being_obeyed() {
    let text = policy("\"a\\e[2J\\nrailhead: all is well\"", 1);
    let objects = Objects::of_files(&[file("x\u{1b}[2J\n.yaml", &text)]);
    for told in problems(&objects) {
        assert!(!told.chars().any(char::is_control), "{told:?}");
    }
    assert_eq!(objects.known.len(), 0);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        let file = SourceFile { path: PathBuf::from("x.yaml"), content: bytes };
        let objects = Objects::of_files(&[file]);
        for problem in objects.problems {
            prop_assert!(!problem.to_string().chars().any(char::is_control));
        }
    }

    /// A policy with one field replaced by whatever JSON there is.
    #[test]
    fn no_document_makes_it_panic(
        field in "(apiVersion|kind|metadata|spec|items|status)",
        value in "(null|true|[0-9]{1,30}|-1|1e999|\"[^\"\\\\\\p{C}]{0,9}\"|\\[\\]|\\{\\}|\\[\\[1\\]\\])",
    ) {
        let lines: Vec<String> = policy("p", 1)
            .lines()
            .filter(|line| !line.starts_with(&field))
            .map(str::to_owned)
            .collect();
        let text = format!("{field}: {value}\n{}\n", lines.join("\n"));
        Objects::of_files(&[file("x.yaml", &text)]);
    }
}
