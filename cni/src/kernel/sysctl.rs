//! `/proc/sys/net` of one namespace.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use conf::IfName;

use super::netns::{self, Netns};
use super::{Change, Error};

/// The IP family that a key belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// `net.ipv4.conf.IF.KEY`
    Ipv4,
    /// `net.ipv6.conf.IF.KEY`
    Ipv6,
}

/// One setting of one interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its family.
    pub family: Family,
    /// Its key: `arp_notify`.
    pub key: &'static str,
    /// Its value.
    pub value: u32,
}

/// Sets `settings` of the interface in `netns`, in order; what is so already is not written.
/// The result has one entry for each: a kernel without IPv6 has none of its keys (ENOENT).
pub fn set(
    netns: &Netns,
    name: &IfName,
    settings: &[Setting],
) -> Result<Vec<Result<Change, Error>>, Error> {
    // The kernel shows the settings of the namespace of the thread that looks.
    netns::enter(netns, || settings.iter().map(|setting| set_one(name, setting)).collect())
}

fn set_one(name: &IfName, setting: &Setting) -> Result<Change, Error> {
    let path = setting.path(name);
    let error = |verb, cause: io::Error| Error::new(verb, path.display(), cause);
    let open = |writing| OpenOptions::new().read(true).write(writing).open(&path);
    let (file, refused) = match open(true) {
        Ok(file) => (file, None),
        // Where nothing can be written, it may be so already.
        Err(refused) => match open(false) {
            Ok(file) => (file, Some(refused)),
            Err(cause) => return Err(error("read", cause)),
        },
    };
    let mut now = [0; LONGEST];
    let length = file.read_at(&mut now, 0).map_err(|cause| error("read", cause))?;
    let wanted = setting.value.to_string();
    if now.get(..length).unwrap_or_default().trim_ascii_end() == wanted.as_bytes() {
        return Ok(Change::Same);
    }
    let written = match refused {
        None => file.write_all_at(wanted.as_bytes(), 0),
        Some(refused) => Err(refused),
    };
    written.map(|()| Change::Changed).map_err(|cause| error("write", cause))
}

/// More than a number takes.
const LONGEST: usize = 32;

impl Setting {
    fn path(&self, name: &IfName) -> PathBuf {
        let family = match self.family {
            Family::Ipv4 => "ipv4",
            Family::Ipv6 => "ipv6",
        };
        // A path, not a dotted key: an interface's name may have dots.
        ["/proc/sys/net", family, "conf", name.as_str(), self.key].iter().collect()
    }
}
