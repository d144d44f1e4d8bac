use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::*;
use crate::source::{Directory, SourceFile};

const ONE: &str = "apiVersion: nv-ipam.nvidia.com/v1alpha1\nkind: IPPool\nmetadata: {name: one}\n\
                   spec: {subnet: 10.1.0.0/24, perNodeBlockSize: 10} # kept as written\n";
const TWO: &str = "apiVersion: nv-ipam.nvidia.com/v1alpha1\nkind: IPPool\nmetadata: {name: two}\n\
                   spec: {subnet: 10.2.0.0/24, perNodeBlockSize: 10}\n";

struct Bed {
    _directory: tempfile::TempDir,
    root: Root,
}

impl Bed {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::at(directory.path());
        Self { _directory: directory, root }
    }

    fn replace(&self, files: &[(&str, &str)]) -> Result<Replaced, ReplaceError> {
        replace(&self.root, &set(files))
    }

    /// What a reader finds, by name and content.
    fn objects(&self) -> Vec<(String, String)> {
        listing(&self.root.objects())
    }

    fn etc(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.root.etc())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn set(files: &[(&str, &str)]) -> Files {
    let file = |(name, content): &(&str, &str)| SourceFile {
        path: Path::new("/somewhere").join(name),
        content: (*content).into(),
    };
    Files { files: files.iter().map(file).collect(), problems: Vec::new() }
}

fn listing(directory: &Path) -> Vec<(String, String)> {
    let files = Directory::at(directory).files().unwrap();
    let pair = |file: &SourceFile| {
        let name = file.path.file_name().unwrap().to_string_lossy().into_owned();
        (name, String::from_utf8(file.content.clone()).unwrap())
    };
    files.files.iter().map(pair).collect()
}

fn pairs(files: &[(&str, &str)]) -> Vec<(String, String)> {
    files.iter().map(|(name, content)| ((*name).to_owned(), (*content).to_owned())).collect()
}

#[test]
fn the_set_is_replaced_as_a_whole_and_the_one_before_is_kept() {
    let bed = Bed::new();
    assert_eq!(bed.replace(&[("a.yaml", ONE), ("b.yaml", TWO)]).unwrap(), Replaced::Changed);
    assert_eq!(bed.objects(), pairs(&[("a.yaml", ONE), ("b.yaml", TWO)]));
    assert_eq!(bed.etc(), ["objects"]);
    assert_eq!(bed.replace(&[("c.json", TWO)]).unwrap(), Replaced::Changed);
    assert_eq!(bed.objects(), pairs(&[("c.json", TWO)]));
    assert_eq!(bed.etc(), ["objects", "objects.previous"]);
    assert_eq!(
        listing(&bed.root.etc().join("objects.previous")),
        pairs(&[("a.yaml", ONE), ("b.yaml", TWO)])
    );
    assert_eq!(bed.replace(&[]).unwrap(), Replaced::Changed);
    assert_eq!(bed.objects(), []);
}

#[test]
fn the_same_set_is_not_written_again() {
    let bed = Bed::new();
    bed.replace(&[("b.yaml", TWO), ("a.yaml", ONE)]).unwrap();
    let inode = |path: &Path| {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(path).unwrap().ino()
    };
    let before = inode(&bed.root.objects());
    assert_eq!(bed.replace(&[("a.yaml", ONE), ("b.yaml", TWO)]).unwrap(), Replaced::Same);
    assert_eq!((inode(&bed.root.objects()), bed.etc()), (before, vec!["objects".to_owned()]));
}

#[test]
fn the_directory_can_be_its_own_source() {
    let bed = Bed::new();
    bed.replace(&[("a.yaml", ONE)]).unwrap();
    let files = Files::named(&bed.root.objects()).unwrap();
    assert_eq!(replace(&bed.root, &files).unwrap(), Replaced::Same);
}

#[test]
fn files_of_other_names_are_stored_under_one_that_is_read() {
    for name in ["-", "objects.txt", ".hidden.yaml"] {
        let bed = Bed::new();
        bed.replace(&[(name, ONE)]).unwrap();
        assert_eq!(bed.objects(), pairs(&[("objects.yaml", ONE)]));
    }
}

#[test]
fn a_set_with_a_file_that_is_no_yaml_is_refused_and_nothing_changes() {
    let bed = Bed::new();
    bed.replace(&[("a.yaml", ONE)]).unwrap();
    let error = bed.replace(&[("a.yaml", TWO), ("b.yaml", "kind: [\n")]).unwrap_err();
    assert!(error.to_string().starts_with("/somewhere/b.yaml:1:7: "), "{error}");
    assert_eq!(bed.objects(), pairs(&[("a.yaml", ONE)]));
    assert_eq!(bed.etc(), ["objects"]);
}

#[test]
fn objects_that_break_rules_are_stored_to_be_reported() {
    let bed = Bed::new();
    let bad = ONE.replace("10.1.0.0/24", "nonsense");
    assert_eq!(bed.replace(&[("a.yaml", &bad)]).unwrap(), Replaced::Changed);
    assert_eq!(Directory::at(bed.root.objects()).files().unwrap().objects().problems.len(), 1);
}

