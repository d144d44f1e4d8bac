//! The container's network namespace.

use std::path::{Path, PathBuf};

use conf::cni::{Code, Error};

use super::Call;
use crate::kernel::netlink::Route;
use crate::kernel::netns::Netns;

/// The namespace that CNI_NETNS names, open.
#[derive(Debug)]
pub struct Sandbox {
    /// CNI_NETNS, word for word.
    pub path: PathBuf,
    /// The namespace.
    pub netns: Netns,
    /// Its number, which is never given to another one until the next boot.
    pub cookie: u64,
}

impl Sandbox {
    /// Opens the namespace at `path`, and a socket there. Refuses the plugin's own one: a device
    /// moved "there" would stay on the host under the container's name, and host traffic would be
    /// touched.
    ///
    /// # Errors
    /// Code 8.
    pub fn open(call: &Call, path: &Path) -> Result<(Self, Route), Error> {
        let wrong = |cause: &dyn std::fmt::Display| {
            Error::new(Code::InvalidNetns, format!("open CNI_NETNS {}: {cause}", path.display()))
        };
        let netns = Netns::open(path).map_err(|cause| wrong(&cause))?;
        let own = Netns::current().map_err(|cause| wrong(&cause))?;
        if !call.netns_override && netns.is_same(&own).map_err(|cause| wrong(&cause))? {
            return Err(wrong(&"it is the plugin's own network namespace"));
        }
        let there = Route::open_in(&netns).map_err(|cause| wrong(&cause))?;
        let cookie = there.netns_cookie().map_err(|cause| wrong(&cause))?;
        Ok((Self { path: path.to_owned(), netns, cookie }, there))
    }
}
