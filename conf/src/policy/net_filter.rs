//! `nicSelector.netFilter`: NICs by the network of a cloud that they are attached to.

use std::fmt;
use std::str::FromStr;

use crate::{ParseError, serde_by_text};

/// A cloud whose metadata say what a virtual machine's NICs are attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cloud {
    /// OpenStack: networks go by UUID.
    OpenStack,
    /// AWS: networks are subnets.
    Aws,
}

impl Cloud {
    const ALL: [Self; 2] = [Self::OpenStack, Self::Aws];

    fn prefix(self) -> &'static str {
        match self {
            Self::OpenStack => "openstack/NetworkID:",
            Self::Aws => "aws/NetworkID:",
        }
    }
}

/// `openstack/NetworkID:UUID` or `aws/NetworkID:SUBNET`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NetFilter {
    /// Whose network.
    pub cloud: Cloud,
    /// Its id there.
    pub network: String,
}

impl fmt::Display for NetFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.cloud.prefix(), self.network)
    }
}

impl FromStr for NetFilter {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let is_id = |id: &&str| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            (1..=128).contains(&id.len()) && id.bytes().all(plain)
        };
        let parse = |cloud: Cloud| {
            let network = text.strip_prefix(cloud.prefix()).filter(is_id)?;
            Some(Self { cloud, network: network.to_owned() })
        };
        Cloud::ALL.into_iter().find_map(parse).ok_or_else(|| {
            ParseError::new("must be openstack/NetworkID:UUID or aws/NetworkID:SUBNET")
        })
    }
}

serde_by_text!(NetFilter);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_refuses() {
        for text in [
            "openstack/NetworkID:ada9ec67-2c97-467c-b674-c47200e2f5da",
            "aws/NetworkID:subnet-01b5b1b4b1b4b1b4b",
        ] {
            let filter: NetFilter = text.parse().unwrap();
            assert_eq!(filter.to_string(), text);
        }
        for text in ["", "openstack/NetworkID:", "aws/NetworkID:a b", "azure/NetworkID:x", "x"] {
            text.parse::<NetFilter>().unwrap_err();
        }
    }
}
