//! The MAC that a VF gets.

use conf::{Mac, VfIndex};

/// The MAC of a PF's VF: the same after every re-creation and reboot.
///
/// Locally administered and unicast. Octets 2 to 4 are the PF's own last three, octet 5 is the
/// VF's index, octets 0 and 1 hash the vendor's part of the PF's MAC and the index's upper half:
///
/// ```text
/// PF  50:6b:4b:12:34:56, VF 3  ->  hh:hh:12:34:56:03
/// ```
///
/// So no two of the first 256 VFs of any PFs of one vendor block (OUI) share a MAC.
pub fn of_vf(pf: Mac, vf: VfIndex) -> Mac {
    let [a, b, c, d, e, f] = pf.octets();
    let [high, low] = vf.0.to_be_bytes();
    let [.., h0, h1] = fnv1a(&[a, b, c, high]).to_be_bytes();
    Mac::new([(h0 & !0x01) | 0x02, h1, d, e, f, low])
}

/// FNV-1a, 32 bits: short, specified, and not going to change under us.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_one_that_an_interface_may_carry(octets: [u8; 6], index: u16) {
            let mac = of_vf(Mac::new(octets), VfIndex(index));
            prop_assert!(mac.is_assignable());
            prop_assert_eq!(mac.octets()[0] & 0x02, 0x02, "locally administered");
        }
    }

    /// Whoever has leases or firewall rules by MAC relies on it: it may never change.
    #[test]
    fn golden() {
        let pf: Mac = "50:6b:4b:12:34:56".parse().unwrap();
        let macs: Vec<String> =
            [0, 3, 255, 256].map(|index| of_vf(pf, VfIndex(index)).to_string()).into();
        insta::assert_json_snapshot!(macs);
    }

    #[test]
    fn neighbouring_pfs_do_not_collide() {
        let mut seen = BTreeSet::new();
        for last in 0..8 {
            for index in 0..256 {
                let pf = Mac::new([0x50, 0x6b, 0x4b, 0x12, 0x34, last]);
                assert!(seen.insert(of_vf(pf, VfIndex(index))), "PF …:{last:02x}, VF {index}");
            }
        }
    }
}
