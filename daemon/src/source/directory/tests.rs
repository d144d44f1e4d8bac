use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use nix::unistd::{Uid, mkfifo};

use super::*;

const POOL: &str = "apiVersion: nv-ipam.nvidia.com/v1alpha1\nkind: IPPool\n\
                    metadata: {name: blue}\nspec: {subnet: 10.0.0.0/24, perNodeBlockSize: 10}\n";

fn directory() -> (tempfile::TempDir, Directory) {
    let at = tempfile::tempdir().unwrap();
    let directory = Directory::at(at.path().join("objects"));
    fs::create_dir(directory.path()).unwrap();
    (at, directory)
}

fn names(files: &Files) -> Vec<String> {
    let name = |file: &SourceFile| file.path.file_name().unwrap().to_string_lossy().into_owned();
    files.files.iter().map(name).collect()
}

/// The only problem there is, after the name of the directory.
fn problem(directory: &Directory) -> String {
    let files = directory.files().unwrap();
    assert_eq!(files.problems.len(), 1, "{:?}", files.problems);
    assert!(!files.objects().is_complete());
    let told = files.problems[0].to_string();
    told.strip_prefix(&format!("{}/", directory.path().display())).unwrap().to_owned()
}

#[test]
fn object_files_are_read_in_the_order_of_their_names() {
    let (_at, directory) = directory();
    for name in ["b.yaml", "a.json", "c.yml", ".hidden.yaml", "notes.txt", "x.yaml~", "yaml"] {
        fs::write(directory.path().join(name), "").unwrap();
    }
    fs::create_dir_all(directory.path().join("sub")).unwrap();
    fs::write(directory.path().join("sub/d.yaml"), "kind: [").unwrap();
    let files = directory.files().unwrap();
    assert_eq!(names(&files), ["a.json", "b.yaml", "c.yml"]);
    assert!(files.problems.is_empty());
}

#[test]
fn an_absent_directory_is_empty_and_a_file_in_its_place_is_an_error() {
    let at = tempfile::tempdir().unwrap();
    let absent = Directory::at(at.path().join("none"));
    assert_eq!(absent.read().unwrap(), Objects::default());
    let file = at.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Directory::at(&file).read().unwrap_err();
    assert_eq!(error.to_string(), format!("read objects from {}", file.display()));
}

#[test]
fn links_may_lead_around_inside_but_not_out() {
    let (at, directory) = directory();
    let path = directory.path();
    // As a ConfigMap is mounted.
    fs::create_dir(path.join("..data")).unwrap();
    fs::write(path.join("..data/pool.yaml"), POOL).unwrap();
    symlink("..data/pool.yaml", path.join("pool.yaml")).unwrap();
    let objects = directory.read().unwrap();
    assert!(objects.problems.is_empty() && objects.known.len() == 1, "{:?}", objects.problems);

    fs::write(at.path().join("secret.yaml"), POOL).unwrap();
    for target in ["../secret.yaml", "/etc/hostname", "/proc/self/environ"] {
        let link = path.join("out.yaml");
        symlink(target, &link).unwrap();
        assert_eq!(
            problem(&directory),
            "out.yaml: is a symbolic link that leads out of the directory"
        );
        fs::remove_file(link).unwrap();
    }
    symlink("loop.yaml", path.join("loop.yaml")).unwrap();
    assert!(problem(&directory).starts_with("loop.yaml: cannot be read: "));
}

#[test]
fn nothing_that_is_no_file_is_opened() {
    let (_at, directory) = directory();
    let path = directory.path().join("x.yaml");
    // Reading it would wait for a writer.
    mkfifo(&path, Mode::S_IRWXU).unwrap();
    assert_eq!(problem(&directory), "x.yaml: is a pipe, not a file");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(problem(&directory), "x.yaml: is a directory, not a file");
    fs::remove_dir(&path).unwrap();
    let _listener = UnixListener::bind(&path).unwrap();
    assert_eq!(problem(&directory), "x.yaml: is a socket, not a file");
}

#[test]
fn large_files_are_refused_and_the_others_are_read() {
    let (_at, directory) = directory();
    let huge = fs::File::create(directory.path().join("huge.yaml")).unwrap();
    // Sparse: it takes no room.
    huge.set_len(1 << 40).unwrap();
    fs::write(directory.path().join("pool.yaml"), POOL).unwrap();
    assert_eq!(problem(&directory), "huge.yaml: is too large, 8 MiB is the limit");
    assert_eq!(directory.read().unwrap().known.len(), 1);
}

#[test]
fn many_large_files_are_refused_from_the_limit_on() {
    let (_at, directory) = directory();
    for number in 0..10 {
        let name = format!("{number}.yaml");
        let file = fs::File::create(directory.path().join(name)).unwrap();
        file.set_len(7 << 20).unwrap();
    }
    let files = directory.files().unwrap();
    assert_eq!((files.files.len(), files.problems.len()), (9, 1));
    assert!(files.problems[0].to_string().ends_with("9.yaml: is too large, 64 MiB is the limit"));
}

#[test]
fn names_that_are_no_text_are_read_and_told() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let (_at, directory) = directory();
    let name = OsStr::from_bytes(b"\xff\x1b[2J.yaml");
    fs::write(directory.path().join(name), "kind: [").unwrap();
    let objects = directory.read().unwrap();
    let told = objects.problems[0].to_string();
    assert!(told.contains("\u{fffd}\\u{1b}[2J.yaml:1:7: "), "{told}");
}

#[test]
fn a_file_or_a_directory_can_be_named() {
    let (at, directory) = directory();
    let file = at.path().join("elsewhere.txt");
    fs::write(&file, POOL).unwrap();
    symlink(&file, directory.path().join("link")).unwrap();
    for path in [file.clone(), directory.path().join("link")] {
        assert_eq!(Files::named(&path).unwrap().objects().known.len(), 1, "{}", path.display());
    }
    fs::copy(&file, directory.path().join("pool.yaml")).unwrap();
    assert_eq!(names(&Files::named(directory.path()).unwrap()), ["pool.yaml"]);
    let error = Files::named(&at.path().join("none")).unwrap_err();
    assert!(error.to_string().ends_with("/none"), "{error}");
    let pipe = at.path().join("pipe");
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    let files = Files::named(&pipe).unwrap();
    assert!(files.problems[0].to_string().ends_with("/pipe: is a pipe, not a file"));
}

/// What the repository shows to newcomers must be right to the last field.
#[test]
fn the_examples_have_nothing_to_complain_about() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/standalone");
    let objects = Files::named(&examples).unwrap().objects();
    assert_eq!(objects.problems, []);
    assert_eq!(objects.notices, []);
    assert_eq!((objects.policies().count(), objects.pools().count()), (2, 1));
}

#[test]
fn a_file_that_may_not_be_read_is_told() {
    let (_at, directory) = directory();
    let path = directory.path().join("x.yaml");
    fs::write(&path, POOL).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    let files = directory.files().unwrap();
    if Uid::effective().is_root() {
        // Root may read it all the same.
        assert_eq!(files.files.len(), 1);
    } else {
        assert!(files.problems[0].to_string().contains("cannot be read: Permission denied"));
    }
}
