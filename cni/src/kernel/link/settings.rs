//! What can be set of a link that is neither its name, its address nor its MTU, and that the kernel
//! keeps when the link goes to another namespace.

use std::fmt;

use netlink_packet_core::{DecodeError, DefaultNla, parse_u8, parse_u32};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkXdp};
use serde::{Deserialize, Serialize};

use super::decode::attributes;
use crate::kernel::netlink::Route;
use crate::kernel::{Error, print};

// include/uapi/linux/if_link.h
const IFLA_BROADCAST: u16 = 2;
const IFLA_TXQLEN: u16 = 13;
const IFLA_LINKMODE: u16 = 17;
const IFLA_IFALIAS: u16 = 20;
const IFLA_GROUP: u16 = 27;
const IFLA_PROTO_DOWN: u16 = 39;
const IFLA_GSO_MAX_SEGS: u16 = 40;
const IFLA_GSO_MAX_SIZE: u16 = 41;
const IFLA_GRO_MAX_SIZE: u16 = 58;
const IFLA_GSO_IPV4_MAX_SIZE: u16 = 63;
const IFLA_GRO_IPV4_MAX_SIZE: u16 = 64;
/// The last attribute that was known when this was written (IFLA_TAILROOM).
const LAST_KNOWN: u16 = 69;

/// The flags that an administrator sets and no other field tells of (`__dev_change_flags`,
/// net/core/dev.c): debug, notrailers, noarp, multicast, portsel, automedia, dynamic.
const FLAGS: u32 = 0x0004 | 0x0020 | 0x0080 | 0x1000 | 0x2000 | 0x4000 | 0x8000;

/// What can be set of a link.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkSettings {
    /// IFF_NOARP, IFF_MULTICAST and their like.
    pub flags: u32,
    /// The attributes that are one number each, by kind.
    pub numbers: Vec<(u16, u32)>,
    /// IFLA_BROADCAST.
    pub broadcast: Vec<u8>,
    /// IFLA_IFALIAS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// A number that stands for all attributes that are newer than this program; 0 for none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unknown: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// One setting that is to be another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Flags(u32),
    Number(u16, u32),
    Broadcast(Vec<u8>),
    Alias(Option<String>),
}

impl LinkSettings {
    pub(super) fn of_flags(flags: u32) -> Self {
        Self { flags: flags & FLAGS, ..Self::default() }
    }

