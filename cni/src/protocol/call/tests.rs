use proptest::prelude::*;
use serde_json::json;

use super::super::environment::Verb;
use super::*;

fn read(stdin: &[u8]) -> Result<Call, (Version, Error)> {
    let environment = Environment {
        verb: Verb::Status,
        args: "MAC=x".to_owned(),
        path: vec![],
        netns_override: false,
    };
    Call::read("sriov", &environment, stdin)
}

fn read_json(config: Value) -> Result<Call, (Version, Error)> {
    read(config.to_string().as_bytes())
}

#[test]
fn what_is_no_config_is_code_6() {
    for stdin in ["", "{", "[]", "5", "null", r#"{"cniVersion":5,"name":"n"}"#] {
        let (version, error) = read(stdin.as_bytes()).unwrap_err();
        assert_eq!((version, error.code), (Version::NEWEST, Code::Decode), "{stdin}");
    }
}

#[test]
fn deep_nesting_is_refused_without_overflowing_the_stack() {
    let (_, error) = read("[".repeat(1 << 20).as_bytes()).unwrap_err();
    assert_eq!(error.code, Code::Decode);
}

#[test]
fn unknown_versions_are_code_1() {
    let (_, error) = read_json(json!({"cniVersion": "9.9.9", "name": "n"})).unwrap_err();
    assert_eq!(error.code, Code::IncompatibleVersion);
    assert_eq!(error.msg, "incompatible CNI versions");
    assert!(error.details.contains("9.9.9") && error.details.contains("1.1.0"), "{error}");
}

#[test]
fn names_are_required_and_no_paths() {
    for config in [json!({}), json!({"name": ""}), json!({"name": "../x"}), json!({"name": 5})] {
        let (version, error) = read_json(config.clone()).unwrap_err();
        assert_eq!((version, error.code), (Version::V0_1_0, Code::InvalidConfig), "{config}");
    }
}

#[test]
fn absent_and_empty_versions_are_the_oldest() {
    for config in [json!({"name": "n"}), json!({"name": "n", "cniVersion": ""})] {
        assert_eq!(read_json(config).unwrap().version, Version::V0_1_0);
    }
}

#[test]
fn keys_match_in_any_case() {
    let call = read_json(
        json!({"CNIVersion": "1.0.0", "Name": "n", "PREVRESULT": {"cniVersion": "1.0.0"}}),
    )
    .unwrap();
    assert_eq!((call.version, call.network.as_str()), (Version::V1_0_0, "n"));
    assert_eq!(call.prev_result().unwrap(), Some(AddResult::default()));
    assert_eq!(call.args().unwrap().get("MAC"), Some("x"));
}

#[test]
fn verbs_need_a_version_that_has_them() {
    let call = read_json(json!({"name": "n", "cniVersion": "1.0.0"})).unwrap();
    assert_eq!(call.require_version(Version::V0_4_0, "CHECK"), Ok(()));
    let error = call.require_version(Version::V1_1_0, "GC").unwrap_err();
    assert_eq!(error.code, Code::IncompatibleVersion);
    assert_eq!(error.msg, "cniVersion 1.0.0: GC needs 1.1.0 or later");
}

#[test]
fn an_absent_list_of_attachments_is_not_an_empty_one() {
    let valid = |config: Value| read_json(config).unwrap().valid_attachments();
    assert_eq!(valid(json!({"name": "n"})), Ok(None));
    assert_eq!(valid(json!({"name": "n", "cni.dev/valid-attachments": null})), Ok(None));
    assert_eq!(
        valid(json!({"name": "n", "cni.dev/valid-attachments": []})),
        Ok(Some(BTreeSet::new()))
    );
    let list =
        json!([{"containerID": "c", "ifname": "net1"}, {"containerID": "../x", "ifname": "y"}]);
    let key = AttachmentKey { container: "c".parse().unwrap(), ifname: "net1".parse().unwrap() };
    for name in ["cni.dev/valid-attachments", "cni.dev/attachments"] {
        assert_eq!(
            valid(json!({"name": "n", name: list})),
            Ok(Some(BTreeSet::from([key.clone()])))
        );
    }
    for wrong in [json!({}), json!([5]), json!([{"containerID": "c"}])] {
        let error = valid(json!({"name": "n", "cni.dev/valid-attachments": wrong})).unwrap_err();
        assert_eq!(error.code, Code::InvalidConfig);
    }
}

proptest! {
    #[test]
    fn no_stdin_makes_reading_panic(bytes: Vec<u8>) {
        if let Err((_, error)) = read(&bytes) {
            prop_assert_eq!(error.code, Code::Decode);
        }
    }
}
