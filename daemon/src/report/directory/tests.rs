use std::fs;

use super::*;

fn state(node: &str, conditions: &[(&str, &str, &str)]) -> NodeState {
    let mut state = NodeState::default();
    state.metadata.name = node.to_owned();
    state.status.conditions = conditions
        .iter()
        .map(|(about, status, time)| Condition {
            r#type: (*about).to_owned(),
            status: (*status).to_owned(),
            last_transition_time: (*time).to_owned(),
            ..Condition::default()
        })
        .collect();
    state
}

fn bed() -> (tempfile::TempDir, Directory, NodeName) {
    let at = tempfile::tempdir().unwrap();
    let directory = Directory::new(&Root::at(at.path()));
    (at, directory, "node-a".parse().unwrap())
}

fn times(directory: &Directory, node: &NodeName) -> Vec<String> {
    let published = directory.published(node).unwrap().unwrap();
    published.status.conditions.into_iter().map(|c| c.last_transition_time).collect()
}

#[test]
fn only_changes_are_written_and_times_are_those_of_changes() {
    let (_at, directory, node) = bed();
    assert_eq!(directory.published(&node).unwrap(), None);
    assert!(directory.publish(&state("node-a", &[("Ready", "False", "t1")])).unwrap());
    assert!(!directory.publish(&state("node-a", &[("Ready", "False", "t2")])).unwrap());
    assert_eq!(times(&directory, &node), ["t1"]);
    let more = state("node-a", &[("Ready", "False", "t3"), ("pf", "True", "t3")]);
    assert!(directory.publish(&more).unwrap());
    assert_eq!(times(&directory, &node), ["t1", "t3"]);
    assert!(directory.publish(&state("node-a", &[("Ready", "True", "t4")])).unwrap());
    assert_eq!(times(&directory, &node), ["t4"]);
}

#[test]
fn the_file_is_named_after_kind_and_node() {
    let (at, directory, _node) = bed();
    directory.publish(&state("node-a", &[])).unwrap();
    let path = at.path().join("var/lib/railhead/objects/SriovNetworkNodeState-node-a.json");
    assert!(fs::read_to_string(path).unwrap().ends_with("}\n"));
}

#[test]
fn a_damaged_file_is_written_anew() {
    let (_at, directory, node) = bed();
    fs::create_dir_all(&directory.path).unwrap();
    for damage in ["", "{", "[]", "\u{0}"] {
        fs::write(directory.file(&node), damage).unwrap();
        assert!(directory.publish(&state("node-a", &[("Ready", "True", "t")])).unwrap());
        assert_eq!(times(&directory, &node), ["t"]);
    }
}

#[test]
fn a_name_that_leaves_the_directory_is_refused() {
    let (_at, directory, _node) = bed();
    for name in ["", "../x", "a/b"] {
        let error = directory.publish(&state(name, &[])).unwrap_err();
        assert!(matches!(error, ReportError::Name { .. }), "{error}");
    }
}
