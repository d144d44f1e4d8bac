//! An IPAM plugin that cannot be told that an attachment has ended.

use std::fs;
use std::path::{Path, PathBuf};

use cni::attachment::{FORMAT, ForeignIpam, Ipam, Record, State};
use cni::kernel::vf::VfChange;
use cni::sriov::{Host, forget};
use conf::cni::Code;
use conf::{ResetOnRelease, VfIndex};
use ipam::{AttachmentKey, Root, StoreError, WriteTxn};
use nix::mount::{MsFlags, mount};
use serde_json::{Value, json};

use crate::bed::{Call, NETNS, executable, isolated, sriov, with_store};

/// Where a test's own plugins are.
const BIN: &str = "/run/bin";

/// Puts a shell script where CNI_PATH leads; `$config` is what it is given.
fn plugin(directory: &str, script: &str) {
    fs::create_dir_all(directory).unwrap();
    let fake = Path::new(directory).join("fake");
    executable(&fake, &format!("#!/bin/sh\nconfig=$(cat)\n{script}\n"));
}

/// Ways in which a DEL of a plugin never works.
const REFUSALS: [&str; 4] = [
    r#"echo '{"cniVersion":"1.0.0","code":4,"msg":"invalid CIDR address"}'; exit 1"#,
    "echo out of cheese; exit 3",
    "kill -9 $$",
    r#"echo '{"code":100,"msg":"dial unix dhcp.sock: no such file"}'; exit 1"#,
];

fn key(container: &str) -> AttachmentKey {
    AttachmentKey { container: container.parse().unwrap(), ifname: "net1".parse().unwrap() }
}

/// The attachment of `c1` as it stands when only its IPAM has yet to hear of its end.
fn released() -> Record {
    Record {
        format: FORMAT,
        state: State::Released,
        key: key("c1"),
        network: "blue".parse().unwrap(),
        pod: None,
        netns: NETNS.into(),
        netns_cookie: 1,
        vf: "0000:ff:1f.7".parse().unwrap(),
        incarnation: 1,
        pf: "0000:ff:00.0".parse().unwrap(),
        vf_index: VfIndex(3),
        driver: "igbvf".parse().unwrap(),
        link: None,
        before: None,
        change: VfChange::default(),
        mtu: None,
        ipam: Ipam::Foreign(ForeignIpam {
            plugin: "fake".parse().unwrap(),
            config: config(json!({"recorded": true})).to_string(),
            args: String::new(),
            path: vec![BIN.into()],
            refused: false,
        }),
        device_info: None,
        reset: ResetOnRelease::Needed,
        fence: None,
    }
}

/// The same with something else of its IPAM.
fn released_with(change: impl FnOnce(&mut ForeignIpam)) -> Record {
    let mut record = released();
    if let Ipam::Foreign(memory) = &mut record.ipam {
        change(memory);
    }
    record
}

