use std::fs;
use std::path::Path;

use super::unpack::{UnpackError, unpack};
use super::*;

fn tree(directories: &[&str], files: &[&str], links: &[(&str, &str)]) -> Tree {
    Tree {
        directories: directories.iter().map(|path| (*path).to_owned()).collect(),
        files: files.iter().map(|path| ((*path).to_owned(), "x".to_owned())).collect(),
        links: links.iter().map(|(path, to)| ((*path).to_owned(), (*to).to_owned())).collect(),
    }
}

/// A directory to unpack into, with one beside it that nothing must reach.
struct Bed {
    directory: tempfile::TempDir,
}

impl Bed {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("inside")).unwrap();
        fs::create_dir(directory.path().join("outside")).unwrap();
        Self { directory }
    }

    fn unpack(&self, tree: &Tree) -> Result<(), UnpackError> {
        unpack(tree, &self.directory.path().join("inside"))
    }

    fn outside(&self) -> usize {
        fs::read_dir(self.directory.path().join("outside")).unwrap().count()
    }
}

#[test]
fn what_a_dump_has_is_laid_out() {
    let bed = Bed::new();
    let device = "sys/bus/pci/devices/0000:01:00.0";
    let driver = format!("{device}/driver");
    let of_device = format!("{device}/vendor");
    let links = [(driver.as_str(), "../../drivers/igb")];
    bed.unpack(&tree(&["sys/bus/pci/drivers/igb"], &[&of_device], &links)).unwrap();
    let inside = bed.directory.path().join("inside");
    assert_eq!(fs::read_to_string(inside.join(of_device)).unwrap(), "x");
    assert!(inside.join(driver).is_dir());
}

#[test]
fn no_path_leads_out() {
    for path in [
        "",
        "/etc/railhead/railhead.yaml",
        "sys/../../outside/x",
        "../outside/x",
        "sys/./x",
        "sys//x",
        "sys/x\0",
        "sys/x/",
        "sys/..",
        "etc/passwd",
        "run/railhead/store/state.mdb",
        "run/railhead/vf/0000:01:10.0.lock",
        "tmp/sno-initial-node-state.json/x",
        "sys/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16",
    ] {
        let bed = Bed::new();
        for tree in
            [tree(&[path], &[], &[]), tree(&[], &[path], &[]), tree(&[], &[], &[(path, "x")])]
        {
            let refused = bed.unpack(&tree).unwrap_err();
            assert!(matches!(refused, UnpackError::Path { .. }), "{path:?}: {refused}");
        }
        assert_eq!(bed.outside(), 0);
    }
}

#[test]
fn no_link_leads_out() {
    for (path, target) in [
        ("sys/x", "/etc"),
        ("sys/x", "../.."),
        ("sys/x", "../../outside"),
        ("sys/x", ".."),
        ("sys/x", "."),
        ("sys/x", ""),
        ("sys/a/x", "../b/../../../outside"),
        ("sys/a/x", "b/.."),
    ] {
        let bed = Bed::new();
        let refused = bed.unpack(&tree(&[], &[], &[(path, target)])).unwrap_err();
        assert!(matches!(refused, UnpackError::Link { .. }), "{path} -> {target}: {refused}");
    }
}

/// A link where another has its directory: whichever is first, the second finds it taken.
#[test]
fn no_link_is_gone_through_to_make_another() {
    let bed = Bed::new();
    let links = [("sys/a/up", "../../sys"), ("sys/a/up/x", "../../../outside")];
    assert!(matches!(bed.unpack(&tree(&[], &[], &links)), Err(UnpackError::File(_))));
    let bed = Bed::new();
    let through = tree(&[], &["sys/a/up/x"], &[("sys/a/up", "../../sys")]);
    assert!(matches!(bed.unpack(&through), Err(UnpackError::File(_))));
    assert_eq!(bed.outside(), 0);
}

