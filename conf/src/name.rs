//! Names that become paths, interface names or resource names.

use std::fmt;
use std::str::FromStr;

use crate::{ParseError, serde_by_text};

/// Makes a text newtype whose rule is the function `$valid`.
/// With `most`, the limit is told as such when it is all that a text breaks.
macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $valid:expr, $rule:expr $(, most $most:expr)?) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = ParseError;

            fn from_str(text: &str) -> Result<Self, ParseError> {
                let valid: fn(&str) -> bool = $valid;
                if !valid(text) {
                    return Err(ParseError::new($rule));
                }
                $(
                    if text.len() > $most {
                        return Err($crate::name::too_long($most, text.len()));
                    }
                )?
                Ok(Self(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        serde_by_text!($name);
    };
}
pub(crate) use text;

pub(crate) fn too_long(most: usize, length: usize) -> ParseError {
    ParseError::new(format!("must have at most {most} characters, and has {length}"))
}

text!(
    /// A network interface's name, as the kernel accepts it (`dev_valid_name`, net/core/dev.c).
    ///
    /// `%` is refused as well: the kernel would take it as a pattern and choose a number. So are
    /// `all` and `default`, which are no interface's under `/proc/sys/net`
    /// (`devinet_sysctl_register`, net/ipv4/devinet.c): the kernel answers EINVAL when
    /// a rename is half done.
    IfName,
    |text| {
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | ':' | '%');
        !text.is_empty()
            && !matches!(text, "." | ".." | "all" | "default")
            && text.chars().all(plain)
    },
    "must be an interface name: 1 to 15 printable characters without '/', ':', '%' or blanks, \
     other than all and default",
    most 15
);

text!(
    /// A container id (CNI_CONTAINERID): the CNI spec's alphabet, at most 255 characters so that
    /// it can be a file's name.
    ContainerId,
    cni_word,
    "must start with a letter or digit and hold only letters, digits, '_', '.' and '-'",
    most 255
);

text!(
    /// A CNI network's name: the CNI spec's alphabet, at most 255 characters.
    NetworkName,
    cni_word,
    "must start with a letter or digit and hold only letters, digits, '_', '.' and '-'",
    most 255
);

text!(
    /// The suffix of an extended resource's name: 1 to 63 letters, digits, `_` and `-`, beginning
    /// and ending with a letter or digit.
    ResourceName,
    |text| {
        let bytes = text.as_bytes();
        let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        bytes.len() <= 63
            && edge(bytes.first())
            && edge(bytes.last())
            && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
    },
    "must be 1 to 63 letters, digits, '_' and '-', beginning and ending with a letter or digit"
);

text!(
    /// An address pool's name. It becomes a file's name with a suffix, hence the 200 characters.
    PoolName,
    cni_word,
    "must start with a letter or digit and hold only letters, digits, '_', '.' and '-', at most 200",
    most 200
);

text!(
    /// A node's name: a DNS subdomain, as every Kubernetes object's name is; so it can be a file's
    /// name.
    NodeName,
    is_subdomain,
    SUBDOMAIN_RULE
);

text!(
    /// Which start of the machine: `/proc/sys/kernel/random/boot_id` (drivers/char/random.c), a
    /// UUID in lower case.
    BootId,
    |text| {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        text.len() == 36 && text.bytes().all(|b| hex(b) || b == b'-')
    },
    "must be a UUID in lower case, like 1d1f2a3b-4c5d-4e6f-8a9b-0c1d2e3f4a5b"
);

/// The rule of [`is_subdomain`].
pub(crate) const SUBDOMAIN_RULE: &str = "must be 1 to 253 lower-case letters, digits, '-' and '.', \
     each part between dots beginning and ending with a letter or digit";