#[test]
fn what_is_no_object_moves_along() {
    let bed = Bed::new();
    bed.replace(&[("a.yaml", ONE)]).unwrap();
    let objects = bed.root.objects();
    fs::write(objects.join("notes.txt"), "why").unwrap();
    fs::create_dir_all(objects.join(".git")).unwrap();
    fs::write(objects.join(".git/HEAD"), "ref").unwrap();
    fs::set_permissions(&objects, fs::Permissions::from_mode(0o750)).unwrap();
    bed.replace(&[("b.yaml", TWO)]).unwrap();
    assert_eq!(bed.objects(), pairs(&[("b.yaml", TWO)]));
    assert_eq!(fs::read_to_string(objects.join("notes.txt")).unwrap(), "why");
    assert_eq!(fs::read_to_string(objects.join(".git/HEAD")).unwrap(), "ref");
    assert_eq!(fs::metadata(&objects).unwrap().permissions().mode() & 0o777, 0o750);
}

#[test]
fn a_link_is_not_replaced() {
    let bed = Bed::new();
    let elsewhere = bed.root.path().join("checkout");
    fs::create_dir_all(&elsewhere).unwrap();
    fs::create_dir_all(bed.root.etc()).unwrap();
    symlink(&elsewhere, bed.root.objects()).unwrap();
    let error = bed.replace(&[("a.yaml", ONE)]).unwrap_err();
    assert!(matches!(error, ReplaceError::Link { .. }), "{error}");
    assert!(error.to_string().contains("railhead apply"), "{error}");
}

#[test]
fn two_at_once_do_not_mix() {
    let bed = Bed::new();
    let place = Place::lock(&bed.root).unwrap();
    let error = bed.replace(&[("a.yaml", ONE)]).unwrap_err();
    assert!(matches!(error, ReplaceError::Busy { .. }), "{error}");
    drop(place);
    bed.replace(&[("a.yaml", ONE)]).unwrap();
}

/// What of the new set was written is gone when it cannot be put in force, at whatever step.
#[test]
fn a_refused_set_leaves_nothing_behind() {
    let bed = Bed::new();
    bed.replace(&[("a.yaml", ONE)]).unwrap();
    // Two files that would be stored under one name.
    let error = bed.replace(&[("-", ONE), ("objects.txt", TWO)]).unwrap_err();
    assert!(matches!(error, ReplaceError::File(_)), "{error}");
    assert_eq!((bed.objects(), bed.etc()), (pairs(&[("a.yaml", ONE)]), vec!["objects".to_owned()]));
    // A name that no file system takes.
    let long = format!("{}.yaml", "n".repeat(300));
    let error = bed.replace(&[("b.yaml", ONE), (&long, TWO)]).unwrap_err();
    assert!(matches!(error, ReplaceError::File(_)), "{error}");
    assert_eq!((bed.objects(), bed.etc()), (pairs(&[("a.yaml", ONE)]), vec!["objects".to_owned()]));
    bed.replace(&[("c.yaml", TWO)]).unwrap();
    assert_eq!(bed.objects(), pairs(&[("c.yaml", TWO)]));
}

/// A mount cannot be exchanged, nor can a directory on another file system.
#[test]
fn a_set_that_cannot_be_exchanged_leaves_nothing_behind() {
    let outcome = std::thread::spawn(|| {
        use nix::mount::{MsFlags, mount};
        let none = None::<&str>;
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        let bed = Bed::new();
        bed.replace(&[("a.yaml", ONE)]).unwrap();
        let objects = bed.root.objects();
        mount(Some(&objects), &objects, none, MsFlags::MS_BIND, none).unwrap();
        let error = bed.replace(&[("b.yaml", TWO)]).unwrap_err();
        nix::mount::umount(&objects).unwrap();
        (error, bed.objects(), bed.etc())
    });
    let (error, objects, etc) = outcome.join().unwrap();
    assert!(matches!(error, ReplaceError::NoExchange { .. }), "{error}");
    assert_eq!((objects, etc), (pairs(&[("a.yaml", ONE)]), vec!["objects".to_owned()]));
}

/// Stops after each step of a replacement, as a power cut would, and looks at what a reader and
/// the next replacement find.
#[test]
fn a_cut_at_any_step_leaves_the_old_set_or_the_new() {
    let old = pairs(&[("a.yaml", ONE), ("keep.yaml", TWO)]);
    let new = pairs(&[("b.yaml", TWO)]);
    let steps: [fn(&Place); 4] = [
        // A file of the new set is half written.
        |place| {
            fs::create_dir(&place.next).unwrap();
            fs::write(place.next.join("b.yaml"), &TWO[..20]).unwrap();
        },
        |place| place.build(&set(&[("b.yaml", TWO)]).files).unwrap(),
        |place| {
            place.build(&set(&[("b.yaml", TWO)]).files).unwrap();
            place.exchange().unwrap();
        },
        |place| {
            place.build(&set(&[("b.yaml", TWO)]).files).unwrap();
            place.exchange().unwrap();
            place.put_away().unwrap();
        },
    ];
    for (at, step) in steps.into_iter().enumerate() {
        let bed = Bed::new();
        bed.replace(&[("a.yaml", ONE), ("keep.yaml", TWO)]).unwrap();
        fs::write(bed.root.objects().join("notes.txt"), "why").unwrap();
        let place = Place::lock(&bed.root).unwrap();
        step(&place);
        drop(place);
        let found = bed.objects();
        assert_eq!(found, if at < 2 { old.clone() } else { new.clone() }, "step {at}");
        // The next one works, and whatever lay around is gone or moved along.
        bed.replace(&[("c.yaml", ONE)]).unwrap();
        assert_eq!(bed.objects(), pairs(&[("c.yaml", ONE)]), "step {at}");
        assert_eq!(bed.etc(), ["objects", "objects.previous"], "step {at}");
        let notes = fs::read_to_string(bed.root.objects().join("notes.txt")).unwrap();
        assert_eq!(notes, "why", "step {at}");
    }
}
