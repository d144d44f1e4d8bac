//! The files of a netdev and its queues that can be written.

use std::fs;
use std::path::Path;

use conf::PciAddress;

use super::{Sysfs, read};
use crate::kernel::{Error, print};

/// Of the netdev itself: how it is polled, and what becomes of it when the machine saves power.
const NAPI: [&str; 3] = ["threaded", "gro_flush_timeout", "napi_defer_hard_irqs"];
const POWER: [&str; 2] = ["power/control", "power/async"];

/// Of a queue: which processors work on what it received, and how fast it may send.
const QUEUE: [&str; 7] = [
    "rps_cpus",
    "rps_flow_cnt",
    "tx_maxrate",
    "byte_queue_limits/hold_time",
    "byte_queue_limits/limit_max",
    "byte_queue_limits/limit_min",
    "byte_queue_limits/stall_thrs",
];

/// Which processors send by it. Many drivers choose them when they are first opened.
const XPS: [&str; 2] = ["xps_cpus", "xps_rxqs"];

/// What the files of a netdev say, from one look.
pub(in crate::kernel) struct NetdevFiles {
    /// Of the netdev itself: what each says, where it is there.
    own: Vec<(&'static str, Option<Vec<u8>>)>,
    /// Of all queues together.
    queues: Vec<Vec<u8>>,
    xps: Vec<Vec<u8>>,
}

impl NetdevFiles {
    /// A print of each kind.
    pub(in crate::kernel) fn prints(&self) -> Vec<(&'static str, u32)> {
        let of = |texts: &[Vec<u8>]| print::of(texts.iter().map(Vec::as_slice));
        let of_own = |own: &[(_, Option<Vec<u8>>)]| {
            print::of(own.iter().map(|(_, text)| text.as_deref().unwrap_or_default()))
        };
        let (napi, power) = self.own.split_at(NAPI.len());
        let mut prints =
            vec![("napi", of_own(napi)), ("power", of_own(power)), ("queues", of(&self.queues))];
        if self.xps.iter().flatten().any(|octet| matches!(octet, b'1'..=b'9' | b'a'..=b'f')) {
            prints.push(("xps", of(&self.xps)));
        }
        prints
    }

    /// What those of the netdev itself say, by name.
    pub(in crate::kernel) fn settings(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.own.iter().filter_map(|(file, text)| {
            let text = str::from_utf8(text.as_deref()?).ok()?;
            Some((*file, text.trim().to_owned()))
        })
    }
}

impl Sysfs {
    /// What the files of a function's netdev say.
    pub(in crate::kernel) fn netdev_files(&self, function: PciAddress, name: &str) -> NetdevFiles {
        let directory = self.directory(function).join("net").join(name);
        let queues = directory.join("queues");
        let mut names = read::names(&queues).unwrap_or_default();
        names.sort();
        let (mut limits, mut xps) = (Vec::new(), Vec::new());
        for queue in &names {
            limits.push(queue.clone().into_bytes());
            limits.extend(QUEUE.iter().map(|file| contents(&queues.join(queue).join(file))));
            xps.extend(XPS.iter().map(|file| contents(&queues.join(queue).join(file))));
        }
        let own =
            NAPI.iter().chain(&POWER).map(|file| (*file, fs::read(directory.join(file)).ok()));
        NetdevFiles { own: own.collect(), queues: limits, xps }
    }

    /// Writes one of these files, of which none takes its time.
    pub(in crate::kernel) fn set_netdev(
        &self,
        function: PciAddress,
        name: &str,
        file: &str,
        text: &str,
    ) -> Result<(), Error> {
        let Some(file) = NAPI.iter().chain(&POWER).find(|known| **known == file) else {
            return Ok(());
        };
        let path = self.directory(function).join("net").join(name).join(file);
        fs::write(&path, text).map_err(|error| Error::new("write", path.display(), error))
    }
}

/// What a file says; nothing where it is not there or cannot be read.
fn contents(file: &Path) -> Vec<u8> {
    fs::read(file).unwrap_or_default()
}
