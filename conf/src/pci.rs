//! PCI identity.

use std::fmt;
use std::str::FromStr;

use crate::{ParseError, serde_by_text};

/// A PCI function: domain, bus, device, function.
///
/// Reads `0000:01:10.0` in either case and the short form `01:10.0` (domain 0); prints the full
/// lower-case form, which is the name of its directory in `/sys/bus/pci/devices`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciAddress {
    domain: u32,
    bus: u8,
    device: u8,
    function: u8,
}

impl PciAddress {
    /// The address with these parts; `None` when device or function is out of range.
    pub fn new(domain: u32, bus: u8, device: u8, function: u8) -> Option<Self> {
        (device < 32 && function < 8).then_some(Self { domain, bus, device, function })
    }

    /// The function that lies `routing_ids` after this one in routing-id order, as
    /// `sriov_offset + index * sriov_stride` places VFs after their PF (PCIe SR-IOV 9.3.3.9).
    pub fn offset_by(self, routing_ids: u32) -> Option<Self> {
        let rid = u16::try_from(self.routing_id().checked_add(routing_ids)?).ok()?;
        let [bus, devfn] = rid.to_be_bytes();
        Self::new(self.domain, bus, devfn >> 3, devfn & 7)
    }

    /// How many routing ids `other` lies after this one; `None` when it lies before it, or in
    /// another domain.
    pub fn distance_to(self, other: Self) -> Option<u32> {
        let distance = other.routing_id().checked_sub(self.routing_id())?;
        (self.domain == other.domain).then_some(distance)
    }

    fn routing_id(self) -> u32 {
        u32::from(self.bus) << 8 | u32::from(self.device) << 3 | u32::from(self.function)
    }
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { domain, bus, device, function } = self;
        write!(f, "{domain:04x}:{bus:02x}:{device:02x}.{function}")
    }
}

impl fmt::Debug for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PciAddress {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse(text).ok_or_else(|| ParseError::new("must be a PCI address like 0000:01:10.0"))
    }
}

fn parse(text: &str) -> Option<PciAddress> {
    let (rest, function) = text.rsplit_once('.')?;
    let (rest, device) = rest.rsplit_once(':')?;
    let (domain, bus) = rest.split_once(':').unwrap_or(("0000", rest));
    let hex = |digits: &str, least: usize, most: usize| {
        let plain = digits.bytes().all(|b| b.is_ascii_hexdigit());
        (plain && (least..=most).contains(&digits.len()))
            .then(|| u32::from_str_radix(digits, 16).ok())
            .flatten()
    };
    // Domains have four digits, more only behind an Intel VMD (0x10000 and up).
    PciAddress::new(
        hex(domain, 4, 8)?,
        u8::try_from(hex(bus, 2, 2)?).ok()?,
        u8::try_from(hex(device, 2, 2)?).ok()?,
        u8::try_from(hex(function, 1, 1)?).ok()?,
    )
}

serde_by_text!(PciAddress);

/// A PCI vendor or device id: four hex digits, `8086`, with or without `0x`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciId(u16);

impl PciId {
    /// The id with this number.
    pub const fn new(id: u16) -> Self {
        Self(id)
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for PciId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}", self.0)
    }
}

impl fmt::Debug for PciId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PciId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let plain = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        plain
            .then(|| u16::from_str_radix(digits, 16).ok())
            .flatten()
            .map(Self)
            .ok_or_else(|| ParseError::new("must be a PCI id of four hex digits, like 8086"))
    }
}

serde_by_text!(PciId);

/// The name of a kernel driver, safe to be one component of a sysfs path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DriverName(String);

impl DriverName {
    /// `vfio-pci`.
    pub fn vfio_pci() -> Self {
        Self("vfio-pci".to_owned())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the driver hands the device to user space, so that no netdev is to be expected.
    ///
    /// By the names that VFIO (`vfio-pci` and its variants such as `mlx5_vfio_pci`), UIO and DPDK
    /// use.
    pub fn is_userspace(&self) -> bool {
        let name = self.0.replace('-', "_");
        name.ends_with("vfio_pci") || matches!(name.as_str(), "uio_pci_generic" | "igb_uio")
    }
}

impl fmt::Display for DriverName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for DriverName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b' ');
        let dots = text.bytes().all(|b| b == b'.');
        if text.is_empty() || text.len() > 63 || dots || !text.bytes().all(plain) {
            return Err(ParseError::new("must be the name of a kernel driver, like vfio-pci"));
        }
        Ok(Self(text.to_owned()))
    }
}

serde_by_text!(DriverName);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn address_round_trips(domain in 0u32..0x20000, bus: u8, device in 0u8..32, function in 0u8..8) {
            let address = PciAddress::new(domain, bus, device, function).unwrap();
            prop_assert_eq!(address.to_string().parse(), Ok(address));
            prop_assert_eq!(address.to_string().to_uppercase().parse(), Ok(address));
        }

        #[test]
        fn no_text_makes_parsing_panic(text in "\\PC{0,24}") {
            drop((text.parse::<PciAddress>(), text.parse::<PciId>(), text.parse::<DriverName>()));
        }
    }

    #[test]
    fn short_form_is_domain_zero() {
        assert_eq!("01:10.0".parse::<PciAddress>(), "0000:01:10.0".parse());
    }

    #[test]
    fn what_would_leave_its_directory_is_refused() {
        for text in [
            "../../etc",
            "0000:01:10.8",
            "0000:01:20.0",
            "0:1:10.0",
            "0000:01:10.0/..",
            "+000:01:10.0",
        ] {
            assert!(text.parse::<PciAddress>().is_err(), "{text}");
        }
        for text in ["", ".", "..", "a/b", "a\n"] {
            assert!(text.parse::<DriverName>().is_err(), "{text}");
        }
    }

    #[test]
    fn vfs_follow_their_pf_by_offset_and_stride() {
        // igb: offset 0x180, stride 2.
        let pf: PciAddress = "0000:01:00.0".parse().unwrap();
        assert_eq!(pf.offset_by(0x80).unwrap().to_string(), "0000:01:10.0");
        assert_eq!(pf.offset_by(0x80 + 2 * 3).unwrap().to_string(), "0000:01:10.6");
        assert_eq!(pf.offset_by(0x80 + 2 * 4).unwrap().to_string(), "0000:01:11.0");
        assert_eq!(pf.offset_by(u32::MAX), None);
        let vf = pf.offset_by(0x180).unwrap();
        assert_eq!((pf.distance_to(vf), vf.distance_to(pf)), (Some(0x180), None));
        assert_eq!(pf.distance_to(PciAddress { domain: 1, ..vf }), None);
    }
}
