//! Settings of an interface in its namespace.

use cni::kernel::netns::{Netns, enter};
use cni::kernel::sysctl::{Family, Setting, set};
use cni::kernel::{Change, Errno};

use crate::bed::{ip, ip_in, isolated, name, other_netns};

#[test]
fn settings_are_written_where_they_differ() {
    isolated(|| {
        let pod = other_netns();
        ip_in(&pod, "link add net.1 type bridge");
        ip("link add net.1 type bridge");
        let settings = [
            Setting { family: Family::Ipv4, key: "arp_notify", value: 1 },
            Setting { family: Family::Ipv6, key: "accept_dad", value: 0 },
            Setting { family: Family::Ipv6, key: "no_such_key", value: 0 },
        ];
        let outcomes = set(&pod, &name("net.1"), &settings).unwrap();
        assert!(matches!(outcomes[..], [Ok(Change::Changed), Ok(Change::Changed), Err(_)]));
        let error = outcomes[2].as_ref().unwrap_err();
        assert!(error.is(Errno::ENOENT), "{error}");
        assert_eq!(
            error.to_string(),
            "read /proc/sys/net/ipv6/conf/net.1/no_such_key: No such file or directory"
        );
        let again = set(&pod, &name("net.1"), &settings[..2]).unwrap();
        assert!(matches!(again[..], [Ok(Change::Same), Ok(Change::Same)]));
        let arp_notify = || std::fs::read_to_string("/proc/sys/net/ipv4/conf/net.1/arp_notify");
        assert_eq!(enter(&pod, arp_notify).unwrap().unwrap(), "1\n");
        assert_eq!(enter(&Netns::current().unwrap(), arp_notify).unwrap().unwrap(), "0\n");
    });
}
