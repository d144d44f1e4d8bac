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

#[test]
fn another_format_is_told() {
    let recorded = Recorded { told: None, findings: Vec::new() };
    let mut dump = Dump {
        railhead_dump: VERSION + 1,
        railhead: "9.9.9".to_owned(),
        kernel: String::new(),
        recorded,
        tree: Tree::default(),
    };
    let error = Dump::of_bytes(&dump.to_bytes().unwrap()).unwrap_err().to_string();
    assert!(error.contains("format is 2, not 1"), "{error}");
    dump.railhead_dump = VERSION;
    Dump::of_bytes(&dump.to_bytes().unwrap()).unwrap();
}
