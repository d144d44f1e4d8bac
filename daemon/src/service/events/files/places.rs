//! Which directories to watch: those of objects and settings, and all that a link on the way to them
//! leads through.
//!
//! ```text
//! /etc/railhead/objects -> /srv/now/objects    /        etc, srv          /srv        now, v1
//!        /srv/now -> v1                        /etc     railhead          /srv/v1     objects
//!                                              /etc/railhead   all        /srv/v1/objects   all
//! ```
//!
//! Where a name on the way is not there yet, the directory that it is to come into is the last.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Component, Path, PathBuf};

use ipam::Root;

use crate::source::is_object_file;

/// As many links as the kernel follows in one path.
const MOST_LINKS: usize = 40;

/// What of a directory matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Names {
    /// Whatever is in it.
    All,
    /// These.
    Some(BTreeSet<OsString>),
}

impl Names {
    /// Whether what is called `name` matters; without one it is the directory itself.
    pub(super) fn has(&self, name: Option<&OsStr>) -> bool {
        match (self, name) {
            (Self::All, _) | (_, None) => true,
            (Self::Some(names), Some(name)) => names.contains(name),
        }
    }
}

/// The directories to watch, by their paths without links, and what matters of each.
pub(super) type Places = BTreeMap<PathBuf, Names>;

/// The places of objects and settings as they lie now.
pub(super) fn places(root: &Root) -> Places {
    let mut places = Places::new();
    for directory in [root.etc(), root.objects()] {
        if let Some(found) = follow(&directory, &mut places) {
            places.insert(found, Names::All);
        }
    }
    follow(&root.settings(), &mut places);
    for file in linked_files(&root.objects()) {
        follow(&file, &mut places);
    }
    places
}

/// Files of objects that lie elsewhere, as those of a mounted ConfigMap do.
fn linked_files(objects: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(objects).into_iter().flatten().flatten();
    let linked = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()));
    linked.map(|entry| entry.path()).filter(|path| path.file_name().is_some_and(is_object_name))
}

fn is_object_name(name: &OsStr) -> bool {
    is_object_file(Path::new(name))
}

/// Goes the way of `path`, name by name, and notes each with the directory that it is in. Says where
/// it ends; `None` where it leads nowhere.
fn follow(path: &Path, places: &mut Places) -> Option<PathBuf> {
    let mut here = PathBuf::from("/");
    let mut ahead: VecDeque<OsString> = names(path);
    let mut links = 0;
    while let Some(name) = ahead.pop_front() {
        if name == ".." {
            here.pop();
            continue;
        }
        note(places, &here, &name);
        let next = here.join(&name);
        let metadata = fs::symlink_metadata(&next).ok()?;
        if !metadata.is_symlink() {
            here = next;
            continue;
        }
        links += 1;
        let target = fs::read_link(&next).ok().filter(|_| links <= MOST_LINKS)?;
        if target.is_absolute() {
            here = PathBuf::from("/");
        }
        for name in names(&target).into_iter().rev() {
            ahead.push_front(name);
        }
    }
    Some(here)
}

fn names(path: &Path) -> VecDeque<OsString> {
    let named = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    };
    path.components().filter_map(named).collect()
}

fn note(places: &mut Places, directory: &Path, name: &OsStr) {
    let names = places.entry(directory.to_owned()).or_insert(Names::Some(BTreeSet::new()));
    if let Names::Some(names) = names {
        names.insert(name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// What is noted below `at`, as `directory: names`.
    fn noted(at: &Path) -> Vec<String> {
        let places = places(&Root::at(at));
        let below = places.iter().filter_map(|(directory, names)| {
            let directory = directory.strip_prefix(at).ok()?.display();
            Some(match names {
                Names::All => format!("{directory}: all"),
                Names::Some(names) => {
                    let names: Vec<_> = names.iter().map(|name| name.to_str().unwrap()).collect();
                    format!("{directory}: {}", names.join(" "))
                }
            })
        });
        below.collect()
    }

    fn bed() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let at = fs::canonicalize(directory.path()).unwrap();
        (directory, at)
    }

    #[test]
    fn what_is_not_there_yet_is_waited_for_where_it_comes() {
        let (_directory, at) = bed();
        assert_eq!(noted(&at), [": etc"]);
        fs::create_dir_all(at.join("etc/railhead")).unwrap();
        assert_eq!(noted(&at), [": etc", "etc: railhead", "etc/railhead: all"]);
        fs::create_dir_all(at.join("etc/railhead/objects")).unwrap();
        assert_eq!(noted(&at).last().unwrap(), "etc/railhead/objects: all");
    }

    #[test]
    fn every_link_on_the_way_is_noted_where_it_lies() {
        let (_directory, at) = bed();
        fs::create_dir_all(at.join("etc/railhead")).unwrap();
        fs::create_dir_all(at.join("srv/v1/objects")).unwrap();
        symlink("v1", at.join("srv/now")).unwrap();
        symlink(at.join("srv/now/objects"), at.join("etc/railhead/objects")).unwrap();
        let found = noted(&at);
        assert!(found.contains(&"srv: now v1".to_owned()), "{found:?}");
        assert!(found.contains(&"srv/v1: objects".to_owned()), "{found:?}");
        assert!(found.contains(&"srv/v1/objects: all".to_owned()), "{found:?}");
        // It leads to where nothing is: the name is what is waited for.
        fs::remove_dir_all(at.join("srv/v1")).unwrap();
        let found = noted(&at);
        assert!(found.contains(&"srv: now v1".to_owned()), "{found:?}");
        assert!(!found.iter().any(|place| place.contains("srv/v1")), "{found:?}");
    }

    #[test]
    fn files_of_a_config_map_and_linked_settings_lead_on() {
        let (_directory, at) = bed();
        let objects = at.join("etc/railhead/objects");
        fs::create_dir_all(objects.join("..v1")).unwrap();
        fs::create_dir_all(at.join("opt")).unwrap();
        fs::write(objects.join("..v1/a.yaml"), "").unwrap();
        symlink("..v1", objects.join("..data")).unwrap();
        symlink("..data/a.yaml", objects.join("a.yaml")).unwrap();
        symlink("../../opt/settings", at.join("etc/railhead/railhead.yaml")).unwrap();
        let found = noted(&at);
        assert!(found.contains(&"etc/railhead/objects: all".to_owned()), "{found:?}");
        assert!(found.contains(&"etc/railhead/objects/..v1: a.yaml".to_owned()), "{found:?}");
        assert!(found.contains(&"opt: settings".to_owned()), "{found:?}");
    }

    #[test]
    fn a_ring_of_links_ends() {
        let (_directory, at) = bed();
        fs::create_dir_all(at.join("etc/railhead")).unwrap();
        symlink("other", at.join("etc/railhead/objects")).unwrap();
        symlink("objects", at.join("etc/railhead/other")).unwrap();
        assert_eq!(noted(&at).last().unwrap(), "etc/railhead: all");
    }
}
