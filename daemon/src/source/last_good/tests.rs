use std::path::PathBuf;

use super::*;
use crate::source::SourceFile;

const OBJECTS: &str = "apiVersion: sriovnetwork.openshift.io/v1
kind: SriovNetworkNodePolicy
metadata: {name: nics, generation: 3}
spec:
  numVfs: 4
  resourceName: nic
  priority: 10
  mtu: 9000
  deviceType: vfio-pci
  nodeSelector: {role: worker}
  nicSelector: {vendor: \"8086\", pfNames: [\"enp1s0#2-3\"]}
---
apiVersion: nv-ipam.nvidia.com/v1alpha1
kind: IPPool
metadata: {name: blue}
spec:
  subnet: 10.0.0.0/24
  perNodeBlockSize: 10
  gateway: 10.0.0.1
  exclusions: [{startIP: 10.0.0.3, endIP: 10.0.0.5}]
---
apiVersion: nv-ipam.nvidia.com/v1alpha1
kind: CIDRPool
metadata: {name: green}
spec: {cidr: 10.1.0.0/16, perNodeNetworkPrefix: 24, gatewayIndex: 1}
";

fn objects() -> Objects {
    let file = SourceFile { path: PathBuf::from("/etc/a.yaml"), content: OBJECTS.into() };
    let objects = Objects::of_files(&[file]);
    assert!(objects.problems.is_empty(), "{:?}", objects.problems);
    objects
}

fn root() -> (tempfile::TempDir, Root) {
    let directory = tempfile::tempdir().unwrap();
    let root = Root::at(directory.path());
    (directory, root)
}

#[test]
fn what_was_saved_is_loaded() {
    let (_directory, root) = root();
    assert_eq!(load(&root).unwrap(), Objects::default());
    let objects = objects();
    assert!(save(&root, &objects).unwrap());
    assert!(!save(&root, &objects).unwrap(), "nothing is written that has not changed");
    let mut loaded = load(&root).unwrap();
    loaded.known.sort_by(|a, b| a.origin.cmp(&b.origin));
    assert!(loaded.known.iter().all(|known| known.kept));
    let saved: Vec<_> = objects.known.iter().map(|known| (&known.at, &known.object)).collect();
    let found: Vec<_> = loaded.known.iter().map(|known| (&known.at, &known.object)).collect();
    assert_eq!(found, saved);
}

/// An older railhead may have written it.
#[test]
fn golden() {
    let (_directory, root) = root();
    save(&root, &objects()).unwrap();
    insta::assert_snapshot!(std::fs::read_to_string(path(&root)).unwrap());
}

#[test]
fn a_damaged_file_is_named_with_the_way_out() {
    let (_directory, root) = root();
    std::fs::create_dir_all(root.state()).unwrap();
    for content in
        ["", "{", "{\"version\": 2, \"objects\": []}", "{\"version\": 1, \"objects\": [{}]}"]
    {
        std::fs::write(path(&root), content).unwrap();
        let error = load(&root).unwrap_err().to_string();
        assert!(error.contains("/last-good.json: ") && error.contains("remove it"), "{error}");
    }
}
