//! The plugin `sriov` where there is no VF: it refuses, forgives, and leaves no trace.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::bed::{Call, NETNS, executable, isolated, sriov};

/// Whatever is wrong with a config, neither state nor lock is left behind.
#[test]
fn refusals_leave_nothing_on_disk() {
    isolated(|| {
        for (keys, code, word) in [
            (json!({"deviceID": null}), 7, "k8s.v1.cni.cncf.io/resourceName"),
            (json!({"deviceID": "0000:FF:1F.7"}), 7, "0000:ff:1f.7"),
            (json!({"deviceID": "../../etc"}), 7, "PCI address"),
            (json!({"vlan": -1}), 7, "vlan: -1"),
            (json!({"mac": "zz"}), 7, "mac"),
            (json!({"runtimeConfig": {"mac": "ff:ff:ff:ff:ff:ff"}}), 7, "runtimeConfig.mac"),
            (json!({"spoofchk": "maybe", "trust": "yes"}), 7, "trust: \"yes\""),
            (json!({"ipam": {"type": "/bin/sh"}}), 7, "ipam.type"),
            (json!({"ipam": {"type": "nowhere"}}), 7, "find plugin nowhere"),
            (json!({"prevResult": {"ips": 5}}), 6, "CNI result"),
        ] {
            let error = Call::new("sriov", "ADD", &sriov(keys)).run().error(code);
            assert!(error.contains(word), "{word:?} was expected in {error}");
            assert!(!Path::new("/run/railhead").exists(), "{word}");
        }
    });
}

#[test]
fn accepted_without_a_word() {
    isolated(|| {
        let config = sriov(json!({
            "capabilities": {"mac": true}, "cni.dev/foo": 1, "vlan": null, "args": null, "ipam": {},
        }));
        let reply =
            Call::new("sriov", "ADD", &config).env("CNI_ARGS", "IgnoreUnknown=1;FOO=1;").run();
        assert!(!reply.stderr.contains("warning"), "{}", reply.stderr);
        assert!(reply.error(7).contains("no PCI device"));
    });
}

#[test]
fn namespaces_that_are_none_are_code_8() {
    isolated(|| {
        std::fs::write("/run/plain", "").unwrap();
        let own = format!("/proc/{}/task/{}/ns/net", std::process::id(), nix::unistd::gettid());
        for path in ["/run/netns/nowhere", "/run/plain", "/proc/self/ns/mnt", &own] {
            let call = Call::new("sriov", "ADD", &sriov(json!({}))).env("CNI_NETNS", path);
            let error = call.run().error(8);
            assert!(error.contains(path), "{error}");
        }
        let call = Call::new("sriov", "ADD", &sriov(json!({})));
        call.env("CNI_NETNS", &own).env("CNI_NETNS_OVERRIDE", "1").run().error(7);
    });
}

#[test]
fn del_of_what_was_never_added_is_success() {
    isolated(|| {
        for config in [
            sriov(json!({})),
            sriov(json!({"deviceID": null, "vlan": "rubbish"})),
            sriov(json!({"ipam": {"type": "nv-ipam", "poolName": "blue"}})),
            sriov(json!({"ipam": {"type": "nowhere"}, "cniVersion": ""})),
        ] {
            for netns in [NETNS, "/run/netns/nowhere", ""] {
                let call = Call::new("sriov", "DEL", &config);
                let call = call.env("CNI_NETNS", netns).env("CNI_ARGS", "a=b=c");
                assert_eq!(call.run().ok(), Value::Null, "{config} {netns}");
            }
        }
    });
}

/// Only the record may have been lost: the IPAM hears of the DEL.
#[test]
fn del_without_a_record_still_reaches_the_ipam() {
    isolated(|| {
        let bin = tempfile::tempdir().unwrap();
        let fake = bin.path().join("fake");
        let script =
            "#!/bin/sh\ncat >/run/config\necho $CNI_COMMAND $CNI_CONTAINERID >>/run/calls\n";
        executable(&fake, script);
        let config = sriov(json!({"ipam": {"type": "fake"}}));
        let path = bin.path().to_str().unwrap();
        Call::new("sriov", "DEL", &config).env("CNI_PATH", path).run().ok();
        assert_eq!(std::fs::read_to_string("/run/calls").unwrap(), "DEL c1\n");
        let handed_on: Value =
            serde_json::from_str(&std::fs::read_to_string("/run/config").unwrap()).unwrap();
        assert_eq!(handed_on, config);
    });
}

