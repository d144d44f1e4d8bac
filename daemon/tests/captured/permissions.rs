//! `railhead doctor` on files that others than root may write, wherever root reads what to do.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use crate::doctor::well;
use crate::machine::Machine;

/// A file of each kind that root acts on.
const FILES: [&str; 16] = [
    "etc/railhead/railhead.yaml",
    "etc/railhead/objects/net.yaml",
    "etc/railhead/objects.previous/net.yaml",
    "var/lib/railhead/last-good.json",
    "var/lib/railhead/blocks/ippool/blue.json",
    "run/railhead/store/state.mdb",
    "run/railhead/journal/0000:01:00.0.json",
    "opt/cni/bin/railhead-cni",
    "etc/cni/net.d/10-net.conflist",
    "usr/local/bin/railhead",
    "etc/systemd/system/railhead.service",
    "usr/lib/systemd/system/railhead-boot.service",
    "etc/systemd/system/railhead.service.d/more.conf",
    "etc/udev/rules.d/10-railhead.rules",
    "etc/systemd/network/00-railhead.network",
    "usr/lib/tmpfiles.d/railhead.conf",
];

/// What doctor says of permissions: levels, findings and commands.
fn told(machine: &Machine) -> Vec<(String, String, String)> {
    let ran = machine.railhead(&["doctor", "-o", "json"]);
    let found: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let findings = found["findings"].as_array().unwrap().iter();
    let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    findings
        .filter(|finding| finding["check"] == "permissions")
        .map(|finding| (word(&finding["level"]), word(&finding["what"]), word(&finding["mend"][0])))
        .collect()
}

fn only(level: &str, what: &str, mend: &str) -> Vec<(String, String, String)> {
    vec![(level.to_owned(), what.to_owned(), mend.to_owned())]
}

fn fine() -> Vec<(String, String, String)> {
    only("ok", "only root writes what root reads", "")
}

fn mode(machine: &Machine, path: &str, mode: u32) {
    fs::set_permissions(machine.path(path), Permissions::from_mode(mode)).unwrap();
}

/// A machine with all of them.
fn full() -> Machine {
    let machine = well();
    for path in FILES {
        if !machine.path(path).exists() {
            machine.write(path, "x");
        }
    }
    mode(&machine, "run/railhead", 0o700);
    machine
}

#[test]
fn a_file_that_others_write_is_named() {
    let machine = full();
    assert_eq!(told(&machine), fine());
    for path in FILES {
        let before = fs::metadata(machine.path(path)).unwrap().permissions();
        for (bits, left) in [(0o666, "0644"), (0o4775, "4755")] {
            mode(&machine, path, bits);
            let what = format!("/{path} has mode {bits:04o}");
            let mend = format!("sudo chmod {left} /{path}");
            assert_eq!(told(&machine), only("error", &what, &mend));
        }
        fs::set_permissions(machine.path(path), before).unwrap();
        chown(machine.path(path), Some(1000), None).unwrap();
        let (what, mend) =
            (format!("/{path} belongs to user 1000"), format!("sudo chown root: /{path}"));
        assert_eq!(told(&machine), only("error", &what, &mend));
        chown(machine.path(path), Some(0), None).unwrap();
    }
    assert_eq!(told(&machine), fine());
}

/// Who may write to the directory has another file there.
#[test]
fn a_directory_on_the_way_is_named() {
    let machine = full();
    for path in ["opt", "opt/cni", "usr/local", "etc/systemd", "etc/udev/rules.d", "etc", "run"] {
        chown(machine.path(path), Some(1000), None).unwrap();
        let (what, mend) =
            (format!("/{path} belongs to user 1000"), format!("sudo chown root: /{path}"));
        assert_eq!(told(&machine), only("error", &what, &mend));
        chown(machine.path(path), Some(0), None).unwrap();
        mode(&machine, path, 0o777);
        let what = format!("/{path} has mode 0777");
        let mend = format!("sudo chmod 0775 /{path}");
        assert_eq!(told(&machine), only("error", &what, &mend));
        // As /tmp: nobody replaces a file of root's. And as /usr/local on Debian.
        for fine_too in [0o1777, 0o2775, 0o755] {
            mode(&machine, path, fine_too);
            assert_eq!(told(&machine), fine(), "{path}: {fine_too:o}");
        }
    }
}

