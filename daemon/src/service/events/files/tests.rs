use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use super::*;

/// Somebody saves a file.
fn save(path: &Path) {
    fs::write(path, "changed").unwrap();
}

/// Somebody turns a link, as `ln -sfn` and whoever mounts ConfigMaps do.
fn turn(link: &Path, target: &str) {
    let next = link.with_file_name("next");
    symlink(target, &next).unwrap();
    fs::rename(next, link).unwrap();
}

/// `objects` is a link to `srv/now/objects`, in which `now` is a link to `v1`.
fn behind_two_links(at: &Path) {
    for version in ["v1", "v2"] {
        fs::create_dir_all(at.join("srv").join(version).join("objects")).unwrap();
    }
    symlink("v1", at.join("srv/now")).unwrap();
    symlink(at.join("srv/now/objects"), at.join("etc/railhead/objects")).unwrap();
}

/// A ConfigMap is mounted as `objects`, or on the way to it.
fn config_map(at: &Path, mount: &str) {
    let mount = at.join(mount);
    for version in ["..v1", "..v2"] {
        fs::create_dir_all(mount.join(version)).unwrap();
        fs::write(mount.join(version).join("a.yaml"), "").unwrap();
    }
    symlink("..v1", mount.join("..data")).unwrap();
    symlink("..data/a.yaml", mount.join("a.yaml")).unwrap();
}

type Scenario = (&'static str, fn(&Path), &'static [fn(&Path)]);

/// What lies there, and what is done to it, one after the other.
const SCENARIOS: [Scenario; 10] = [
    (
        "no directory yet",
        |_| (),
        &[
            |at| fs::create_dir_all(at.join("etc/railhead/objects")).unwrap(),
            |at| save(&at.join("etc/railhead/objects/a.yaml")),
            |at| save(&at.join("etc/railhead/railhead.yaml")),
        ],
    ),
    (
        "a directory",
        |at| fs::create_dir(at.join("etc/railhead/objects")).unwrap(),
        &[
            |at| save(&at.join("etc/railhead/objects/a.yaml")),
            |at| fs::remove_file(at.join("etc/railhead/objects/a.yaml")).unwrap(),
        ],
    ),
    (
        "a link that is made",
        |at| fs::create_dir_all(at.join("srv/git")).unwrap(),
        &[
            |at| symlink(at.join("srv/git"), at.join("etc/railhead/objects")).unwrap(),
            |at| save(&at.join("srv/git/a.yaml")),
        ],
    ),
    (
        "a file that is linked into it",
        |at| save(&at.join("etc/railhead/a.txt")),
        &[
            |at| fs::create_dir(at.join("etc/railhead/objects")).unwrap(),
            |at| {
                let (from, to) = ("etc/railhead/a.txt", "etc/railhead/objects/a.yaml");
                fs::hard_link(at.join(from), at.join(to)).unwrap();
            },
        ],
    ),
    (
        "a link in the middle",
        behind_two_links,
        &[
            |at| save(&at.join("srv/v1/objects/a.yaml")),
            |at| turn(&at.join("srv/now"), "v2"),
            |at| save(&at.join("srv/v2/objects/a.yaml")),
            |at| turn(&at.join("etc/railhead/objects"), "/nowhere"),
        ],
    ),
    (
        "what is linked to moves away and comes back",
        behind_two_links,
        &[
            |at| fs::rename(at.join("srv/v1/objects"), at.join("srv/v1/gone")).unwrap(),
            |at| fs::rename(at.join("srv/v1/gone"), at.join("srv/v1/objects")).unwrap(),
            |at| save(&at.join("srv/v1/objects/a.yaml")),
            |at| fs::rename(at.join("srv"), at.join("lost")).unwrap(),
            |at| fs::rename(at.join("lost"), at.join("srv")).unwrap(),
        ],
    ),
    (
        "a ConfigMap in its place",
        |at| config_map(at, "etc/railhead/objects"),
        &[
            |at| turn(&at.join("etc/railhead/objects/..data"), "..v2"),
            |at| save(&at.join("etc/railhead/objects/..v2/a.yaml")),
        ],
    ),
    (
        "a link to a ConfigMap",
        |at| {
            config_map(at, "mnt");
            symlink(at.join("mnt/..data"), at.join("etc/railhead/objects")).unwrap();
        },
        &[|at| turn(&at.join("mnt/..data"), "..v2"), |at| save(&at.join("mnt/..v2/b.yaml"))],
    ),
    (
        "settings that are a link",
        |at| {
            config_map(at, "mnt");
            symlink(at.join("mnt/a.yaml"), at.join("etc/railhead/railhead.yaml")).unwrap();
        },
        &[
            |at| save(&at.join("mnt/..v1/a.yaml")),
            |at| turn(&at.join("mnt/..data"), "..v2"),
            |at| save(&at.join("mnt/..v2/a.yaml")),
        ],
    ),
    (
        "all of it is a link",
        |at| {
            fs::remove_dir(at.join("etc/railhead")).unwrap();
            fs::create_dir_all(at.join("opt/railhead/objects")).unwrap();
            symlink("../opt/railhead", at.join("etc/railhead")).unwrap();
        },
        &[
            |at| save(&at.join("opt/railhead/railhead.yaml")),
            |at| save(&at.join("opt/railhead/objects/a.yaml")),
            |at| fs::remove_file(at.join("etc/railhead")).unwrap(),
            |at| symlink("../opt/railhead", at.join("etc/railhead")).unwrap(),
            |at| save(&at.join("opt/railhead/objects/a.yaml")),
        ],
    ),
];

