//! The tests, by the part of railhead that they are about.

use super::Test;

mod daemon;
mod demo;
mod ipam;
mod lab;
#[cfg(test)]
mod named;
mod sriov;

/// Every test there is. Those of the lab itself come first: when they fail, nothing else means anything.
pub fn all() -> impl Iterator<Item = &'static Test> {
    [lab::TESTS, demo::TESTS, ipam::TESTS]
        .into_iter()
        .chain(sriov::TESTS.iter().copied())
        .chain(daemon::TESTS.iter().copied())
        .flatten()
}
