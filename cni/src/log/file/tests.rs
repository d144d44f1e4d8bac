use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

const FIRST: &str = "time=2026-01-02T03:04:05.678Z level=info plugin=sriov msg=\"made\"\n";

/// `/var/log` of a test, with a directory `app` of root's alone.
fn logs() -> tempfile::TempDir {
    let logs = tempfile::tempdir().unwrap();
    fs::create_dir(logs.path().join("app")).unwrap();
    fs::set_permissions(logs.path().join("app"), Permissions::from_mode(0o755)).unwrap();
    logs
}

fn put(path: &Path, mode: u32, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn append(logs: &Path, name: &str) -> io::Result<()> {
    open(logs, &logs.join(name), FIRST)?.write_all(b"more\n")
}

#[test]
fn a_new_file_is_made_and_taken_again() {
    let logs = logs();
    for name in ["a.log", "app/a.log"] {
        append(logs.path(), name).unwrap();
        append(logs.path(), name).unwrap();
        let file = logs.path().join(name);
        assert_eq!(fs::read_to_string(&file).unwrap(), format!("{FIRST}more\nmore\n"));
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o600);
    }
    assert_eq!(append(logs.path(), "none/a.log").unwrap_err().kind(), io::ErrorKind::NotFound);
}

/// Each of them is somebody else's, and stays as it was.
#[test]
fn what_railhead_did_not_make_is_not_appended_to() {
    let ours = format!("{FIRST}more\n");
    let logrus = "time=\"2026-01-02T03:04:05Z\" level=info msg=\"x\"\n";
    for (what, mode, text) in [
        ("of nobody", 0o600, ""),
        ("audit.log", 0o600, "type=DAEMON_START msg=audit(1767323045.678:1): op=start\n"),
        ("wtmp", 0o664, "\0\0\0\0"),
        ("0.log", 0o640, "2026-01-02T03:04:05.678Z stdout F x\n"),
        ("another plugin's", 0o600, logrus),
        ("another program's", 0o600, &ours.replace("plugin=sriov", "plugin=other")),
        ("not at its beginning", 0o600, &format!("x\n{ours}")),
        ("readable by others", 0o644, &ours),
        ("a program", 0o700, &ours),
        ("setuid", 0o4600, &ours),
    ] {
        let logs = logs();
        let file = logs.path().join(what);
        put(&file, mode, text);
        let refused = append(logs.path(), what).unwrap_err().to_string();
        assert!(refused.starts_with("is not a log that railhead made"), "{what}: {refused}");
        assert_eq!(fs::read(&file).unwrap(), text.as_bytes(), "{what}");
    }
}

#[test]
fn a_file_with_two_names_is_refused() {
    let logs = logs();
    put(&logs.path().join("a.log"), 0o600, FIRST);
    fs::hard_link(logs.path().join("a.log"), logs.path().join("b.log")).unwrap();
    assert!(append(logs.path(), "b.log").is_err());
}

#[test]
fn no_link_is_followed_wherever_it_is() {
    let (logs, elsewhere) = (logs(), tempfile::tempdir().unwrap());
    fs::set_permissions(elsewhere.path(), Permissions::from_mode(0o755)).unwrap();
    put(&elsewhere.path().join("own.log"), 0o600, FIRST);
    for at in ["d", "app/d"] {
        symlink(elsewhere.path(), logs.path().join(at)).unwrap();
    }
    symlink(elsewhere.path().join("own.log"), logs.path().join("own.log")).unwrap();
    symlink(elsewhere.path().join("new.log"), logs.path().join("app/new.log")).unwrap();
    for name in ["d/own.log", "d/new.log", "app/d/new.log", "own.log", "app/new.log"] {
        assert!(append(logs.path(), name).is_err(), "{name}");
    }
    assert_eq!(fs::read_to_string(elsewhere.path().join("own.log")).unwrap(), FIRST);
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1);
}

#[test]
fn a_directory_that_others_write_to_is_not_entered() {
    for mode in [0o775, 0o757, 0o1777] {
        let logs = logs();
        fs::set_permissions(logs.path().join("app"), Permissions::from_mode(mode)).unwrap();
        let refused = append(logs.path(), "app/a.log").unwrap_err().to_string();
        assert_eq!(refused, "others than root can write to the directory app");
        assert_eq!(fs::read_dir(logs.path().join("app")).unwrap().count(), 0);
    }
}

#[test]
fn what_is_no_file_is_refused_without_a_wait() {
    let logs = logs();
    nix::unistd::mkfifo(&logs.path().join("pipe"), Mode::from_bits_truncate(0o600)).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(logs.path().join("socket")).unwrap();
    for name in ["pipe", "socket", "app"] {
        assert_eq!(append(logs.path(), name).unwrap_err().to_string(), "is not a regular file");
    }
    for name in ["../x", "app/../../x", ""] {
        assert!(append(logs.path(), name).is_err(), "{name}");
    }
}
