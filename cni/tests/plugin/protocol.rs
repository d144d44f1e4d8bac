//! CNI specification 1.1.0, sections 2 and 5, on both plugins.

use serde_json::{Value, json};

use crate::bed::{Call, block, isolated, nv_ipam, sriov};

const PLUGINS: [&str; 2] = ["sriov", "nv-ipam"];
const ALL: [&str; 5] = ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH", "CNI_ARGS"];

#[test]
fn version_needs_nothing_and_names_all_versions() {
    isolated(|| {
        for plugin in PLUGINS {
            let call = Call::new(plugin, "VERSION", &json!({})).without(&ALL).stdin(b"");
            assert_eq!(
                call.run().ok(),
                json!({
                    "cniVersion": "1.1.0",
                    "supportedVersions": ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"],
                })
            );
        }
    });
}

#[test]
fn version_does_not_wait_for_stdin() {
    isolated(|| {
        let (mut child, stdin) = Call::new("sriov", "VERSION", &json!({})).start_with_open_stdin();
        assert!(child.wait().unwrap().success());
        drop(stdin);
    });
}

#[test]
fn without_a_command_it_tells_what_it_is() {
    isolated(|| {
        let reply = Call::new("sriov", "", &json!({})).run();
        assert_eq!((reply.status, &reply.document), (Some(0), &Value::Null));
        assert!(reply.stderr.contains("0.1.0, 0.2.0"), "{}", reply.stderr);
    });
}

#[test]
fn every_missing_variable_is_named() {
    isolated(|| {
        for plugin in PLUGINS {
            for (verb, needed) in [
                ("ADD", &ALL[..4]),
                ("CHECK", &ALL[..4]),
                ("DEL", &["CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"][..]),
                ("STATUS", &["CNI_PATH"]),
                ("GC", &["CNI_PATH"]),
            ] {
                let all = Call::new(plugin, verb, &json!({})).without(&ALL).run().error(4);
                let expected = format!("required env variables [{}] missing ", needed.join(","));
                assert_eq!(all, expected, "{verb}");
                for name in needed {
                    let one = Call::new(plugin, verb, &json!({})).without(&[name]).run().error(4);
                    assert_eq!(one, format!("required env variables [{name}] missing "), "{verb}");
                }
            }
        }
    });
}

#[test]
fn what_is_wrong_with_a_variable_is_told() {
    isolated(|| {
        for (name, value) in [
            ("CNI_COMMAND", "add"),
            ("CNI_COMMAND", "FOO"),
            ("CNI_CONTAINERID", "../x"),
            ("CNI_IFNAME", "a/b"),
            ("CNI_IFNAME", "1234567890123456"),
            ("CNI_ARGS", "a=b=c"),
            ("CNI_ARGS", "UNKNOWN=1"),
        ] {
            let call = Call::new("sriov", "ADD", &sriov(json!({}))).env(name, value);
            let error = call.run().error(4);
            let word = value.split('=').next().unwrap();
            assert!(error.contains(word), "{name}={value}: {error}");
        }
    });
}

#[test]
fn stdin_that_is_no_config_is_code_6() {
    isolated(|| {
        for plugin in PLUGINS {
            for stdin in ["", "{", "[]", "{\"cniVersion\":5}", "\0", "nul"] {
                for verb in ["ADD", "DEL", "CHECK", "STATUS", "GC"] {
                    let call = Call::new(plugin, verb, &json!({})).stdin(stdin.as_bytes());
                    call.run().error(6);
                }
            }
        }
    });
}

#[test]
fn names_and_versions_are_checked() {
    isolated(|| {
        for plugin in PLUGINS {
            for (config, code) in [
                (json!({"cniVersion": "1.0.0"}), 7),
                (json!({"cniVersion": "1.0.0", "name": "../x"}), 7),
                (json!({"cniVersion": "1.2.0", "name": "n"}), 1),
                (json!({"cniVersion": "1.0", "name": "n"}), 1),
            ] {
                Call::new(plugin, "ADD", &config).run().error(code);
            }
            for (verb, version) in [("CHECK", "0.3.1"), ("STATUS", "1.0.0"), ("GC", "1.0.0")] {
                let config = json!({"cniVersion": version, "name": "n"});
                let error = Call::new(plugin, verb, &config).run().error(1);
                assert!(error.contains(verb) && error.contains(version), "{error}");
            }
            let config = json!({"cniVersion": "1.0.0", "name": "n", "prevResult": null});
            let error = Call::new(plugin, "CHECK", &config).run().error(7);
            assert!(error.contains("prevResult"), "{error}");
        }
    });
}

