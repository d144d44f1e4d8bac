//! The tests, by the part of railhead that they are about.

use super::Test;

mod daemon;
mod demo;
mod ipam;
mod lab;
#[cfg(test)]
mod named;
mod sriov;
mod systemd;

/// Every test there is. Those of the lab itself come first: when they fail, nothing else means anything.
pub fn all() -> impl Iterator<Item = &'static Test> {
    [lab::TESTS, demo::TESTS, ipam::TESTS]
        .into_iter()
        .chain(sriov::TESTS.iter().copied())
        .chain(daemon::TESTS.iter().copied())
        .chain(systemd::TESTS.iter().copied())
        .flatten()
}

/// Whether a test needs the machine with systemd.
pub fn needs_systemd(name: &str) -> bool {
    systemd::TESTS.iter().copied().flatten().any(|(known, _)| *known == name)
}
