//! Every verb that touches the kernel: netlink, namespaces, sysfs, modules, VFIO.
//!
//! ```text
//! netlink::Route --- link, vf, address, route      a socket in one namespace; one request each
//! monitor::Monitor                                 "something changed": look again, by a deadline
//! announce                                         gratuitous ARP, unsolicited NA
//! netns::Netns ----- enter                         one namespace, by file descriptor
//! sysfs::Sysfs ----- child                         PCI functions; writes that a driver can hang
//! usage                                            what shows that the host uses a link
//! tuning ----------- ethtool, sysfs               what no link message tells of a netdev
//! bpf                                              programs at a netdev
//! uevent, module, vfio, sysctl, port, process, processes, procfs, readable
//! ```
//!
//! A verb is a plain synchronous function on an explicit handle; it does one thing, waits for no
//! one but the kernel, and fails with an [`Error`] that names verb, object and cause. Sequences
//! with a policy (an attachment, a plan) live with their owners, not here. This is the only place
//! of the package that may use `unsafe`.

pub mod address;
pub mod announce;
pub mod bpf;
pub mod child;
mod error;
mod ethtool;
pub mod link;
pub mod module;
pub mod monitor;
pub mod netlink;
pub mod netns;
pub mod port;
mod print;
pub(crate) mod process;
pub mod processes;
pub mod procfs;
pub mod readable;
pub mod route;
pub mod sysctl;
pub mod sysfs;
pub mod tuning;
pub mod uevent;
pub mod usage;
pub mod vf;
pub mod vfio;

pub use error::{Cause, Errno, Error};

/// What a verb that reads, compares and writes found to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use = "tells whether anything was changed"]
pub enum Change {
    /// It was different and was written.
    Changed,
    /// It was so already; nothing was written.
    Same,
}