#[test]
fn an_error_speaks_the_callers_version() {
    isolated(|| {
        for version in ["0.1.0", "0.4.0", "1.0.0"] {
            let config = sriov(json!({"cniVersion": version, "vlan": 9999}));
            let reply = Call::new("sriov", "ADD", &config).run();
            assert_eq!(
                reply.document,
                json!({
                    "cniVersion": version, "code": 7,
                    "msg": "invalid config: vlan: 9999: must be between 0 and 4094",
                })
            );
        }
    });
}

#[test]
fn logs_go_to_stderr_and_never_to_stdout() {
    isolated(|| {
        let config = sriov(json!({"logLevel": "debug", "max-tx-rate": 1}));
        let reply = Call::new("sriov", "ADD", &config).run();
        assert!(reply.stderr.contains("did you mean \\\"max_tx_rate\\\""), "{}", reply.stderr);
        for line in reply.stderr.lines() {
            assert!(line.starts_with("time=2") && line.contains(" plugin=sriov msg=\""), "{line}");
        }
        let file = "/var/log/sriov.log";
        let config = sriov(json!({"logFile": file}));
        let reply = Call::new("sriov", "ADD", &config).run();
        assert_eq!(reply.stderr, "");
        reply.error(7);
        assert!(std::fs::read_to_string(file).unwrap().contains("level=error"));
    });
}

/// The words of a config reach no file but a log of ours: by a link in a directory of somebody else's they would be
/// a library that each program of root loads.
#[test]
fn a_log_is_never_a_way_to_another_file() {
    isolated(|| {
        use std::os::unix::fs::{PermissionsExt, chown, symlink};
        for directory in ["/var/log/app", "/var/log/audit", "/run/etc"] {
            std::fs::create_dir(directory).unwrap();
        }
        symlink("/run/etc", "/var/log/app/d").unwrap();
        symlink("/run/etc", "/var/log/own").unwrap();
        chown("/var/log/app", Some(1000), Some(1000)).unwrap();
        std::fs::write("/var/log/wtmp", "users").unwrap();
        std::fs::write("/var/log/audit/audit.log", "type=LOGIN").unwrap();
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions("/var/log/audit/audit.log", private).unwrap();
        for file in ["app/d/ld.so.preload", "own/nologin", "app/new.log", "wtmp", "audit/audit.log"]
        {
            let config = sriov(json!({"logFile": format!("/var/log/{file}"), "x /tmp/e.so y": 1}));
            let reply = Call::new("sriov", "ADD", &config).run();
            let ignored = format!("logFile /var/log/{file} is ignored: ");
            assert!(reply.stderr.contains(&ignored), "{file}: {}", reply.stderr);
            reply.error(7);
        }
        assert_eq!(std::fs::read_dir("/run/etc").unwrap().count(), 0);
        assert_eq!(std::fs::read_dir("/var/log/app").unwrap().count(), 1);
        assert_eq!(std::fs::read_to_string("/var/log/wtmp").unwrap(), "users");
        assert_eq!(std::fs::read_to_string("/var/log/audit/audit.log").unwrap(), "type=LOGIN");
    });
}

#[test]
fn it_runs_where_hardly_anything_is_left() {
    isolated(|| {
        for before in [
            "exec 2>&-",
            "ulimit -n 64",
            "d=$(mktemp -d); cd $d; rmdir $d",
            "mount -o remount,ro,bind / 2>/dev/null",
        ] {
            let error = Call::new("sriov", "ADD", &sriov(json!({}))).after(before).run().error(7);
            assert!(error.contains("0000:ff:1f.7"), "after {before}: {error}");
            assert_eq!(
                Call::new("sriov", "DEL", &sriov(json!({}))).after(before).run().ok(),
                Value::Null,
                "after {before}"
            );
        }
    });
}

