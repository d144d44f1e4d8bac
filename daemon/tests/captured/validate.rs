use serde_json::Value;

use crate::machine::{Machine, Ran, ip_pool, policy};

/// A machine without NICs and settings: nothing of it is looked at.
fn nothing() -> Machine {
    let machine = Machine::new();
    std::fs::remove_dir_all(machine.path("etc")).unwrap();
    std::fs::remove_dir_all(machine.path("sys")).unwrap();
    machine
}

fn validate(machine: &Machine, files: &[&str], more: &[&str]) -> Ran {
    let paths: Vec<_> = files.iter().map(|file| machine.path(file)).collect();
    let named = paths.iter().flat_map(|path| ["-f", path.to_str().unwrap()]);
    let arguments: Vec<&str> =
        std::iter::once("validate").chain(named).chain(more.iter().copied()).collect();
    let before = machine.contents();
    let ran = machine.railhead(&arguments);
    assert_eq!(machine.contents(), before);
    ran
}

fn problems(machine: &Machine, files: &[&str]) -> Vec<String> {
    let ran = validate(machine, files, &["-o", "json"]);
    let validated: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(validated["valid"], ran.code == 0);
    let problems = validated["problems"].as_array().unwrap();
    problems
        .iter()
        .map(|problem| {
            let text = |field: &str| match &problem[field] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            format!("{} {} {}", text("level"), text("reason"), text("path"))
        })
        .collect()
}

#[test]
fn all_is_well_without_a_host() {
    let machine = nothing();
    machine.write(
        "a.yaml",
        &(policy("net", "enp1s0", 4, "") + "---\n" + &ip_pool("blue", "10.0.0.0/24")),
    );
    let ran = validate(&machine, &["a.yaml"], &["--strict"]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "Nothing is wrong.\n", ""));
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let machine = nothing();
    let bad =
        policy("bad", "enp1s0#3-1", 4, "  mtu: 3\n").replace("pfNames", "pfName: [x], pfNames");
    machine.write(
        "objects/a.yaml",
        &(bad + "---\n" + &policy("same", "enp1s0", 1, "  eSwitchMode: switchdev\n")),
    );
    machine.write("objects/b.yaml", &policy("same", "enp1s0", 1, ""));
    machine.write("objects/c.yaml", "kind: [\n");
    machine.write("objects/d.yaml", &policy("typo", "enp1s0", 1, "  prority: 3\n"));
    machine.write("objects/k.yaml", &ip_pool("k", "10.4.0.0/24"));
    machine.write("objects/m.yaml", &ip_pool("m", "10.4.0.0/24"));
    machine.write("objects/z.yaml", &policy("z", "a", 1, "").replace("NodePolicy", "NodePolcy"));
    let ran = validate(&machine, &["objects"], &[]);
    assert_eq!(ran.code, 1);
    // Columns are as wide as the names of temporary directories.
    let lines = ran.out.lines().map(|line| {
        line.split("  ")
            .map(str::trim)
            .filter(|cell| !cell.is_empty())
            .collect::<Vec<_>>()
            .join(" | ")
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
    assert_eq!(ran.err, "");
    let ran = validate(&machine, &["objects"], &["-o", "json"]);
    insta::assert_snapshot!("as_json", ran.out);
}

#[test]
fn warnings_fail_where_that_is_asked() {
    let machine = nothing();
    machine.write("a.yaml", &policy("typo", "enp1s0", 1, "  prority: 3\n"));
    assert_eq!(problems(&machine, &["a.yaml"]), ["warning UnknownField spec.prority"]);
    assert_eq!(validate(&machine, &["a.yaml"], &[]).code, 0);
    assert_eq!(validate(&machine, &["a.yaml"], &["--strict"]).code, 1);
}

#[test]
fn pools_that_overlap_are_a_warning_unless_each_has_nodes_of_its_own() {
    let machine = nothing();
    machine.write("k.yaml", &ip_pool("k", "10.4.0.0/24"));
    machine.write("m.yaml", &ip_pool("m", "10.4.0.0/16"));
    assert_eq!(problems(&machine, &["k.yaml", "m.yaml"]), ["warning Overlap "]);
    assert_eq!(problems(&machine, &["k.yaml"]), [""; 0]);
    let of = |name: &str, rack: &str| {
        ip_pool(name, "10.4.0.0/24").replace(
            "8}",
            &format!(
                "8, nodeSelector: {{nodeSelectorTerms: [{{matchExpressions: \
                 [{{key: rack, operator: In, values: [{rack}]}}]}}]}}}}"
            ),
        )
    };
    machine.write("k.yaml", &of("k", "r1"));
    machine.write("m.yaml", &of("m", "r2"));
    assert_eq!(problems(&machine, &["k.yaml", "m.yaml"]), [""; 0]);
    machine.write("m.yaml", &of("m", "r1"));
    assert_eq!(problems(&machine, &["k.yaml", "m.yaml"]), ["warning Overlap "]);
}

/// Manifests of an application with its policy, and what `kubectl get` prints of a cluster.
#[test]
fn objects_of_other_kinds_are_skipped_with_one_line_by_every_verb() {
    let machine = Machine::new();
    machine.igb(1, "enp1s0", 0);
    let text = "
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {b: c}}
- {apiVersion: v1, kind: Pod, metadata: {generateName: a-}, spec: {nodeSelector: {}}}
- {apiVersion: apps/v1, kind: Deployment, metadata: {name: a}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: other}}
- {apiVersion: mellanox.com/v1alpha1, kind: NicClusterPolicy, metadata: {name: n}, spec: {}}
---
";
    machine.objects("all.yaml", &(text.to_owned() + &policy("net", "enp1s0", 4, "")));
    let ran = validate(&machine, &["etc/railhead/objects"], &["--strict"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "Nothing is wrong.\n"));
    let told = "railhead: skipped 1 object of kinds that this version does not handle yet: \
                NicClusterPolicy\nrailhead: skipped 4 objects of other kinds: ConfigMap, Deployment, Pod\n";
    assert_eq!(ran.err, told);
    let path = machine.path("etc/railhead/objects");
    for arguments in [["plan", "-f", path.to_str().unwrap()].as_slice(), &["plan"]] {
        let ran = machine.railhead(arguments);
        assert_eq!((ran.code, ran.err.as_str()), (0, told));
        assert!(ran.out.contains("create 4 VFs"), "{}", ran.out);
    }
}