/// Whether `text` is a DNS subdomain (RFC 1123), as every Kubernetes object's name is.
pub(crate) fn is_subdomain(text: &str) -> bool {
    let label = |label: &str| {
        let bytes = label.as_bytes();
        let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        edge(bytes.first())
            && edge(bytes.last())
            && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// Whether `key` is a qualified name: an optional DNS subdomain and `/`, then 1 to 63 letters,
/// digits, `-`, `_` and `.`, beginning and ending with a letter or digit.
pub(crate) fn is_label_key(key: &str) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    prefix.is_none_or(is_subdomain) && !name.is_empty() && is_label_value(name)
}

/// Whether `value` is a label's value: empty, or 1 to 63 letters, digits, `-`, `_` and `.`,
/// beginning and ending with a letter or digit.
pub(crate) fn is_label_value(value: &str) -> bool {
    let bytes = value.as_bytes();
    let edge = |b: Option<&u8>| b.is_none_or(u8::is_ascii_alphanumeric);
    bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Whether `text` can be the name or an altname of a netdev: up to 127 characters (ALTIFNAMSIZ), of
/// which the kernel takes no blanks and slashes.
pub(crate) fn is_altname(text: &str) -> bool {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '/';
    (1..=127).contains(&text.len()) && text.chars().all(plain)
}

/// `^[a-zA-Z0-9][a-zA-Z0-9_.\-]*$`, the CNI spec's rule for container ids and network names.
fn cni_word(text: &str) -> bool {
    text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interface_names() {
        for good in ["eth0", "net1", "enp1s0f0v3", "a.b-c_d", "123456789012345"] {
            assert!(good.parse::<IfName>().is_ok(), "{good}");
        }
        for bad in
            ["", ".", "..", "a/b", "a:b", "a b", "net%d", "1234567890123456", "ü", "all", "default"]
        {
            assert!(bad.parse::<IfName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_limit_that_was_met_is_named() {
        fn rule<T: FromStr<Err = ParseError>>(text: &str) -> String {
            text.parse::<T>().map(drop).unwrap_err().to_string()
        }
        let long = "a".repeat(256);
        let limit = |most: usize| format!("must have at most {most} characters, and has 256");
        assert_eq!(rule::<ContainerId>(&long), limit(255));
        assert_eq!(rule::<NetworkName>(&long), limit(255));
        assert_eq!(rule::<PoolName>(&long), limit(200));
        assert_eq!(rule::<IfName>(&long), limit(15));
        assert_eq!(
            rule::<IfName>("a234567890123456"),
            "must have at most 15 characters, and has 16"
        );
        assert!(rule::<ContainerId>(&format!("{long}/")).starts_with("must start with a letter"));
    }

    #[test]
    fn container_ids_cannot_leave_a_directory() {
        assert!("cnitool-77383ca0a0715733ca6f".parse::<ContainerId>().is_ok());
        for bad in ["", "..", "../x", "a/b", "-x", ".x", "a\0"] {
            assert!(bad.parse::<ContainerId>().is_err(), "{bad}");
        }
        assert!("a".repeat(255).parse::<ContainerId>().is_ok());
    }

    #[test]
    fn pool_names_are_file_names() {
        assert!("pool-1.blue_x".parse::<PoolName>().is_ok());
        for bad in ["", ".", "..", "../x", "a/b", "a\0", &"a".repeat(201)] {
            assert!(bad.parse::<PoolName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn node_names_are_file_names() {
        for good in ["a", "node-1", "10.0.0.1", "a.b-c.d", &"a".repeat(253)] {
            assert!(good.parse::<NodeName>().is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "../a", "a..b", "a.", "A", "a b", "a\0", &"a".repeat(254)]
        {
            assert!(bad.parse::<NodeName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn boot_ids() {
        assert!("1d1f2a3b-4c5d-4e6f-8a9b-0c1d2e3f4a5b".parse::<BootId>().is_ok());
        for bad in ["", "x", "1D1F2A3B-4C5D-4E6F-8A9B-0C1D2E3F4A5B", &"a".repeat(37)] {
            assert!(bad.parse::<BootId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn label_keys_and_values() {
        for good in ["a", "kubernetes.io/os", "A_b.c-1"] {
            assert!(is_label_key(good), "{good}");
        }
        for bad in ["", "/a", "a/", "a/b/c", "-a", "A.io/x", "a b", &"a".repeat(64)] {
            assert!(!is_label_key(bad), "{bad}");
        }
        for (value, valid) in
            [("", true), ("r1", true), ("-", false), ("a b", false), ("a/b", false)]
        {
            assert_eq!(is_label_value(value), valid, "{value}");
        }
    }

    #[test]
    fn resource_names() {
        assert!("a_b-1".parse::<ResourceName>().is_ok());
        for bad in ["", "a b", "-x", "x_", &"a".repeat(64)] {
            assert!(bad.parse::<ResourceName>().is_err(), "{bad}");
        }
    }
}
