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
            json!({"apiVersion": "nv-ipam.nvidia.com/v1", "kind": "IPPool", "metadata": {"name": "a"}}),
            vec![
                r#"error: apiVersion: "nv-ipam.nvidia.com/v1": must be nv-ipam.nvidia.com/v1alpha1"#,
            ],
        ),
        (
            json!({"apiVersion": "sriovnetwork.openshift.com/v1", "kind": "SriovNetwork", "metadata": {"name": "a"}}),
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

/// A template that had nothing for it, or a line that was forgotten.
#[test]
fn a_restriction_without_a_value_refuses_the_object() {
    let mut tried = 0;
    for document in restricted() {
        let mut objects = Vec::new();
        objects_in(&document["spec"], "/spec", &mut objects);
        for at in objects.iter().skip(1) {
            for name in document.pointer(at).unwrap().as_object().unwrap().keys() {
                let mut document = document.clone();
                document.pointer_mut(at).unwrap()[name] = Value::Null;
                let told = messages(&read(document));
                let says = format!("{name}: null: must have a value; leave it out");
                assert!(told.iter().any(|line| line.contains(&says)), "{at}/{name}: {told:?}");
                tried += 1;
            }
        }
    }
    assert!(tried > 20, "{tried}");
    // As a whole it is absent, as on a cluster.
    let [_, mut pool, _] = restricted();
    pool["spec"]["exclusions"] = Value::Null;
    assert_eq!(messages(&read(pool)), [""; 0]);
}

/// What others write is theirs, whatever it looks like; of a kind of ours a slip is told.
#[test]
fn kinds_of_others_are_skipped_and_slips_are_not() {
    let read = |api_version: &str, kind: &str| {
        // Without a name, as `generateName` has it, and with what no kind of ours has.
        read(json!({"apiVersion": api_version, "kind": kind, "metadata": {}, "data": {"a": "b"}}))
    };
    for (api_version, kind, is_known) in [
        ("v1", "Pod", false),
        ("v1", "ConfigMap", false),
        ("v1", "Secret", false),
        ("apps/v1", "Deployment", false),
        ("networking.k8s.io/v1", "NetworkPolicy", false),
        ("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy", false),
        ("nmstate.io/v1", "NodeNetworkConfigurationPolicy", false),
        ("crd.projectcalico.org/v1", "IPPool", false),
        ("metallb.io/v1beta1", "IPAddressPool", false),
        ("whereabouts.cni.cncf.io/v1alpha1", "IPPool", false),
        ("nvidia.com/v1", "ClusterPolicy", false),
        ("resource.nvidia.com/v1beta1", "ComputeDomain", false),
        ("nfd.k8s-sigs.io/v1alpha1", "NodeFeatureRule", false),
        ("mellanox.com/v1alpha1", "SomethingOfTomorrow", false),
        ("mellanox.com/v1alpha1", "NicClusterPolicy", true),
        ("mellanox.com/v1beta7", "NicNodePolicy", true),
        ("mellanox.com/v1alpha1", "HostDeviceNetwork", true),
        ("mellanox.com/v1alpha1", "MacvlanNetwork", true),
        ("mellanox.com/v1alpha1", "IPoIBNetwork", true),
        ("sriovnetwork.openshift.io/v1", "SriovNetwork", true),
        ("sriovnetwork.openshift.io/v1", "SriovIBNetwork", true),
        ("sriovnetwork.openshift.io/v1", "OVSNetwork", true),
        ("sriovnetwork.openshift.io/v1", "SriovNetworkPoolConfig", true),
        ("sriovnetwork.openshift.io/v1", "SriovOperatorConfig", true),
        ("sriovnetwork.openshift.io/v1", "SriovNetworkNodeState", true),
        ("configuration.net.nvidia.com/v1alpha1", "NicDevice", true),
        ("configuration.net.nvidia.com/v1alpha1", "NicConfigurationTemplate", true),
        ("k8s.cni.cncf.io/v1", "NetworkAttachmentDefinition", true),
        ("spectrumx.nvidia.com/v1alpha2", "SpectrumXRailPoolConfig", true),
        ("maintenance.nvidia.com/v1alpha1", "NodeMaintenance", true),
    ] {
        let read = read(api_version, kind);
        assert_eq!(read.object, Ok(Object::Skipped { is_known }), "{api_version} {kind}");
        assert_eq!((read.kind.as_str(), read.warnings.len()), (kind, 0));
    }
    for (api_version, kind, hint) in [
        ("sriovnetwork.openshift.io/v1", "SriovNetworkNodePolcy", "SriovNetworkNodePolicy"),
        ("sriovnetwork.openshift.io/v1", "sriovnetworknodepolicy", "SriovNetworkNodePolicy"),
        ("sriovnetwork.openshift.io/v1", "SriovNetworkNodePolicies", "SriovNetworkNodePolicy"),
        ("nv-ipam.nvidia.com/v1alpha1", "IPool", "IPPool"),
        ("nv-ipam.nvidia.com/v1alpha1", "CidrPool", "CIDRPool"),
        ("mellanox.com/v1alpha1", "NicClusterPolcy", "NicClusterPolicy"),
        ("sriovnetwork.openshift.com/v1", "SriovNetworkNodePolicy", "sriovnetwork.openshift.io"),
        ("sriovnetworks.openshift.io/v1", "SriovNetworkNodePolcy", "sriovnetwork.openshift.io"),
        ("nvipam.nvidia.com/v1alpha1", "IPPool", "nv-ipam.nvidia.com"),
        ("v1", "IPPool", "nv-ipam.nvidia.com"),
        ("v1", "SriovNetworkNodePolicy", "sriovnetwork.openshift.io"),
        ("sriov.io/v1", "SriovNetworkNodePolicy", "sriovnetwork.openshift.io"),
    ] {
        let told = messages(&read(api_version, kind));
        let hint = format!("did you mean {hint}?");
        assert!(told.iter().any(|line| line.ends_with(&hint)), "{api_version} {kind}: {told:?}");
    }
    let told = messages(&read("nv-ipam.nvidia.com/v1alpha1", "Foo"));
    assert!(told[1].ends_with("must be a kind of nv-ipam.nvidia.com/v1alpha1"), "{told:?}");
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

/// A document of each kind with every field that restricts something.
fn restricted() -> [Value; 3] {
    let selector = json!({"nodeSelectorTerms": [{
        "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}],
        "matchFields": [{"key": "metadata.name", "operator": "In", "values": ["b"]}],
    }]});
    let ranges = json!([{"startIndex": 1, "endIndex": 2}]);
    let exclusions = json!([{"startIP": "10.0.0.5", "endIP": "10.0.0.6"}]);
    let mut ip_pool = pool("blue");
    ip_pool["spec"] = json!({
        "subnet": "10.0.0.0/24", "perNodeBlockSize": 4, "gateway": "10.0.0.1",
        "exclusions": exclusions, "perNodeExclusions": ranges, "nodeSelector": selector,
    });
    let mut cidr_pool = pool("blue");
    cidr_pool["kind"] = json!("CIDRPool");
    cidr_pool["spec"] = json!({
        "cidr": "10.0.0.0/24", "perNodeNetworkPrefix": 29, "gatewayIndex": 1,
        "exclusions": exclusions, "perNodeExclusions": ranges, "nodeSelector": selector,
        "staticAllocations": [
            {"nodeName": "n", "gateway": "10.0.0.1", "prefix": "10.0.0.0/29"},
        ],
    });
    let policy = json!({
        "apiVersion": "sriovnetwork.openshift.io/v1", "kind": "SriovNetworkNodePolicy",
        "metadata": {"name": "intel"},
        "spec": {
            "resourceName": "intel", "numVfs": 4, "externallyManaged": true,
            "nodeSelector": {"a": "b"},
            "nicSelector": {
                "vendor": "8086", "deviceID": "1572", "rootDevices": ["0000:01:00.0"],
                "pfNames": ["ens3f1"],
            },
        },
    });
    [policy, ip_pool, cidr_pool]
}

/// The paths of all objects in `value`, as JSON pointers.
fn objects_in(value: &Value, at: &str, out: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            out.push(at.to_owned());
            fields.iter().for_each(|(key, field)| objects_in(field, &format!("{at}/{key}"), out));
        }
        Value::Array(items) => {
            let at = |index: usize| format!("{at}/{index}");
            items.iter().enumerate().for_each(|(index, item)| objects_in(item, &at(index), out));
        }
        _ => {}
    }
}

