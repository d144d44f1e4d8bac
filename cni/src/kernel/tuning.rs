//! What can be set of a netdev that no link message tells: offloads, rings, queues, NAPI.
//!
//! It is not understood, only compared: a driver that is bound anew has it as it makes it.

use std::collections::BTreeMap;
use std::os::fd::AsFd;

use conf::PciAddress;
use serde::{Deserialize, Serialize};

use super::netlink::Route;
use super::sysfs::Sysfs;
use super::{Error, ethtool};

/// A short number for each thing that was told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tuning(BTreeMap<String, u32>);

/// How the netdev `name` of a PCI function is tuned, in the namespace of `route` and of sysfs: to be
/// compared, and to be set again. Each thing is asked for once.
pub fn look(route: &Route, sysfs: &Sysfs, function: PciAddress, name: &str) -> (Tuning, Tuned) {
    let told = ethtool::Told::by(route.as_fd(), name);
    let files = sysfs.netdev_files(function, name);
    let prints = told.prints().chain(files.prints());
    let tuned = Tuned {
        ethtool: told.settings().map(|(what, words)| (what.to_owned(), words)).collect(),
        files: files.settings().map(|(file, text)| (file.to_owned(), text)).collect(),
    };
    (Tuning(prints.map(|(what, print)| (what.to_owned(), print)).collect()), tuned)
}

impl Tuning {
    /// What of this is not so in `now`. What was not told before is left alone: a driver may
    /// choose it when it is first opened.
    pub fn differing(&self, now: &Self) -> Vec<&str> {
        let is_other = |(what, print): &(&String, &u32)| now.0.get(*what) != Some(print);
        self.0.iter().filter(is_other).map(|(what, _)| what.as_str()).collect()
    }
}

/// What makes a netdev that was made anew one that is tuned as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tuned {
    /// What ethtool is asked to set, in the words of its requests.
    ethtool: BTreeMap<String, Vec<u32>>,
    /// What its files say.
    files: BTreeMap<String, String>,
}

impl Tuned {
    /// Sets what of this is otherwise in `now`, and gives the kernel's answer to each.
    pub fn set<'a>(
        &'a self,
        now: &'a Self,
        route: &'a Route,
        sysfs: &'a Sysfs,
        (function, name): (PciAddress, &'a str),
    ) -> impl Iterator<Item = (&'a str, Result<(), Error>)> {
        let words =
            self.ethtool.iter().filter(|(what, words)| now.ethtool.get(*what) != Some(words));
        let files = self.files.iter().filter(|(file, text)| now.files.get(*file) != Some(text));
        let by_ethtool = words.map(move |(what, words)| {
            let set = ethtool::set(route.as_fd(), name, words);
            let set = set.map_err(|errno| Error::new("set", format_args!("{name}: {what}"), errno));
            (what.as_str(), set)
        });
        let by_file = files
            .map(move |(file, text)| (file.as_str(), sysfs.set_netdev(function, name, file, text)));
        by_ethtool.chain(by_file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuning(pairs: &[(&str, u32)]) -> Tuning {
        Tuning(pairs.iter().map(|(what, print)| ((*what).to_owned(), *print)).collect())
    }

    #[test]
    fn what_was_known_is_compared() {
        let was = tuning(&[("rings", 1), ("features", 2)]);
        assert_eq!(was.differing(&tuning(&[("features", 2), ("rings", 1), ("xps", 4)])), [""; 0]);
        assert_eq!(was.differing(&tuning(&[("features", 3), ("xps", 4)])), ["features", "rings"]);
    }
}
