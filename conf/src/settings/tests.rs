use serde_json::json;

use super::*;

fn refused(document: Value) -> String {
    let violations = read(document).unwrap_err().0;
    violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn nothing_said_is_the_default() {
    for document in [Value::Null, json!({}), json!({"guard": null, "standalone": null})] {
        assert_eq!(read(document).unwrap(), (Settings::default(), vec![]));
    }
}

#[test]
fn every_key_arrives() {
    let document = json!({
        "nodeName": "worker-1", "nodeLabels": {"kubernetes.io/os": "linux", "gpu": ""},
        "standalone": {"host": 1, "hosts": 2},
        "guard": {"allow": ["ens1f0", "86:00.1"], "addresses": ["192.0.2.1", "2001:db8::1"]},
        "cooldownSeconds": 0,
        "blockGraceSeconds": 604_800, "metrics": {"listen": "127.0.0.1:9810"},
    });
    let (settings, warnings) = read(document.clone()).unwrap();
    assert_eq!(warnings, []);
    // Written as it is read.
    assert_eq!(serde_json::to_value(settings).unwrap(), document);
}

#[test]
fn unknown_keys_warn() {
    let document = json!({"nodename": "a", "metrics": {"listne": "127.0.0.1:1"}});
    let (settings, warnings) = read(document).unwrap();
    assert_eq!(settings.node_name, None);
    assert_eq!(
        warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "metrics.listne: unknown field; did you mean listen?",
            "nodename: unknown field; did you mean nodeName?",
        ]
    );
}

#[test]
fn a_misspelt_guard_leaves_nothing_unguarded() {
    for (document, message) in [
        (
            json!({"guard": {"adresses": ["192.0.2.1"]}}),
            "guard.adresses: unknown field; did you mean addresses? ",
        ),
        (json!({"gard": {"addresses": []}}), "gard: unknown field; did you mean guard? "),
        (json!({"addresses": []}), "addresses: unknown field; did you mean guard.addresses? "),
        (json!({"Standalone": {"host": 1}}), "Standalone: unknown field; did you mean standalone?"),
        (json!({"nodeLabel": {"a": "b"}}), "nodeLabel: unknown field; did you mean nodeLabels? "),
    ] {
        let told = refused(document);
        assert!(told.starts_with(message), "{told}");
    }
}

#[test]
fn metrics_are_for_this_machine() {
    for address in ["127.0.0.1:9810", "127.9.9.9:1", "[::1]:65535"] {
        let (settings, _) = read(json!({"metrics": {"listen": address}})).unwrap();
        assert_eq!(settings.metrics.listen, Some(address.parse().unwrap()));
    }
    for address in [
        "",
        "9810",
        ":9810",
        "localhost:9810",
        "127.0.0.1",
        "127.0.0.1:0",
        "0.0.0.0:9810",
        "[::]:9810",
        "[::ffff:10.0.0.1]:9810",
        "10.0.0.1:9810",
    ] {
        let told = refused(json!({"metrics": {"listen": address}}));
        let says = format!("metrics.listen: \"{address}\": must be a loopback address with a port");
        assert!(told.starts_with(&says), "{told}");
    }
}

/// The messages are read by people: all of them are spelled out.
#[test]
fn rules() {
    for (document, message) in [
        (json!("x"), r#""x": must be an object"#),
        (json!([]), "[]: must be an object"),
        (
            json!({"nodeName": "Worker"}),
            r#"nodeName: "Worker": must be 1 to 253 lower-case letters, digits, '-' and '.', each part between dots beginning and ending with a letter or digit"#,
        ),
        (json!({"nodeName": 1}), "nodeName: 1: must be a text; put it in quotes"),
        (
            json!({"nodeLabels": {"a b": "c"}}),
            r#"nodeLabels["a b"]: must be named like a label, like kubernetes.io/os"#,
        ),
        (
            json!({"nodeLabels": {"a": "b c"}}),
            r#"nodeLabels.a: "b c": must be a label's value: up to 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"#,
        ),
        (
            json!({"standalone": {}}),
            "standalone.host: must be given\nstandalone.hosts: must be given",
        ),
        (
            json!({"standalone": {"host": 0, "hosts": 0}}),
            "standalone.hosts: 0: must be between 1 and 4294967295",
        ),
        (
            json!({"standalone": {"host": -1, "hosts": 1}}),
            "standalone.host: -1: must be between 0 and 4294967295",
        ),
        (
            json!({"standalone": {"host": 2, "hosts": 2}}),
            "standalone.host: 2: must be below hosts, which is 2; hosts are counted from 0",
        ),
        (
            json!({"guard": {"allow": ["ok", "a b"]}}),
            r#"guard.allow[1]: "a b": must be the name or the PCI address of a PF"#,
        ),
        (json!({"cooldownSeconds": -1}), "cooldownSeconds: -1: must be between 0 and 86400"),
        (json!({"cooldownSeconds": 86_401}), "cooldownSeconds: 86401: must be between 0 and 86400"),
    ] {
        assert_eq!(refused(document.clone()), message, "{document}");
    }
}

#[test]
fn a_pf_is_allowed_by_any_of_its_names_or_its_address() {
    let allow = vec!["ens1f0".to_owned(), "86:00.1".to_owned()];
    let guard = Guard { allow, ..Guard::default() };
    let at = |text: &str| text.parse::<PciAddress>().unwrap();
    assert!(guard.allows(at("0000:01:00.0"), ["ens1f0"]));
    assert!(guard.allows(at("0000:01:00.0"), ["eth0", "ens1f0"]));
    assert!(guard.allows(at("0000:86:00.1"), []));
    assert!(!guard.allows(at("0000:86:00.0"), ["ens1f0np0"]));
    assert!(!Guard::default().allows(at("0000:86:00.0"), ["ens1f0"]));
}

#[test]
fn an_address_to_guard_is_one_that_a_nic_can_be_found_by() {
    let refused = |entry: &str| refused(json!({"guard": {"addresses": [entry]}}));
    for entry in ["node-a", "192.0.2.1/24", "0.0.0.0", "::1", "fe80::1", "169.254.0.1", "ff02::1"] {
        assert_eq!(
            refused(entry),
            format!(
                "guard.addresses[0]: \"{entry}\": must be an IPv4 or IPv6 address of one host, \
                 without prefix, and not link-local"
            )
        );
    }
}
