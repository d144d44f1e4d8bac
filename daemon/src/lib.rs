//! railhead's node daemon and command line: turns what objects ask for into what NICs do.
//!
//! ```text
//! source (objects, settings) --> Wish ----+
//! observe (sysfs, netlink, store) --------+--> plan --> apply --> observe again --> report
//! journal (what was there before) --------+
//! ```
//!
//! The plan is data: [`plan::plan`] is pure, [`apply`] does what it says and decides nothing. A
//! kernel primitive (one request, one file) never lives here: those are `cni::kernel`.

pub mod apply;
pub mod boot;
pub mod claims;
pub mod cli;
pub mod doctor;
pub mod dump;
pub mod fenced;
pub mod host;
pub mod journal;
pub mod judge;
pub mod leftovers;
pub mod markers;
pub mod metrics;
pub mod model;
pub mod observe;
mod other;
pub mod pause;
pub mod plan;
pub mod reconcile;
pub mod recorded;
pub mod report;
pub mod service;
pub mod settings;
pub mod situation;
pub mod snapshot;
pub mod source;
pub mod trial;
pub mod verify;
mod vfio_ids;
pub mod view;

#[cfg(test)]
mod specimen;

use conf::chain;