    /// Takes what an attribute says, if it is a setting.
    pub(super) fn read(&mut self, kind: u16, value: &[u8]) -> Result<(), DecodeError> {
        match kind {
            IFLA_LINKMODE | IFLA_PROTO_DOWN => self.numbers.push((kind, parse_u8(value)?.into())),
            IFLA_TXQLEN
            | IFLA_GROUP
            | IFLA_GSO_MAX_SEGS
            | IFLA_GSO_MAX_SIZE
            | IFLA_GRO_MAX_SIZE
            | IFLA_GSO_IPV4_MAX_SIZE
            | IFLA_GRO_IPV4_MAX_SIZE => self.numbers.push((kind, parse_u32(value)?)),
            IFLA_BROADCAST => self.broadcast = value.to_vec(),
            IFLA_IFALIAS => self.alias = Some(super::decode::text(value)),
            kind if kind > LAST_KNOWN => {
                self.unknown =
                    print::of([&self.unknown.to_ne_bytes()[..], &kind.to_ne_bytes(), value]);
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether the link asks for no neighbours (IFF_NOARP).
    pub fn is_without_arp(&self) -> bool {
        const IFF_NOARP: u32 = 0x80;
        self.flags & IFF_NOARP != 0
    }

    /// The flags of `wanted`, where these are others.
    pub fn change_of_flags(&self, wanted: &Self) -> Option<Setting> {
        (self.flags != wanted.flags).then_some(Setting { what: What::Flags(wanted.flags) })
    }

    /// What has to be set of a link with these settings to make it one with `wanted`. What only one
    /// of the two has is left alone.
    pub fn changes(&self, wanted: &Self) -> Vec<Setting> {
        let mut changes: Vec<What> =
            self.change_of_flags(wanted).into_iter().map(|setting| setting.what).collect();
        if self.broadcast != wanted.broadcast {
            changes.push(What::Broadcast(wanted.broadcast.clone()));
        }
        if self.alias != wanted.alias {
            changes.push(What::Alias(wanted.alias.clone()));
        }
        let mut wanted_numbers = wanted.numbers.clone();
        // The kernel sets the limit for IPv4 with the general one: it comes behind.
        wanted_numbers.sort_by_key(|(kind, _)| *kind);
        let differing = wanted_numbers.iter().filter(|(kind, value)| {
            self.numbers.iter().any(|(own, now)| own == kind && now != value)
        });
        let sets_another = |kind: u16| kind == IFLA_GSO_MAX_SIZE || kind == IFLA_GRO_MAX_SIZE;
        let differing: Vec<(u16, u32)> = differing.copied().collect();
        let also = differing.iter().any(|(kind, _)| sets_another(*kind));
        let of_ipv4 = [IFLA_GSO_IPV4_MAX_SIZE, IFLA_GRO_IPV4_MAX_SIZE];
        for (kind, value) in wanted_numbers {
            if differing.contains(&(kind, value)) || (also && of_ipv4.contains(&kind)) {
                changes.push(What::Number(kind, value));
            }
        }
        changes.into_iter().map(|what| Setting { what }).collect()
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Flags(flags) => write!(f, "flags {flags:#x}"),
            What::Number(kind, value) => write!(f, "{} {value}", name_of(*kind)),
            What::Broadcast(address) => write!(f, "broadcast {address:02x?}"),
            What::Alias(None) => f.write_str("no alias"),
            What::Alias(Some(alias)) => write!(f, "alias {alias:?}"),
        }
    }
}

fn name_of(kind: u16) -> &'static str {
    match kind {
        IFLA_TXQLEN => "txqueuelen",
        IFLA_LINKMODE => "mode",
        IFLA_GROUP => "group",
        IFLA_PROTO_DOWN => "protodown",
        IFLA_GSO_MAX_SEGS => "gso_max_segs",
        IFLA_GSO_MAX_SIZE => "gso_max_size",
        IFLA_GRO_MAX_SIZE => "gro_max_size",
        IFLA_GSO_IPV4_MAX_SIZE => "gso_ipv4_max_size",
        _ => "gro_ipv4_max_size",
    }
}

/// How an XDP program is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum XdpMode {
    /// By the kernel, for any driver.
    Generic,
    /// By the driver.
    Driver,
    /// By the NIC.
    Offload,
}

impl XdpMode {
    /// The modes of an IFLA_XDP.
    pub(super) fn attached(nested: &[u8]) -> Result<Vec<Self>, DecodeError> {
        const IFLA_XDP_ATTACHED: u16 = 2;
        // enum XDP_ATTACHED_*: one program. With several there is an attribute for each.
        const ONE: [(u8, XdpMode); 3] =
            [(1, XdpMode::Driver), (2, XdpMode::Generic), (3, XdpMode::Offload)];
        const EACH: [(u16, XdpMode); 3] =
            [(5, XdpMode::Driver), (6, XdpMode::Generic), (7, XdpMode::Offload)];
        let mut modes = Vec::new();
        for attribute in attributes(nested) {
            let attribute = attribute?;
            let (kind, value) = (attribute.kind(), attribute.value());
            let one = ONE
                .iter()
                .filter(|(number, _)| kind == IFLA_XDP_ATTACHED && value.first() == Some(number))
                .map(|(_, mode)| *mode);
            let each = EACH.iter().filter(|(own, _)| *own == kind).map(|(_, mode)| *mode);
            modes.extend(one.chain(each));
        }
        modes.dedup();
        Ok(modes)
    }

    /// XDP_FLAGS_*: which program of the link is meant.
    fn flag(self) -> u32 {
        match self {
            Self::Generic => 1 << 1,
            Self::Driver => 1 << 2,
            Self::Offload => 1 << 3,
        }
    }
}

