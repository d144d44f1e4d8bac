use proptest::prelude::*;
use serde_json::json;

use super::*;

fn messages(read: &Read) -> Vec<String> {
    let violations = read.object.as_ref().err().map(|violations| violations.0.clone());
    let mut out: Vec<_> = violations.iter().flatten().map(|v| format!("error: {v}")).collect();
    out.extend(read.warnings.iter().map(|warning| format!("warning: {warning}")));
    out
}

fn pool(name: &str) -> Value {
    json!({
        "apiVersion": "nv-ipam.nvidia.com/v1alpha1", "kind": "IPPool",
        "metadata": {"name": name}, "spec": {"subnet": "10.0.0.0/24", "perNodeBlockSize": 4},
    })
}

#[test]
fn metadata_and_status_of_a_live_object_are_tolerated() {
    let mut document = pool("blue");
    document["metadata"] = json!({
        "name": "blue", "namespace": "kube-system", "uid": "x", "resourceVersion": "7",
        "generation": 3, "managedFields": [{}], "labels": {"a": "b", "c": 1},
        "annotations": {"d": "e"}, "creationTimestamp": null, "finalizers": ["f"],
    });
    document["status"] = json!({"allocations": [], "conditions": [{"whatever": 1}]});
    let read = read(document);
    assert_eq!(messages(&read), [""; 0]);
    assert_eq!((read.kind.as_str(), read.name.as_str()), ("IPPool", "blue"));
    assert_eq!(read.generation, Some(3));
}

#[test]
fn what_is_wrong_with_an_envelope() {
    for (document, message) in [
        (
            json!("x"),
            vec![r#"error: "x": must be an object with apiVersion, kind, metadata and spec"#],
        ),
        (
            json!({}),
            vec![
                "error: apiVersion: must be given",
                "error: kind: must be given",
                "error: metadata.name: must be given",
            ],
        ),
        (
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}),
            vec![r#"error: apiVersion: "v1": must be an API group that railhead knows"#],
        ),
        (
            json!({"apiVersion": "nv-ipam.nvidia.com/v1", "kind": "IPPool", "metadata": {"name": "a"}}),
            vec![
                r#"error: apiVersion: "nv-ipam.nvidia.com/v1": must be nv-ipam.nvidia.com/v1alpha1"#,
            ],
        ),
        (
            json!({"apiVersion": "sriovnetwork.openshift.com/v1", "kind": "IPPool", "metadata": {"name": "a"}}),
            vec![
                r#"error: apiVersion: "sriovnetwork.openshift.com/v1": must be an API group that railhead knows; did you mean sriovnetwork.openshift.io?"#,
            ],
        ),
        (
            json!({"apiVersion": "sriovnetwork.openshift.io/v1", "kind": "SriovNodePolicy", "metadata": {"name": "a"}}),
            vec![
                r#"error: kind: "SriovNodePolicy": must be a kind of sriovnetwork.openshift.io/v1; did you mean SriovNetworkNodePolicy?"#,
            ],
        ),
        (
            json!({"apiVersion": "sriovnetwork.openshift.io/v1", "kind": "SriovNetwork", "metadata": {"name": "a"}}),
            vec![
                r#"warning: kind: "SriovNetwork": is a kind that this version of railhead does not act upon"#,
            ],
        ),
        (
            json!({"apiVersion": 1, "kind": [], "metadata": "x"}),
            vec![
                "error: apiVersion: 1: must be a text",
                "error: kind: []: must be a text",
                r#"error: metadata: "x": must be an object"#,
            ],
        ),
    ] {
        assert_eq!(messages(&read(document.clone())), message, "{document}");
    }
}

#[test]
fn names_that_are_none_are_not_repeated() {
    for name in
        ["../../etc/passwd", "Blue", "a_b", "-a", "a..b", "a\u{1b}[31m", "", &"a".repeat(254)]
    {
        let read = read(pool(name));
        assert_eq!(read.name, "", "{name}");
        let message = messages(&read).join("\n");
        assert!(
            message.starts_with("error: metadata.name: ") && !message.contains('\u{1b}'),
            "{message}"
        );
    }
    assert_eq!(messages(&read(pool("a.b-c.1"))), [""; 0]);
}