#[test]
fn what_has_no_end_is_refused() {
    let bed = Bed::new();
    let many: Vec<String> = (0..=200_000).map(|number| format!("sys/{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let refused = bed.unpack(&tree(&many, &[], &[])).unwrap_err();
    assert!(matches!(refused, UnpackError::TooMany { count: 200_001 }), "{refused}");

    let path = bed.directory.path().join("dump.json");
    let refused = |content: &[u8]| {
        fs::write(&path, content).unwrap();
        replay(&path).unwrap_err()
    };
    let deep = format!(r#"{{"railheadDump":1,"x":{}"#, "[".repeat(1_000_000));
    assert!(matches!(refused(deep.as_bytes()), ReplayError::Format { .. }));
    let large = refused(&vec![b' '; usize::try_from(durable::MOST + 1).unwrap()]);
    assert!(matches!(large, ReplayError::File(_)), "{large}");
    assert!(matches!(replay(Path::new("/dev/zero")), Err(ReplayError::File(_))));
    assert!(matches!(replay(Path::new("/nothing")), Err(ReplayError::Absent { .. })));
}

fn dump() -> Dump {
    let mac: conf::Mac = "02:00:00:00:00:01".parse().unwrap();
    let ways = crate::recorded::Ways { own: vec![2], routes: Vec::new() };
    let told = Told {
        taken: 1_700_000_000,
        boot: "11111111-2222-4333-8444-555555555555".parse().unwrap(),
        time: ipam::BootTime::from_nanoseconds(5),
        host_name: "Node-A".to_owned(),
        machine: "aarch64".to_owned(),
        links: Vec::new(),
        default_routes: vec![crate::recorded::DefaultRoute { index: 2, table: Some(100) }],
        addresses: Vec::new(),
        guarded: [("192.0.2.1".parse().unwrap(), ways)].into(),
        admin_macs: [(2, [(conf::VfIndex(0), mac)].into())].into(),
        users: [("0000:01:10.0".parse().unwrap(), crate::snapshot::User::OtherNamespace)].into(),
        packet_sockets: [("0000:01:10.2".parse().unwrap(), 1)].into(),
        stuck: [].into(),
        operator: None,
        leases: crate::recorded::Leases::default(),
        daemon: None,
    };
    Dump {
        railhead_dump: VERSION,
        railhead: "0.1.0".to_owned(),
        kernel: "6.12".to_owned(),
        told: Some(told),
        findings: Vec::new(),
        tree: tree(&["sys/x"], &[], &[]),
    }
}

/// What a kernel told: the golden of a captured machine has none of that.
#[test]
fn what_was_told_is_written_and_read() {
    let bytes = dump().to_bytes().unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    insta::assert_snapshot!(text);
    assert_eq!(Dump::of_bytes(&bytes).unwrap().to_bytes().unwrap(), bytes);
}

/// A node is what it was, whoever looks.
#[test]
fn the_node_is_the_one_that_was_dumped() {
    let bed = Bed::new();
    let path = bed.directory.path().join("dump.json");
    fs::write(&path, dump().to_bytes().unwrap()).unwrap();
    let replayed = replay(&path).unwrap();
    let strict = crate::settings::load(&replayed.host).unwrap();
    let lenient = crate::settings::load_or_last_good(&replayed.host, None).unwrap();
    for node in [strict.node, lenient.node] {
        assert_eq!(
            (node.name.as_str(), node.labels["kubernetes.io/arch"].as_str()),
            ("node-a", "arm64")
        );
    }
    assert_eq!(replayed.host.now().unwrap().time.nanoseconds(), 5);
}

#[test]
fn another_format_is_told() {
    let later = Dump { railhead_dump: VERSION + 1, ..dump() };
    let error = Dump::of_bytes(&later.to_bytes().unwrap()).unwrap_err().to_string();
    assert!(error.contains("format is 2, not 1"), "{error}");
}