/// How people misspell `name`: a letter too few, too many, two in the wrong order, another case.
fn misspelt(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut out = vec![name.to_uppercase(), name.to_lowercase(), format!("{name}s")];
    for at in 0..letters.len() {
        let (before, after) = (&letters[..at], &letters[at..]);
        let text = |parts: &[&[char]]| parts.concat().iter().collect::<String>();
        out.push(text(&[before, &after[1..]]));
        out.push(text(&[before, &after[..1], after]));
        if let [one, two, rest @ ..] = after {
            out.push(text(&[before, &[*two, *one], rest]));
        }
    }
    out.retain(|wrong| wrong != name);
    out
}

/// Whatever of these a policy or pool loses, it would be for more than it says.
#[test]
fn a_misspelt_restriction_refuses_the_object() {
    let optional = ["resourceName", "numVfs"];
    let mut tried = 0;
    for document in restricted() {
        assert_eq!(messages(&read(document.clone())), [""; 0]);
        let mut objects = Vec::new();
        objects_in(&document["spec"], "/spec", &mut objects);
        // Any label may be looked at.
        objects.retain(|at| {
            !(document["kind"] == "SriovNetworkNodePolicy" && at.ends_with("nodeSelector"))
        });
        for at in objects {
            let fields = document.pointer(&at).unwrap().as_object().unwrap();
            for name in fields.keys().filter(|name| !optional.contains(&name.as_str())) {
                for wrong in misspelt(name).into_iter().filter(|wrong| !fields.contains_key(wrong))
                {
                    let mut document = document.clone();
                    let fields = document.pointer_mut(&at).unwrap().as_object_mut().unwrap();
                    let value = fields.remove(name).unwrap();
                    fields.insert(wrong.clone(), value);
                    let read = read(document);
                    assert!(read.object.is_err(), "{at}/{wrong}: {:?}", messages(&read));
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 1000, "{tried}");
}

/// A line that is indented too little, or in the place where another format has it.
#[test]
fn a_restriction_in_the_wrong_place_refuses_the_object() {
    let [policy, ip_pool, _] = restricted();
    for (mut document, from, to, key, told) in [
        (
            policy.clone(),
            "/spec/nicSelector",
            "/spec",
            "pfNames",
            "spec.pfNames: unknown field; did you mean spec.nicSelector.pfNames?",
        ),
        (
            policy,
            "/spec",
            "",
            "externallyManaged",
            "externallyManaged: unknown field; did you mean spec.externallyManaged?",
        ),
        (
            ip_pool.clone(),
            "/spec",
            "",
            "nodeSelector",
            "nodeSelector: unknown field; did you mean spec.nodeSelector?",
        ),
        (
            ip_pool.clone(),
            "/spec",
            "",
            "exclusions",
            "exclusions: unknown field; did you mean spec.exclusions?",
        ),
        (
            ip_pool,
            "/spec/nodeSelector/nodeSelectorTerms/0",
            "/spec/nodeSelector",
            "matchFields",
            "spec.nodeSelector.matchFields: unknown field; did you mean spec.nodeSelector.nodeSelectorTerms[].matchFields?",
        ),
    ] {
        let value = document.pointer_mut(from).unwrap().as_object_mut().unwrap().remove(key);
        document.pointer_mut(to).unwrap()[key] = value.unwrap();
        let told_of = messages(&read(document));
        assert!(
            told_of.iter().any(|line| line.starts_with(&format!("error: {told}"))),
            "{told_of:?}"
        );
    }
}

/// What other formats call it is near in meaning alone.
#[test]
fn a_restriction_by_another_name_refuses_the_object() {
    let told = |key: &str, at: &str| {
        let [_, mut document, _] = restricted();
        document.pointer_mut(at).unwrap()[key] = json!(["10.0.0.9"]);
        let read = read(document);
        assert!(read.object.is_err(), "{key}: {:?}", messages(&read));
        messages(&read).join("\n")
    };
    for key in ["exclude", "excludes", "excludeRanges", "Excluded"] {
        assert!(told(key, "/spec").contains("did you mean exclusions?"), "{key}");
    }
    assert!(
        told("matchLabels", "/spec/nodeSelector/nodeSelectorTerms/0")
            .contains("did you mean match")
    );
    for key in ["reservedIPs", "nodeNames", "nodeAffinity", "ignore"] {
        told(key, "/spec");
    }
    for key in ["range", "description", "vlan", "dhcp"] {
        let [_, mut document, _] = restricted();
        document["spec"][key] = json!(1);
        let read = read(document);
        assert!(read.object.is_ok() && read.warnings.len() == 1, "{:?}", messages(&read));
    }
}

#[test]
fn the_operators_own_policy_is_skipped() {
    let read = read(json!({
        "apiVersion": "sriovnetwork.openshift.io/v1", "kind": "SriovNetworkNodePolicy",
        "metadata": {"name": "default"}, "spec": {"resourceName": "", "numVfs": 0},
    }));
    assert!(matches!(read.object, Ok(Object::Skipped { is_known: true })));
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
        [policy::spec::FIELDS, pool::spec::IP_POOL_FIELDS, pool::spec::CIDR_POOL_FIELDS]
            .map(|fields| fields.known)
            .concat()
            .iter()
            .flat_map(|path| path.split('.'))
            .map(|field| field.trim_end_matches("[]").to_owned())
            .chain(ENVELOPE.iter().chain(&["items", "name"]).map(ToString::to_string))
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
