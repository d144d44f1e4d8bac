//! The CNI wire formats, versions 0.1.0 to 1.1.0: what callers send and what plugins answer.
//!
//! ```text
//! CNI_ARGS -> args          keys <- stdin
//!                 \        /
//!                  plugins        version: which shape
//!                 /        \
//!          result            error        -> stdout, exactly one of the two
//! ```
//!
//! Source: the CNI specification 1.1.0 (SPEC.md, "Section 2", "Section 5") and, for what callers
//! really send, the Go library `containernetworking/cni`.

pub mod args;
pub mod error;
pub mod json;
pub mod keys;
pub mod result;
pub mod version;

pub use args::CniArgs;
pub use error::{Code, Error};
pub use result::{AddResult, Dns, Interface, Ip, Route};
pub use version::Version;