/// A runtime that gives up kills the plugin alone.
#[test]
fn an_ipam_does_not_outlive_the_plugin() {
    isolated(|| {
        let bin = tempfile::tempdir().unwrap();
        let fake = bin.path().join("fake");
        executable(&fake, "#!/bin/sh\necho $$ >/run/begun\nexec sleep 3600\n");
        nix::unistd::mkfifo("/run/begun", nix::sys::stat::Mode::S_IRWXU).unwrap();
        let config = sriov(json!({"ipam": {"type": "fake"}}));
        let call = Call::new("sriov", "DEL", &config).env("CNI_PATH", bin.path().to_str().unwrap());
        let mut plugin = call.start();
        // Opening waits for the IPAM, and so does reading.
        let begun = std::fs::read_to_string("/run/begun").unwrap();
        let ipam = Path::new("/proc").join(begun.trim());
        assert!(ipam.exists());
        plugin.kill().unwrap();
        plugin.wait().unwrap();
        // Dead, it may wait for ever for somebody to collect it.
        let lives = || {
            let stat = std::fs::read_to_string(ipam.join("stat")).unwrap_or_default();
            stat.rsplit(") ")
                .next()
                .is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['Z', 'X']))
        };
        let still_there =
            (0..1000).take_while(|_| lives()).inspect(|_| sleep(Duration::from_millis(10)));
        assert!(still_there.count() < 1000, "the IPAM lives on");
    });
}

#[test]
fn status_tells_whether_an_add_could_succeed() {
    isolated(|| {
        let status = |keys: Value| Call::new("sriov", "STATUS", &sriov(keys)).run();
        assert_eq!(status(json!({"deviceID": null})).ok(), Value::Null);
        assert!(status(json!({"ipam": {"type": "nowhere"}})).error(50).contains("nowhere"));
        let ipam = json!({"ipam": {"type": "nv-ipam", "poolName": "blue"}});
        assert!(status(ipam.clone()).error(50).contains("ippool/blue"));
        crate::bed::block(9);
        assert_eq!(status(ipam).ok(), Value::Null);
        status(json!({"vlan": 5000})).error(7);
        // The store cannot be made where a file is in the way.
        assert!(!Path::new("/run/railhead").exists(), "whoever only looks makes nothing");
        std::fs::write("/run/railhead", "").unwrap();
        assert!(status(json!({})).error(50).contains("/run/railhead"));
    });
}

/// Debian's older IPAM plugins know neither STATUS nor 1.1.0.
#[test]
fn status_of_an_ipam_that_does_not_know_it() {
    isolated(|| {
        for (code, expected) in [(4, None), (1, None), (50, Some(50))] {
            let bin = tempfile::tempdir().unwrap();
            let fake = bin.path().join("fake");
            let answer = format!("#!/bin/sh\necho '{{\"code\":{code},\"msg\":\"x\"}}'; exit 1\n");
            executable(&fake, &answer);
            let config = sriov(json!({"ipam": {"type": "fake"}}));
            for verb in ["STATUS", "GC"] {
                let config = match verb {
                    "GC" => {
                        sriov(json!({"ipam": {"type": "fake"}, "cni.dev/valid-attachments": []}))
                    }
                    _ => config.clone(),
                };
                let call = Call::new("sriov", verb, &config);
                let reply = call.env("CNI_PATH", bin.path().to_str().unwrap()).run();
                match expected {
                    None => assert_eq!(reply.ok(), Value::Null),
                    Some(code) => drop(reply.error(code)),
                }
            }
        }
    });
}

#[test]
fn gc_without_a_list_says_that_it_frees_nothing() {
    isolated(|| {
        let reply = Call::new("sriov", "GC", &sriov(json!({}))).run();
        assert!(reply.stderr.contains("nothing is freed"), "{}", reply.stderr);
        assert_eq!(reply.ok(), Value::Null);
        let wrong = sriov(json!({"cni.dev/valid-attachments": [5]}));
        Call::new("sriov", "GC", &wrong).run().error(7);
    });
}