/// What a host is told of its objects, CI is told before.
#[test]
fn what_plan_says_of_objects_validate_says_too() {
    let machine = Machine::new();
    machine.igb(1, "enp1s0", 0);
    let misspelt = policy("a", "enp1s0", 1, "").replace("pfNames", "vendor: '8086', pfName");
    for text in [
        policy("a", "enp1s0", 1, "  mtu: 3\n"),
        policy("a", "enp1s0", 1, "  bridge: {groupingPolicy: all}\n"),
        policy("a", "enp1s0", 1, "") + "---\n" + &policy("a", "enp1s0", 2, ""),
        ip_pool("blue", "10.0.0.0/33"),
        "kind: [\n".to_owned(),
        "x".to_owned(),
        misspelt,
    ] {
        machine.write("a.yaml", &text);
        let path = machine.path("a.yaml");
        let plan = machine.railhead(&["plan", "-f", path.to_str().unwrap()]);
        assert_eq!(plan.code, 1, "{text}");
        assert_eq!(validate(&machine, &["a.yaml"], &[]).code, 1, "{text}");
        let validated: Value =
            serde_json::from_str(&validate(&machine, &["a.yaml"], &["-o", "json"]).out).unwrap();
        for problem in validated["problems"].as_array().unwrap() {
            let rule = problem["rule"].as_str().unwrap();
            assert!(
                (plan.out.clone() + &plan.err).contains(rule),
                "{rule} in {}{}",
                plan.out,
                plan.err
            );
        }
    }
}

#[test]
fn what_cannot_be_checked_is_no_success() {
    let machine = nothing();
    assert_eq!(machine.railhead(&["validate"]).code, 2);
    let ran = validate(&machine, &["nowhere"], &[]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("nowhere"), "{}", ran.err);
    std::fs::create_dir_all(machine.path("empty/below")).unwrap();
    machine.write("empty/below/a.yaml", &policy("a", "b", 1, ""));
    assert_eq!(problems(&machine, &["empty"]), ["warning Empty "], "it is not looked into");
    assert_eq!(validate(&machine, &["empty"], &["--strict"]).code, 1);
    let ran = machine.railhead(&["validate", "-f", "/dev/null"]);
    assert_eq!(ran.code, 1, "a device is no file: {}", ran.out);
}
