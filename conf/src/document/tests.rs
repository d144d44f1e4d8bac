use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::*;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, expecting = "an object")]
struct Spec {
    count: Option<i64>,
    names: Vec<String>,
    labels: BTreeMap<String, String>,
    nic: Option<Nic>,
    routes: Vec<Route>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, expecting = "an object")]
struct Nic {
    vendor: Option<String>,
    up: bool,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, expecting = "an object")]
struct Route {
    dst: String,
}

const FIELDS: Fields<'static> = Fields {
    known: &["count", "names", "labels", "nic.vendor", "nic.up", "routes[].dst"],
    restricting: &[],
};

fn wrong(value: serde_json::Value) -> Vec<String> {
    let decoded = decode::<Spec>(value, "spec", FIELDS);
    decoded.mistyped.0.iter().chain(&decoded.unknown.warnings).map(ToString::to_string).collect()
}

#[test]
fn every_wrong_type_is_told_at_once() {
    let value = json!({
        "count": "seven", "names": "a", "labels": {"kubernetes.io/os": true},
        "nic": {"vendor": 8086, "up": "yes"}, "routes": [{"dst": 1}],
    });
    assert_eq!(
        wrong(value),
        [
            r#"spec.count: "seven": must be a whole number"#,
            r#"spec.labels["kubernetes.io/os"]: true: must be a text; put it in quotes"#,
            r#"spec.names: "a": must be a list"#,
            r#"spec.nic.up: "yes": must be true or false"#,
            r#"spec.nic.vendor: 8086: must be a text; put it in quotes"#,
            r#"spec.routes[0].dst: 1: must be a text; put it in quotes"#,
        ]
    );
}

#[test]
fn a_whole_spec_of_the_wrong_type() {
    assert_eq!(wrong(json!("x")), [r#"spec: "x": must be an object"#]);
    assert_eq!(wrong(json!([1])), [r#"spec: [1]: must be an object"#]);
    assert_eq!(wrong(json!({"nic": ["8086"]})), [r#"spec.nic: ["8086"]: must be an object"#]);
    assert_eq!(wrong(json!({"routes": [["x"]]})), [r#"spec.routes[0]: ["x"]: must be an object"#]);
    assert_eq!(wrong(json!({"routes": [1]})), [r#"spec.routes[0]: 1: must be an object"#]);
}

#[test]
fn numbers_that_do_not_fit_are_no_whole_numbers() {
    for number in [json!(1.5), json!(u64::MAX), json!(1e30)] {
        assert_eq!(wrong(json!({"count": number})).len(), 1, "{number}");
    }
    assert!(wrong(json!({"count": -1})).is_empty());
}

#[test]
fn null_is_absent() {
    let value = json!({"count": null, "names": null, "nic": {"vendor": null}});
    let decoded = decode::<Spec>(value, "spec", FIELDS);
    assert_eq!(decoded.mistyped, Violations::default());
    assert_eq!(decoded.raw, Spec { nic: Some(Nic::default()), ..Spec::default() });
}

#[test]
fn unknown_fields_are_told_with_what_was_meant() {
    let value = json!({
        "Count": 1, "vendor": "8086", "zzz": 1, "dst": 1,
        "nic": {"vendr": "x"}, "routes": [{}, {"gw": 1, "dts": 1, "a b": 1}],
    });
    assert_eq!(
        wrong(value),
        [
            "spec.Count: unknown field; did you mean count?",
            "spec.dst: unknown field; did you mean spec.routes[].dst?",
            "spec.nic.vendr: unknown field; did you mean vendor?",
            r#"spec.routes[1]["a b"]: unknown field"#,
            "spec.routes[1].dts: unknown field",
            "spec.routes[1].gw: unknown field",
            "spec.vendor: unknown field; did you mean spec.nic.vendor?",
            "spec.zzz: unknown field",
        ]
    );
}

#[test]
fn a_flood_of_mistakes_ends() {
    let labels: BTreeMap<String, i64> = (0..1000).map(|n| (format!("k{n}"), n)).collect();
    let told = wrong(json!({ "labels": labels }));
    assert_eq!(told.len(), TOLD + 1);
    assert_eq!(told[TOLD], "spec: has more fields of a wrong type; these were the first");

    let told = wrong(json!(labels));
    assert_eq!(told.len(), TOLD + 1);
    assert_eq!(told[TOLD], "spec: 980 more unknown fields; these were the first");
}

#[test]
fn a_rule_about_a_field_that_is_not_there_for_its_type_is_no_news() {
    let at = |path: &str| Violation::new(path, "", "must hold");
    let mistyped = Violations(vec![at("spec.nic.vendor")]);
    let rules = ["spec.nic", "spec.nic.vendor", "spec.nic.vendors", "spec.names[0]"].map(at);
    let all = with_rules::<()>(mistyped, Err(Violations(rules.to_vec())));
    let paths: Vec<_> = all.unwrap_err().0.into_iter().map(|v| v.path).collect();
    assert_eq!(paths, ["spec.nic.vendor", "spec.nic.vendors", "spec.names[0]"]);
}

#[test]
fn what_restricts_is_refused_however_many_unknown_fields_there_are() {
    let fields = Fields { restricting: &["nic"], ..FIELDS };
    let many: BTreeMap<String, i64> = (0..1000).map(|n| (format!("a{n}"), n)).collect();
    let mut value = json!(many);
    value["nic"] = json!({"vendorr": "x"});
    let decoded = decode::<Spec>(value, "spec", fields);
    let refused: Vec<_> = decoded.unknown.refused.iter().map(ToString::to_string).collect();
    let said = "unknown field; did you mean vendor? (what may restrict something is not left out)";
    assert_eq!(refused, [format!("spec.nic.vendorr: {said}")]);
    assert_eq!(decoded.unknown.warnings.len(), TOLD + 1);
}