#[test]
fn an_answer_that_nobody_reads_is_a_failure_and_is_taken_back() {
    isolated(|| {
        crate::bed::block(2);
        for _ in 0..3 {
            let config = nv_ipam(json!({})).to_string();
            let (mut call, mut stdin) =
                Call::new("nv-ipam", "ADD", &json!({})).start_with_open_stdin();
            drop(call.stdout.take());
            std::io::Write::write_all(&mut stdin, config.as_bytes()).unwrap();
            drop(stdin);
            assert_eq!(call.wait().unwrap().code(), Some(1));
        }
        // With one address in the block, this one would find none if it were still held.
        let call = Call::new("nv-ipam", "ADD", &nv_ipam(json!({}))).env("CNI_CONTAINERID", "other");
        assert_eq!(call.run().ok()["ips"][0]["address"], "10.77.0.2/24");
    });
}

/// The caller has the first answer, and a container uses what it says.
#[test]
fn a_repeated_add_takes_nothing_back_that_the_first_gave() {
    isolated(|| {
        block(3);
        let add = || Call::new("nv-ipam", "ADD", &nv_ipam(json!({})));
        let first = add().run().ok();
        for _ in 0..3 {
            let (mut call, mut stdin) = add().start_with_open_stdin();
            drop(call.stdout.take());
            std::io::Write::write_all(&mut stdin, nv_ipam(json!({})).to_string().as_bytes())
                .unwrap();
            drop(stdin);
            assert_eq!(call.wait().unwrap().code(), Some(1));
        }
        let other = add().env("CNI_CONTAINERID", "other").run().ok();
        assert_ne!(other["ips"], first["ips"]);
        assert_eq!(add().run().ok(), first);
    });
}

/// Whoever reads it learns which limit was met, not what the parser stumbled over.
#[test]
fn each_limit_is_named() {
    isolated(|| {
        for plugin in ["sriov", "nv-ipam"] {
            for (stdin, word) in [
                (String::new(), "stdin: it is empty"),
                (" \n".to_owned(), "stdin: it is empty"),
                (
                    format!("{{\"x\":\"{}\"}}", "a".repeat(17_000_000)),
                    "too large: longer than 4 MiB",
                ),
                (format!("{{\"x\":[{}1]}}", "1,".repeat(300_000)), "more than 200000 values"),
            ] {
                let call = Call::new(plugin, "ADD", &json!({})).stdin(stdin.as_bytes());
                let error = call.run().error(6);
                assert!(error.contains(word), "{word:?} was expected in {error}");
            }
            let long = "a".repeat(256);
            for (variable, word) in [
                ("CNI_CONTAINERID", "must have at most 255 characters, and has 256"),
                ("CNI_IFNAME", "must have at most 15 characters, and has 256"),
            ] {
                let call = Call::new(plugin, "ADD", &sriov(json!({}))).env(variable, &long);
                assert!(call.run().error(4).contains(word), "{variable}");
            }
            let call = Call::new(plugin, "ADD", &sriov(json!({"name": long})));
            let error = call.run().error(7);
            assert!(error.contains("must have at most 255 characters, and has 256"), "{error}");
        }
    });
}

/// A config of many small values takes far more memory as a tree than as a text.
#[test]
fn hostile_configs_are_answered_where_memory_is_short() {
    isolated(|| {
        for text in [
            format!("{{\"x\":[{}1]}}", "1,".repeat(6_000_000)),
            format!("{{\"x\":[{}1]}}", "[],".repeat(1_000_000)),
            format!("{{{}\"a\":1}}", "\"a\":1,".repeat(500_000)),
        ] {
            let call = Call::new("sriov", "ADD", &json!({})).stdin(text.as_bytes());
            assert!(call.after("ulimit -v 65536").run().error(6).contains("too large"));
        }
        // The most that is taken.
        let text = format!("{{\"x\":[{}1]}}", "[],".repeat(99_000));
        let call = Call::new("sriov", "ADD", &json!({})).stdin(text.as_bytes());
        call.after("ulimit -v 131072").run().error(7);
    });
}