/// Objects that are kept elsewhere, as by a mount of git: it counts where they are.
#[test]
fn links_are_followed() {
    let machine = full();
    machine.write("srv/share/a/net.yaml", "x");
    machine.write("srv/share/a/net.yml.link/x", "x");
    for (link, target) in [
        ("etc/railhead/objects/a.yaml", "/srv/share/a/net.yaml"),
        ("etc/railhead/objects/b.yaml", "../../../srv/share/a/net.yaml"),
        ("etc/cni/net.d/a.conf", "/etc/../srv/share/a/net.yaml"),
        ("opt/cni/bin/static", "/srv/share/a/net.yaml"),
        ("etc/systemd/system/railhead-boot.service", "/srv/share/a/net.yaml"),
    ] {
        let path = machine.path(link);
        if path.exists() {
            fs::remove_file(&path).unwrap();
        }
        symlink(target, &path).unwrap();
        assert_eq!(told(&machine), fine(), "{link}");
        let level = if link.ends_with("static") { "warning" } else { "error" };
        for wrong in ["srv", "srv/share", "srv/share/a"] {
            mode(&machine, wrong, 0o757);
            let what = format!("/{wrong}, by /{link}, has mode 0757");
            let mend = format!("sudo chmod 0755 /{wrong}");
            assert_eq!(told(&machine), only(level, &what, &mend));
            mode(&machine, wrong, 0o755);
        }
        chown(machine.path("srv/share/a/net.yaml"), Some(1000), None).unwrap();
        let what = format!("/srv/share/a/net.yaml, by /{link}, belongs to user 1000");
        let mend = "sudo chown root: /srv/share/a/net.yaml";
        assert_eq!(told(&machine), only(level, &what, mend));
        chown(machine.path("srv/share/a/net.yaml"), Some(0), None).unwrap();
        fs::remove_file(&path).unwrap();
    }
}

/// A directory of objects that is a link as a whole, links in a circle, and links to nothing.
#[test]
fn every_link_ends() {
    let machine = full();
    let objects = machine.path("etc/railhead/objects");
    fs::rename(&objects, machine.path("etc/elsewhere")).unwrap();
    symlink("/etc/elsewhere", &objects).unwrap();
    for (link, target) in [("a", "b"), ("b", "a"), ("up", ".."), ("root", "/"), ("gone", "/x/y")] {
        symlink(target, machine.path("etc/elsewhere").join(link)).unwrap();
    }
    mode(&machine, "etc/elsewhere/net.yaml", 0o646);
    let told = told(&machine);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].1.ends_with("net.yaml has mode 0646") || told[0].1.contains("net.yaml, by "));
}

/// Who owns a file has chosen its name: it is one word of the command, and moves no cursor.
#[test]
fn a_name_is_no_command() {
    let machine = full();
    machine.write("etc/railhead/objects/$(reboot) 'x';\u{1b}[2J.yaml", "");
    mode(&machine, "etc/railhead/objects/$(reboot) 'x';\u{1b}[2J.yaml", 0o666);
    let ran = machine.railhead(&["doctor"]);
    assert!(!ran.out.contains('\u{1b}'), "{}", ran.out);
    let word = r"'/etc/railhead/objects/$(reboot) '\''x'\'';\u{1b}[2J.yaml'";
    assert!(ran.out.contains(&format!("sudo chmod 0644 {word}")), "{}", ran.out);
}

/// Hundreds of them fill no screen.
#[test]
fn many_are_counted() {
    let machine = full();
    for number in 0..300 {
        let path = format!("etc/railhead/objects/{number:03}.yaml");
        machine.write(&path, "");
        mode(&machine, &path, 0o666);
    }
    let told = told(&machine);
    assert_eq!(told.len(), 9, "{told:?}");
    assert_eq!(told[8].1, "292 more like these");
    assert!(told.iter().all(|(level, ..)| level == "error"), "{told:?}");
}
