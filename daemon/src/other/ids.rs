//! PCI ids of NICs' VFs. A virtual machine that was given one sees no PF beside it.

use conf::PciId;

/// NVIDIA's vendor id.
pub(crate) const MELLANOX: u16 = 0x15b3;

/// By vendor, from the drivers' tables of ids (drivers/net/ethernet).
const VFS: [(u16, &[u16]); 12] = [
    (
        MELLANOX,
        &[0x1002, 0x1004, 0x1008, 0x1014, 0x1016, 0x1018, 0x101a, 0x101c, 0x101e, 0x1020, 0xa2d3],
    ),
    (
        0x8086,
        &[
            0x10ca, 0x152d, 0x1520, 0x152f, 0x10ed, 0x152e, 0x1515, 0x1530, 0x1565, 0x1564, 0x15a8,
            0x15a9, 0x15c5, 0x15b4, 0x154c, 0x1571, 0x37cd, 0x37d9, 0x1889, 0x145c, 0x0dd5,
        ],
    ),
    (
        0x14e4,
        &[
            0x1606, 0x1607, 0x1608, 0x1609, 0x16bd, 0x16c1, 0x16c2, 0x16c3, 0x16c4, 0x16c5, 0x16cb,
            0x16d3, 0x16dc, 0x16e1, 0x16e5, 0x16e6, 0x1806, 0x1807, 0x1808, 0x1809, 0x1819, 0xd800,
            0x16a9, 0x16ad, 0x16af, 0x163f, 0x166f,
        ],
    ),
    (0x1077, &[0x1664, 0x8090, 0x8430]),
    (0x1924, &[0x1803, 0x1813, 0x1903, 0x1923, 0x1a03, 0x1b03]),
    (0x19e5, &[0x375e, 0x379e, 0xa22e, 0xa22f]),
    (0x1dd8, &[0x1003]),
    (0x177d, &[0xa034, 0xa064, 0xa0f8, 0x9712]),
    (0x1137, &[0x0071]),
    (0x19ee, &[0x6003]),
    (0x1414, &[0x00ba]),
    (0x1d0f, &[0xec20, 0xec21]),
];

/// Whether it is a VF by its ids.
pub(crate) fn is_vf_id(vendor: PciId, device: PciId) -> bool {
    let of_vendor = VFS.iter().find(|(of, _)| *of == vendor.get());
    of_vendor.is_some_and(|(_, devices)| devices.contains(&device.get()))
}

/// Whether it is a ConnectX or a BlueField; NVIDIA's switch chips are network controllers too.
pub(crate) fn is_mellanox_nic(vendor: PciId, device: PciId) -> bool {
    vendor.get() == MELLANOX && matches!(device.get() >> 8, 0x10 | 0xa2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vfs_are_told_from_pfs_by_their_ids() {
        let is_vf = |vendor, device| is_vf_id(PciId::new(vendor), PciId::new(device));
        for device in [0x1004, 0x1014, 0x1016, 0x1018, 0x101a, 0x101c, 0x101e] {
            assert!(is_vf(MELLANOX, device), "{device:x}");
            // Their PFs have the id before, of ConnectX-6 Dx and later the one VFs share.
            assert!(!is_vf(MELLANOX, device - 1), "{device:x}");
        }
        for (vendor, device) in [(0x8086, 0x1889), (0x8086, 0x154c), (0x14e4, 0x1806)] {
            assert!(is_vf(vendor, device), "{vendor:x}:{device:x}");
        }
        for (vendor, device) in [(0x8086, 0x10c9), (0x8086, 0x1592), (0x8086, 0x1004)] {
            assert!(!is_vf(vendor, device), "{vendor:x}:{device:x}");
        }
    }

    #[test]
    fn a_switch_chip_is_no_nic() {
        let is_nic = |device| is_mellanox_nic(PciId::new(MELLANOX), PciId::new(device));
        assert!(is_nic(0x1017) && is_nic(0x1021) && is_nic(0xa2d6));
        assert!(!is_nic(0xcb84) && !is_nic(0xd2f0));
    }
}