/// The kernel ends a program that writes past its limit, unless the program asked it not to.
#[test]
fn a_limit_on_the_size_of_files_is_answered() {
    isolated(|| {
        block(9);
        for blocks in [0, 1, 8, 16] {
            for verb in ["ADD", "DEL", "GC"] {
                let config = nv_ipam(json!({"cni.dev/valid-attachments": []}));
                let call = Call::new("nv-ipam", verb, &config);
                let reply = call.after(&format!("ulimit -f {blocks}")).run();
                // The engine takes a write that was cut short for a full file system.
                let code = reply.document["code"].as_u64();
                assert!(matches!(code, Some(5 | 11)), "{blocks} {verb}: {reply:?}");
                assert_eq!(reply.status, Some(1));
            }
        }
        Call::new("nv-ipam", "ADD", &nv_ipam(json!({}))).run().ok();
    });
}

/// However little memory for data there is: wherever the program starts at all, each verb answers,
/// and is right again when there is enough.
#[test]
fn a_limit_on_memory_is_answered() {
    isolated(|| {
        block(9);
        let config = |values: usize| {
            nv_ipam(json!({"cni.dev/valid-attachments": [], "labels": vec![1; values]}))
        };
        let (small, large) = (config(0), config(190_000));
        let (mut answers, mut aborts) = (0, 0);
        let little = (64..1536).step_by(64).map(|kilobytes| (kilobytes, &small));
        let more = (1024..16_384).step_by(1024).map(|kilobytes| (kilobytes, &large));
        for (kilobytes, config) in little.chain(more) {
            let limit = format!("ulimit -d {kilobytes}");
            if Call::new("nv-ipam", "VERSION", &small).after(&limit).run().document == Value::Null {
                continue;
            }
            for verb in ["ADD", "DEL", "GC"] {
                let reply = Call::new("nv-ipam", verb, config).after(&limit).run();
                let is_error = reply.document["code"].is_u64() && reply.status == Some(1);
                assert!(is_error || reply.status == Some(0), "{kilobytes} {verb}: {reply:?}");
                answers += 1;
                let says = reply.document["msg"].as_str().unwrap_or_default();
                aborts += u32::from(says.contains("ran out of memory"));
            }
        }
        assert!(answers > 60 && aborts > 0, "{aborts} of {answers}");
        let config = small;
        Call::new("nv-ipam", "DEL", &config).run().ok();
        Call::new("nv-ipam", "ADD", &config).run().ok();
    });
}

/// The moment when a hint is needed is when the call fails.
#[test]
fn what_is_odd_about_a_config_is_told_when_the_call_fails() {
    isolated(|| {
        let hint = "did you mean";
        let ipam = |keys: Value| nv_ipam(json!({"ipam": keys}));
        for (plugin, verb, config, code, word) in [
            (
                "nv-ipam",
                "ADD",
                ipam(json!({"type": "nv-ipam", "pool_name": "blue"})),
                11,
                "poolName",
            ),
            (
                "nv-ipam",
                "STATUS",
                ipam(json!({"type": "nv-ipam", "pool_name": "x"})),
                50,
                "poolName",
            ),
            (
                "nv-ipam",
                "ADD",
                ipam(json!({"type": "nv-ipam", "pooltyp": "x", "poolName": 5})),
                7,
                "poolType",
            ),
            ("sriov", "ADD", sriov(json!({"vlanqos_": 1})), 7, "vlanQoS"),
            ("sriov", "ADD", sriov(json!({"max-tx-rate": 1, "vlan": 5000})), 7, "max_tx_rate"),
            ("sriov", "ADD", sriov(json!({"deviceID": null, "max-tx-rate": 1})), 7, "max_tx_rate"),
        ] {
            let reply = Call::new(plugin, verb, &config).run();
            assert!(reply.stderr.contains(word), "{config}: {}", reply.stderr);
            let details = reply.document["details"].as_str().unwrap_or_default().to_owned();
            reply.error(code);
            assert!(details.contains(hint) && details.contains(word), "{config}: {details:?}");
            assert_eq!(details.matches(hint).count(), 1, "{details}");
        }
    });
}