#[test]
fn a_bad_envelope_does_not_hide_a_bad_spec() {
    let mut document = pool("Blue");
    document["spec"]["perNodeBlockSize"] = json!(0);
    document["specc"] = json!({});
    insta::assert_snapshot!(messages(&read(document)).join("\n"));
}

#[test]
fn the_operators_own_policy_is_skipped() {
    let read = read(json!({
        "apiVersion": "sriovnetwork.openshift.io/v1", "kind": "SriovNetworkNodePolicy",
        "metadata": {"name": "default"}, "spec": {"resourceName": "", "numVfs": 0},
    }));
    assert!(matches!(read.object, Ok(Object::Unhandled { .. })));
    assert_eq!(read.warnings.len(), 1);
}

#[test]
fn lists_are_unrolled() {
    let names = |document: Value| -> Vec<String> {
        read_all(document).into_iter().map(|read| read.name).collect()
    };
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [pool("a"), pool("b")]});
    assert_eq!(names(list), ["a", "b"]);
    assert_eq!(names(pool("a")), ["a"]);

    // As the API server lists: kind and version are the list's.
    let mut bare = pool("a");
    bare.as_object_mut().unwrap().retain(|key, _| key == "metadata" || key == "spec");
    let list = json!({"apiVersion": "nv-ipam.nvidia.com/v1alpha1", "kind": "IPPoolList", "metadata": {}, "items": [bare]});
    let reads = read_all(list);
    assert!(matches!(&reads[..], [Read { object: Ok(Object::IpPool(_)), .. }]), "{reads:?}");

    assert_eq!(names(json!({"apiVersion": "v1", "kind": "List", "items": []})), [""; 0]);
    assert_eq!(read_all(json!({"apiVersion": "v1", "kind": "List"})).len(), 1);
}

#[test]
fn lists_in_lists_end() {
    let nest = |inner: Value| json!({"kind": "List", "items": [inner]});
    let document = (0..50).fold(pool("a"), |inner, _| nest(inner));
    assert!(read_all(document)[0].object.is_err());
}

/// Any JSON, often with keys and values that mean something here.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "IPPool",
            "CIDRPool",
            "SriovNetworkNodePolicy",
            "List",
            "10.0.0.0/8",
            "::/0",
            "0.0.0.0/0",
            "fd00::1",
            "eth0#0-3",
            "#",
            "switchdev",
            "ib",
            "vfio-pci",
            "In",
            "Gt",
        ])
        .prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    let fields: Vec<String> =
        [policy::spec::FIELDS, pool::spec::IP_POOL_FIELDS, pool::spec::CIDR_POOL_FIELDS, ENVELOPE]
            .concat()
            .iter()
            .flat_map(|path| path.split('.'))
            .map(|field| field.trim_end_matches("[]").to_owned())
            .chain(["items".to_owned(), "name".to_owned()])
            .collect();
    leaf.prop_recursive(6, 64, 8, move |inner| {
        let key = prop_oneof![9 => prop::sample::select(fields.clone()), 1 => "\\PC{0,8}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..10)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_document_makes_reading_panic(document in any_json()) {
        for read in read_all(document) {
            // Nobody is refused without a reason.
            prop_assert!(read.object.is_ok() || !messages(&read).is_empty());
        }
    }

    #[test]
    fn no_spec_makes_reading_panic(spec in any_json(), which in 0..3_usize) {
        let (group, kind) = [
            ("sriovnetwork.openshift.io/v1", "SriovNetworkNodePolicy"),
            ("nv-ipam.nvidia.com/v1alpha1", "IPPool"),
            ("nv-ipam.nvidia.com/v1alpha1", "CIDRPool"),
        ][which];
        let read = read(json!({"apiVersion": group, "kind": kind, "metadata": {"name": "a"}, "spec": spec}));
        if let Err(violations) = &read.object {
            prop_assert!(!violations.0.is_empty());
            for violation in &violations.0 {
                prop_assert!(violation.path.starts_with("spec"), "{}", violation);
            }
        }
    }
}
