//! Link-layer values: MAC addresses, GUIDs, VLANs, MTUs.

use std::fmt;
use std::str::FromStr;

use crate::{ParseError, serde_by_text};

/// An Ethernet MAC address.
///
/// Reads `02:11:22:aa:bb:cc` and `02-11-22-aa-bb-cc`, either case; prints lower case with colons.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac([u8; 6]);

impl Mac {
    /// All zero: in the kernel's VF information, "none assigned".
    pub const ZERO: Self = Self([0; 6]);

    /// The address with these octets, in transmission order.
    pub const fn new(octets: [u8; 6]) -> Self {
        Self(octets)
    }

    /// The octets, in transmission order.
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }

    /// Whether all octets are zero.
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// Whether an interface may carry it: neither multicast, broadcast nor zero
    /// (`is_valid_ether_addr`, include/linux/etherdevice.h).
    pub fn is_assignable(self) -> bool {
        self.0[0] & 1 == 0 && !self.is_zero()
    }

    /// From a netlink hardware address, which has 6 octets on Ethernet and 20 on InfiniBand.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Mac {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        octets(text).map(Self).ok_or_else(|| {
            ParseError::new("must be a MAC address of six hex octets, like 02:11:22:33:44:55")
        })
    }
}

serde_by_text!(Mac);

/// An InfiniBand GUID (EUI-64), most significant octet first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid([u8; 8]);

impl Guid {
    /// The GUID with these octets, most significant first.
    pub const fn new(octets: [u8; 8]) -> Self {
        Self(octets)
    }

    /// The octets, most significant first.
    pub const fn octets(self) -> [u8; 8] {
        self.0
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, octet) in self.0.iter().enumerate() {
            let colon = if at == 0 { "" } else { ":" };
            write!(f, "{colon}{octet:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Guid {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        octets(text)
            .map(Self)
            .ok_or_else(|| ParseError::new("must be a GUID of eight hex octets with colons"))
    }
}

serde_by_text!(Guid);

/// `N` two-digit hex octets, all separated by `:` or all by `-`.
fn octets<const N: usize>(text: &str) -> Option<[u8; N]> {
    if !text.is_ascii() || text.len() != N * 3 - 1 {
        return None;
    }
    let separator = text.as_bytes()[2];
    if separator != b':' && separator != b'-' {
        return None;
    }
    let mut out = [0; N];
    for (octet, chunk) in out.iter_mut().zip(text.as_bytes().chunks(3)) {
        if chunk.len() == 3 && chunk[2] != separator {
            return None;
        }
        *octet = hex_digit(chunk[0])? << 4 | hex_digit(chunk[1])?;
    }
    Some(out)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Makes a number newtype with an inclusive range: serde, `Display`, `TryFrom<i64>`.
macro_rules! ranged {
    ($(#[$doc:meta])* $name:ident($repr:ty) $min:literal..=$max:literal, $rule:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "i64", into = "i64")]
        pub struct $name($repr);

        impl $name {
            /// The number.
            pub const fn get(self) -> $repr {
                self.0
            }
        }

        impl TryFrom<i64> for $name {
            type Error = ParseError;

            fn try_from(number: i64) -> Result<Self, ParseError> {
                match <$repr>::try_from(number) {
                    Ok(fits) if ($min..=$max).contains(&fits) => Ok(Self(fits)),
                    _ => Err(ParseError::new($rule)),
                }
            }
        }

        impl From<$name> for i64 {
            fn from(value: $name) -> i64 {
                i64::from(value.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

ranged!(
    /// A VLAN id of a VF; 0 means untagged.
    VlanId(u16) 0..=4094, "must be between 0 and 4094"
);
ranged!(
    /// A VLAN priority (802.1p).
    VlanQos(u8) 0..=7, "must be between 0 and 7"
);

impl VlanId {
    /// No VLAN.
    pub const UNTAGGED: Self = Self(0);
}

impl VlanQos {
    /// Best effort, what a VF has by default.
    pub const LEAST: Self = Self(0);
}

ranged!(
    /// An MTU in bytes, without link-layer header. 65535 is the most `IFLA_MTU` takes on any
    /// SR-IOV driver; each driver has a limit of its own below it.
    Mtu(u32) 68..=65535, "must be between 68 and 65535"
);

/// The tag protocol of a VF's VLAN (`IFLA_VF_VLAN_INFO`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum VlanProto {
    /// 802.1Q, EtherType 0x8100.
    #[default]
    Q,
    /// 802.1ad, EtherType 0x88a8.
    Ad,
}

impl fmt::Display for VlanProto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Q => "802.1q",
            Self::Ad => "802.1ad",
        })
    }
}

impl FromStr for VlanProto {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.to_ascii_lowercase().as_str() {
            "802.1q" => Ok(Self::Q),
            "802.1ad" => Ok(Self::Ad),
            _ => Err(ParseError::new("must be 802.1q or 802.1ad")),
        }
    }
}

serde_by_text!(VlanProto);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn mac_round_trips(octets: [u8; 6]) {
            let mac = Mac::new(octets);
            prop_assert_eq!(mac.to_string().parse(), Ok(mac));
            prop_assert_eq!(mac.to_string().to_uppercase().replace(':', "-").parse(), Ok(mac));
        }

        #[test]
        fn guid_round_trips(octets: [u8; 8]) {
            let guid = Guid::new(octets);
            prop_assert_eq!(guid.to_string().parse(), Ok(guid));
        }

        #[test]
        fn no_text_makes_parsing_panic(text in "\\PC{0,24}") {
            drop((text.parse::<Mac>(), text.parse::<Guid>(), text.parse::<VlanProto>()));
        }
    }

    #[test]
    fn mixed_separators_and_short_octets_are_refused() {
        for text in
            ["02:11-22:33:44:55", "2:11:22:33:44:55", "021122334455", "", "02:11:22:33:44:5g"]
        {
            assert!(text.parse::<Mac>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_unicast_is_assignable() {
        for (text, assignable) in [
            ("02:11:22:33:44:55", true),
            ("01:00:5e:00:00:01", false),
            ("ff:ff:ff:ff:ff:ff", false),
            ("00:00:00:00:00:00", false),
        ] {
            assert_eq!(text.parse::<Mac>().unwrap().is_assignable(), assignable, "{text}");
        }
    }

    #[test]
    fn ranges_hold_at_their_ends() {
        assert!(VlanId::try_from(4094).is_ok() && VlanId::try_from(4095).is_err());
        assert!(VlanId::try_from(-1).is_err() && VlanQos::try_from(8).is_err());
        assert!(Mtu::try_from(68).is_ok() && Mtu::try_from(67).is_err());
    }
}