#[tokio::test]
async fn every_change_of_what_is_read_is_seen_wherever_it_lies() {
    for (name, prepare, changes) in SCENARIOS {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("etc/railhead")).unwrap();
        prepare(directory.path());
        let host = Arc::new(Host::at(directory.path()));
        let mut watched = Watched::start(&host).unwrap();
        for (at, change) in changes.iter().enumerate() {
            change(directory.path());
            let seen = tokio::time::timeout(Duration::from_secs(10), news(&mut watched)).await;
            assert!(seen.is_ok(), "{name}: change {at} is not seen");
            // Whatever else it made is no answer to the next change.
            while tokio::time::timeout(Duration::from_millis(20), news(&mut watched)).await.is_ok()
            {
            }
        }
    }
}

/// Waits for an event that is news, as the daemon does.
async fn news(watched: &mut Watched) {
    loop {
        let event = watched.stream.next().await.unwrap().unwrap();
        if watched.is_news(&event) {
            watched.watch_all();
            return;
        }
    }
}

#[tokio::test]
async fn what_is_not_read_is_not_watched() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    fs::create_dir_all(at.join("etc/railhead")).unwrap();
    behind_two_links(at);
    let host = Arc::new(Host::at(at));
    let mut watched = Watched::start(&host).unwrap();
    let before = watched.known.len();
    // Beside names on the way, and in what a link has led to before.
    save(&at.join("srv/notes"));
    fs::create_dir(at.join("srv/v3")).unwrap();
    save(&at.join("srv/v2/objects/a.yaml"));
    let quiet = tokio::time::timeout(Duration::from_millis(200), news(&mut watched)).await;
    assert!(quiet.is_err(), "nothing of it is read");
    turn(&at.join("srv/now"), "v2");
    tokio::time::timeout(Duration::from_secs(10), news(&mut watched)).await.unwrap();
    assert_eq!(watched.known.len(), before, "what is not read any more is not watched either");
    let quiet = tokio::time::timeout(Duration::from_millis(200), async {
        save(&at.join("srv/v1/objects/a.yaml"));
        news(&mut watched).await;
    });
    assert!(quiet.await.is_err(), "nor is it told");
}
