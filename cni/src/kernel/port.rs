//! Which of a function's netdevs stands for the function itself, told by their port names
//! (IFLA_PHYS_PORT_NAME, `phys_port_name`).
//!
//! In switchdev mode a PF also carries the representors of its VFs and sub-functions, which the
//! kernel names `pf0vf3` or `c1pf0sf2` (`__devlink_port_phys_port_name_get`, net/devlink/port.c).
//! Interface names tell nothing: udev or an admin may have given a representor any.

/// A netdev of a function, and what tells whether it stands for it.
#[derive(Debug, Clone)]
pub struct Candidate<T> {
    /// The netdev.
    pub netdev: T,
    /// Its port name; `None` where the driver has none.
    pub port: Option<String>,
    /// Its interface index: the first one made is the function's own.
    pub index: u32,
}

/// The one that stands for the function: a port of the NIC itself (`p0`) or one without a name
/// before any other, of equal ones the least index; never a representor.
pub fn own<T>(candidates: impl IntoIterator<Item = Candidate<T>>) -> Option<T> {
    let ranked = candidates.into_iter().filter_map(|candidate| {
        let port = candidate.port.as_deref().unwrap_or_default();
        (!is_representor(port)).then(|| ((!is_physical(port), candidate.index), candidate.netdev))
    });
    ranked.min_by_key(|(rank, _)| *rank).map(|(_, netdev)| netdev)
}

/// `[cN]pfN(vf|sf)N`.
pub fn is_representor(port: &str) -> bool {
    let port = numbered(port, "c").unwrap_or(port);
    let Some(rest) = numbered(port, "pf") else { return false };
    numbered(rest, "vf").or_else(|| numbered(rest, "sf")).is_some_and(str::is_empty)
}

/// `pN`, `pNsN` of a port that is split, or nothing.
fn is_physical(port: &str) -> bool {
    let Some(rest) = numbered(port, "p") else { return port.is_empty() };
    rest.is_empty() || numbered(rest, "s").is_some_and(str::is_empty)
}

/// What follows `before` and a number.
fn numbered<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    let digits = text.strip_prefix(before)?;
    let rest = digits.trim_start_matches(|c: char| c.is_ascii_digit());
    (rest.len() < digits.len()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(netdevs: &[(&'static str, Option<&str>, u32)]) -> Option<&'static str> {
        own(netdevs.iter().map(|(netdev, port, index)| Candidate {
            netdev: *netdev,
            port: port.map(str::to_owned),
            index: *index,
        }))
    }

    #[test]
    fn representors_are_told_from_ports() {
        for port in ["pf0vf3", "c1pf0vf10", "pf1sf88"] {
            assert!(is_representor(port), "{port}");
        }
        for port in ["p0", "", "pf0", "pf0hpf", "pfvf", "c1pf0", "pf0vf", "pf0vf1x"] {
            assert!(!is_representor(port), "{port}");
        }
    }

    #[test]
    fn a_port_of_the_nic_itself_stands_for_it() {
        let representors = [("a", Some("pf0vf0"), 3), ("b", Some("pf0sf1"), 4)];
        assert_eq!(chosen(&representors), None, "a representor never does");
        for own in [Some("p0"), Some("p1s2"), Some(""), None] {
            let mut netdevs = representors.to_vec();
            netdevs.push(("host", Some("pf0hpf"), 2));
            netdevs.push(("own", own, 9));
            assert_eq!(chosen(&netdevs), Some("own"), "{own:?}");
        }
        assert_eq!(chosen(&[("b", Some("p1"), 8), ("a", Some("p0"), 7)]), Some("a"));
        assert_eq!(chosen(&[("x", Some("pf0"), 6), ("y", Some("other"), 5)]), Some("y"));
    }
}