impl fmt::Display for XdpMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Generic => "generic XDP",
            Self::Driver => "XDP",
            Self::Offload => "offloaded XDP",
        })
    }
}

impl Route {
    /// Changes one setting of a link.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn set_setting(&mut self, index: u32, setting: &Setting) -> Result<(), Error> {
        let other = |kind, value: Vec<u8>| LinkAttribute::Other(DefaultNla::new(kind, value));
        let attribute = match &setting.what {
            What::Flags(flags) => {
                let (flags, mask) =
                    (LinkFlags::from_bits_retain(*flags), LinkFlags::from_bits_retain(FLAGS));
                return self.set_flags(index, flags, mask, setting);
            }
            What::Number(kind @ (IFLA_LINKMODE | IFLA_PROTO_DOWN), value) => {
                other(*kind, vec![u8::try_from(*value).unwrap_or(u8::MAX)])
            }
            What::Number(kind, value) => other(*kind, value.to_ne_bytes().to_vec()),
            What::Broadcast(address) => other(IFLA_BROADCAST, address.clone()),
            // Without an octet it is no attribute, and an alias that begins with its end is none.
            What::Alias(None) => other(IFLA_IFALIAS, vec![0]),
            What::Alias(Some(alias)) => other(IFLA_IFALIAS, alias.clone().into_bytes()),
        };
        self.set(index, vec![attribute], setting)
    }

    /// Takes the XDP program away that is attached in this mode. One that a BPF link attached is
    /// EBUSY.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn remove_xdp(&mut self, index: u32, mode: XdpMode) -> Result<(), Error> {
        const NO_PROGRAM: i32 = -1;
        let xdp = vec![LinkXdp::Fd(NO_PROGRAM), LinkXdp::Flags(mode.flag())];
        self.set(index, vec![LinkAttribute::Xdp(xdp)], format_args!("{mode} off"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(numbers: &[(u16, u32)]) -> LinkSettings {
        LinkSettings { numbers: numbers.to_vec(), ..LinkSettings::of_flags(0x1003) }
    }

    fn told(now: &LinkSettings, wanted: &LinkSettings) -> String {
        let changes: Vec<String> = now.changes(wanted).iter().map(ToString::to_string).collect();
        changes.join(", ")
    }

    #[test]
    fn what_differs_is_changed_and_nothing_else() {
        let was = settings(&[(IFLA_TXQLEN, 1000), (IFLA_GROUP, 0)]);
        assert_eq!(was.flags, 0x1000, "up and broadcast are none of them");
        assert_eq!(told(&was, &was), "");
        let now = LinkSettings {
            flags: 0x80,
            alias: Some("x".to_owned()),
            ..settings(&[(IFLA_TXQLEN, 7), (IFLA_GROUP, 0), (IFLA_LINKMODE, 1)])
        };
        assert_eq!(told(&now, &was), "flags 0x1000, no alias, txqueuelen 1000");
    }

    #[test]
    fn the_limit_for_ipv4_comes_behind_the_one_that_sets_it() {
        let was = settings(&[(IFLA_GSO_IPV4_MAX_SIZE, 5), (IFLA_GSO_MAX_SIZE, 9)]);
        let now = settings(&[(IFLA_GSO_IPV4_MAX_SIZE, 5), (IFLA_GSO_MAX_SIZE, 8)]);
        assert_eq!(told(&now, &was), "gso_max_size 9, gso_ipv4_max_size 5");
    }

    #[test]
    fn attributes_of_later_kernels_are_told_apart() {
        let read = |values: &[(u16, &[u8])]| {
            let mut settings = LinkSettings::default();
            values.iter().for_each(|(kind, value)| settings.read(*kind, value).unwrap());
            settings.unknown
        };
        assert_eq!(read(&[(LAST_KNOWN, &[1])]), 0);
        assert_ne!(read(&[(90, &[1])]), read(&[(90, &[2])]));
        assert_ne!(read(&[(90, &[1])]), read(&[(91, &[1])]));
    }
}
