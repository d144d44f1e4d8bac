//! Whether this process may do what it is there for.

use caps::{CapSet, Capability};

/// What every pass needs.
const NEEDED: [(Capability, &str); 2] = [
    (Capability::CAP_NET_ADMIN, "change links and assign VFs"),
    (Capability::CAP_SYS_ADMIN, "look into network namespaces"),
];

/// Capabilities that are missing.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} missing, needed to {}: run as root, or give the service its capabilities \
     (AmbientCapabilities= in the unit)", self.names(), self.purposes()
)]
pub struct Missing(Vec<(Capability, &'static str)>);

impl Missing {
    fn names(&self) -> String {
        let names: Vec<String> = self.0.iter().map(|(name, _)| name.to_string()).collect();
        format!("{} {}", names.join(" and "), if names.len() == 1 { "is" } else { "are" })
    }

    fn purposes(&self) -> String {
        let purposes: Vec<&str> = self.0.iter().map(|(_, purpose)| *purpose).collect();
        purposes.join(" and to ")
    }
}

/// Whether all are there.
pub(super) fn check() -> Result<(), Missing> {
    let lacks = |needed: &&(Capability, &str)| {
        !caps::has_cap(None, CapSet::Effective, needed.0).unwrap_or(false)
    };
    let missing: Vec<_> = NEEDED.iter().filter(lacks).copied().collect();
    if missing.is_empty() { Ok(()) } else { Err(Missing(missing)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_its_purpose() {
        assert_eq!(
            Missing(NEEDED.to_vec()).to_string(),
            "CAP_NET_ADMIN and CAP_SYS_ADMIN are missing, needed to change links and assign VFs \
             and to look into network namespaces: run as root, or give the service its \
             capabilities (AmbientCapabilities= in the unit)"
        );
    }
}
