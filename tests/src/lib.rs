//! The lab: every test that needs more than one package, and the machine it runs on.
//!
//! SR-IOV needs hardware that a build machine has not got, so the lab boots a virtual machine whose emulated
//! network cards have real virtual functions, with nothing but programs of this workspace in it:
//!
//! ```text
//!   host: railhead-lab, `cargo test`              guest: railhead-guest (PID 1)
//!   lab::build      binaries, static musl         guest::init     mounts, modules, reaping
//!   lab::image      initramfs                     guest::runner   tests one by one
//!   lab::machine    QEMU  -- protocol::Orders -->
//!   lab::suite            <-- protocol::Event --  guest::tests    the tests themselves
//!   lab::wreck      what a failed run leaves      guest::{host, pod, cni, ...} their vocabulary
//! ```
//!
//! The orders travel inside the initramfs, the events as JSON lines over a second serial port, so that neither a
//! kernel message nor a program that writes to the console can garble them.
//!
//! Nothing depends on this package, and nothing of it is shipped.

pub mod figure;
pub mod guest;
pub mod lab;
pub mod protocol;