fn write<T>(work: impl FnOnce(&mut WriteTxn<'_>) -> Result<T, StoreError>) -> T {
    with_store(|store| store.write(work)).unwrap()
}

fn put(record: &Record) {
    write(|txn| txn.put_attachment(&record.key, record));
}

fn recorded() -> Vec<Record> {
    let found = with_store(|store| store.read(|txn| txn.attachments::<Record>())).unwrap();
    found.into_iter().map(|(_, record)| record.unwrap()).collect()
}

fn config(keys: Value) -> Value {
    let mut config = sriov(keys);
    config["ipam"] = json!({"type": "fake"});
    config
}

fn del(config: &Value) -> Call {
    Call::new("sriov", "DEL", config).env("CNI_PATH", BIN)
}

#[test]
fn del_of_what_an_ipam_refused_succeeds() {
    isolated(|| {
        for refusal in REFUSALS {
            plugin(BIN, refusal);
            put(&released_with(|memory| memory.refused = true));
            let reply = del(&config(json!({}))).run();
            assert!(reply.stderr.contains("level=warning"), "{}", reply.stderr);
            assert!(reply.stderr.contains("it holds nothing"), "{}", reply.stderr);
            assert_eq!(reply.ok(), Value::Null, "{refusal}");
            assert_eq!(recorded(), [], "{refusal}");
        }
    });
}

#[test]
fn del_of_what_is_not_recorded_succeeds_whatever_the_ipam_says() {
    isolated(|| {
        for refusal in REFUSALS {
            plugin(BIN, refusal);
            for netns in [NETNS, ""] {
                let reply = del(&config(json!({}))).env("CNI_NETNS", netns).run();
                assert!(reply.stderr.contains("DEL of plugin fake"), "{}", reply.stderr);
                assert_eq!(reply.ok(), Value::Null, "{refusal}");
            }
        }
    });
}

/// A network's config is repaired while its pods run.
#[test]
fn del_falls_back_to_the_config_that_it_brings() {
    isolated(|| {
        plugin(BIN, r#"case $config in *recorded*) echo "$config" >&2; exit 1;; esac"#);
        put(&released());
        // Another plugin's DEL says nothing of what this one gave.
        let mut other = config(json!({}));
        other["ipam"] = json!({});
        assert!(del(&other).run().error(999).contains("DEL of plugin fake"));
        // Nor is what may work the next time a reason to call it with anything else.
        assert_eq!(recorded(), [released()]);
        del(&config(json!({}))).run().ok();
        assert_eq!(recorded(), []);

        let busy = r#"case $config in *recorded*) echo '{"code":11,"msg":"busy"}'; exit 1;; esac"#;
        plugin(BIN, busy);
        put(&released());
        assert!(del(&config(json!({}))).run().error(11).contains("busy"));
        assert_eq!(recorded(), [released()]);
    });
}

/// Plugins move when the system or the meta-plugin is replaced.
#[test]
fn del_looks_where_the_plugin_was_and_where_it_is_now() {
    isolated(|| {
        plugin("/run/new", "echo \"$CNI_COMMAND $CNI_PATH\" >/run/calls");
        let gone = || released_with(|memory| memory.path = vec![PathBuf::from("/run/old")]);
        put(&gone());
        let error = del(&config(json!({}))).env("CNI_PATH", "/run/third").run().error(7);
        for words in [
            "CNI_PATH of its ADD /run/old",
            "CNI_PATH of this call /run/third",
            "railhead attachments drop c1 net1",
        ] {
            assert!(error.contains(words), "{words:?} was expected in {error}");
        }
        assert_eq!(recorded(), [gone()]);
        del(&config(json!({}))).env("CNI_PATH", "/run/third:/run/new").run().ok();
        assert_eq!(recorded(), []);
        let calls = fs::read_to_string("/run/calls").unwrap();
        assert_eq!(calls, "DEL /run/old:/run/third:/run/new\n");
    });
}

#[test]
fn gc_succeeds_beside_an_ipam_that_cannot_be_told() {
    isolated(|| {
        for refusal in REFUSALS {
            plugin(BIN, &format!("[ $CNI_COMMAND = GC ] && exit 0\n{refusal}"));
            put(&released());
            let config = config(json!({"cni.dev/valid-attachments": []}));
            let call = Call::new("sriov", "GC", &config).env("CNI_PATH", BIN);
            let reply = call.run();
            assert!(reply.stderr.contains("level=warning"), "{}", reply.stderr);
            assert_eq!(reply.ok(), Value::Null, "{refusal}");
            assert_eq!(recorded(), [released()], "it is still to be told");
        }
    });
}

#[test]
fn only_what_has_ended_is_dropped_without_force() {
    isolated(|| {
        let host = Host::open(Root::system()).unwrap();
        let drop_it = |container, force| with_store(|_| forget(&host, &key(container), force));
        put(&released());
        for force in [false, true] {
            assert_eq!(drop_it("c2", force).unwrap_err().code, Code::UnknownContainer);
        }
        drop_it("c1", false).unwrap();
        assert_eq!(recorded(), []);

        for state in [State::Attached, State::Intent] {
            let record = Record { state, ..released() };
            put(&record);
            write(|txn| txn.claim_vf(record.vf, &record.key).map(drop));
            let refused = drop_it("c1", false).unwrap_err();
            assert!(refused.to_string().contains("--force"), "{refused}");
            assert_eq!(recorded(), [record]);
            drop_it("c1", true).unwrap();
            assert_eq!(recorded(), []);
            assert_eq!(write(|txn| txn.vf_owners()), []);
        }
        // Nobody can tell what it was.
        write(|txn| txn.put_attachment(&key("c1"), &json!({"format": "rubbish"})));
        assert!(drop_it("c1", false).unwrap_err().to_string().contains("--force"));
        drop_it("c1", true).unwrap();
        assert_eq!(recorded(), []);
    });
}

/// Remounts the file system of a directory.
fn remount(directory: &str, flags: MsFlags) {
    mount(None::<&str>, directory, None::<&str>, MsFlags::MS_REMOUNT | flags, None::<&str>)
        .unwrap();
}

/// host-local says success where it cannot remove a lease: it is not asked there, and the record stays.
#[test]
fn no_lease_is_lost_on_a_file_system_that_is_read_only() {
    isolated(|| {
        plugin(BIN, r#"echo told >>/run/told"#);
        fs::rename(format!("{BIN}/fake"), format!("{BIN}/host-local")).unwrap();
        plugin(BIN, r#"echo told >>/run/told"#);
        fs::create_dir_all("/var/lib/cni/networks").unwrap();
        fs::create_dir_all("/var/log/leases").unwrap();
        let named = json!({"ipam": {"type": "fake", "dataDir": "/var/log/leases"}});
        for (name, ipam, mounted, directory) in [
            (
                "host-local",
                json!({"ipam": {"type": "host-local"}}),
                "/var/lib",
                "/var/lib/cni/networks",
            ),
            ("fake", named, "/var/log", "/var/log/leases"),
        ] {
            put(&released_with(|memory| {
                memory.plugin = name.parse().unwrap();
                memory.config = ipam.to_string();
            }));
            remount(mounted, MsFlags::MS_RDONLY);
            let error = del(&sriov(ipam.clone())).run().error(5);
            assert!(error.contains(&format!("{directory} is read-only")), "{error}");
            assert_eq!((recorded().len(), Path::new("/run/told").exists()), (1, false), "{name}");
            remount(mounted, MsFlags::empty());
            assert_eq!(del(&sriov(ipam)).run().ok(), Value::Null, "{name}");
            assert_eq!(
                (recorded(), fs::read_to_string("/run/told").unwrap()),
                (vec![], "told\n".to_owned())
            );
            fs::remove_file("/run/told").unwrap();
        }
    });
}
