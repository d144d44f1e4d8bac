use serde_json::{Value, json};

use super::*;

fn selector(terms: Value) -> Result<NodeSelector, String> {
    let spec: NodeSelectorSpec =
        serde_json::from_value(json!({ "nodeSelectorTerms": terms })).unwrap();
    let mut broken = Violations::default();
    let selector = check(Some(&spec), &mut broken).unwrap();
    broken.into_result().map(|()| selector).map_err(|violations| violations.to_string())
}

fn matches(terms: Value) -> bool {
    let labels = [("rack", "r1"), ("gpus", "8"), ("empty", "")];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    selector(terms).unwrap().matches("n1", &labels)
}

/// One term with one requirement on a label.
fn one(key: &str, operator: &str, values: &[&str]) -> Value {
    json!([{"matchExpressions": [{"key": key, "operator": operator, "values": values}]}])
}

#[test]
fn operators_mean_what_they_mean_in_kubernetes() {
    for (key, operator, values, expected) in [
        ("rack", "In", &["r0", "r1"][..], true),
        ("rack", "In", &["r0"], false),
        ("absent", "In", &["r1"], false),
        ("rack", "NotIn", &["r1"], false),
        ("rack", "NotIn", &["r0"], true),
        ("absent", "NotIn", &["r1"], true),
        ("rack", "Exists", &[], true),
        ("empty", "Exists", &[], true),
        ("absent", "Exists", &[], false),
        ("rack", "DoesNotExist", &[], false),
        ("absent", "DoesNotExist", &[], true),
        ("gpus", "Gt", &["7"], true),
        ("gpus", "Gt", &["8"], false),
        ("gpus", "Lt", &["9"], true),
        ("gpus", "Lt", &["8"], false),
        ("gpus", "Gt", &["-1"], true),
        ("absent", "Gt", &["0"], false),
        ("absent", "Lt", &["0"], false),
        ("rack", "Gt", &["0"], false),
    ] {
        assert_eq!(matches(one(key, operator, values)), expected, "{key} {operator} {values:?}");
    }
}

#[test]
fn terms_are_alternatives_and_requirements_are_not() {
    let yes = json!({"key": "rack", "operator": "Exists"});
    let no = json!({"key": "absent", "operator": "Exists"});
    assert!(matches(json!([{"matchExpressions": [no]}, {"matchExpressions": [yes]}])));
    assert!(!matches(json!([{"matchExpressions": [no, yes]}])));
    // A term without requirements matches nothing.
    assert!(!matches(json!([{}])));
    assert!(matches(json!([{}, {"matchExpressions": [yes]}])));
}

#[test]
fn nodes_by_name() {
    let name = |operator: &str, name: &str| json!([{"matchFields": [{"key": "metadata.name", "operator": operator, "values": [name]}]}]);
    assert!(matches(name("In", "n1")) && !matches(name("In", "n2")));
    assert!(matches(name("NotIn", "n2")) && !matches(name("NotIn", "n1")));
    let both = json!([{
        "matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}],
        "matchExpressions": [{"key": "absent", "operator": "Exists"}],
    }]);
    assert!(!matches(both));
}

/// The messages are read by people: all of them are spelled out.
#[test]
fn rules() {
    const AT: &str = "spec.nodeSelector.nodeSelectorTerms[0]";
    for (key, operator, values, message) in [
        ("a", "In", &[][..], "values: must hold a value for In and NotIn"),
        ("a", "NotIn", &[], "values: must hold a value for In and NotIn"),
        ("a", "Exists", &["x"], r#"values: ["x"]: must be empty for Exists and DoesNotExist"#),
        ("a", "Gt", &["1", "2"], r#"values: ["1","2"]: must be one whole number for Gt and Lt"#),
        ("a", "Lt", &["x"], r#"values: ["x"]: must be one whole number for Gt and Lt"#),
        ("a", "Gt", &[], "values: []: must be one whole number for Gt and Lt"),
        ("a", "in", &["x"], r#"operator: "in": must be In, NotIn, Exists, DoesNotExist, Gt or Lt"#),
        ("a b", "Exists", &[], r#"key: "a b": must be a label's key, like kubernetes.io/os"#),
    ] {
        let error = selector(one(key, operator, values)).unwrap_err();
        assert_eq!(error, format!("{AT}.matchExpressions[0].{message}"));
    }
    for (field, message) in [
        (
            json!({"key": "rack", "operator": "In", "values": ["x"]}),
            r#"key: "rack": must be metadata.name"#,
        ),
        (
            json!({"key": "metadata.name", "operator": "Exists"}),
            r#"operator: "Exists": must be In or NotIn"#,
        ),
        (
            json!({"key": "metadata.name", "operator": "In", "values": ["a", "b"]}),
            r#"values: "a,b": must be one name"#,
        ),
    ] {
        let error = selector(json!([{"matchFields": [field]}])).unwrap_err();
        assert_eq!(error, format!("{AT}.matchFields[0].{message}"));
    }
    assert!(selector(json!([])).unwrap_err().contains("must hold a term"));
}
