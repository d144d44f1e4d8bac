//! Pools whose networks overlap.
//!
//! On one node no address is given out twice, whatever pools there are (`ipam::allocate`). But
//! each pool deals its own blocks, so that two nodes may give out one address.

use std::fmt;

use conf::block::PoolRef;
use ipnetwork::IpNetwork;

use super::Pool;

/// Two pools that have addresses in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    /// One of them.
    pub one: PoolRef,
    /// The other, all of whose network lies in that of the one.
    pub other: PoolRef,
    /// What both have.
    pub range: IpNetwork,
}

/// Which of `pools` overlap: each with the narrowest one that its network lies in. Of many alike
/// that is each with the next, and not each with all.
pub fn overlaps(pools: impl Iterator<Item = Pool>) -> Vec<Overlap> {
    let mut all: Vec<(IpNetwork, PoolRef)> =
        pools.map(|pool| (pool.network(), pool.at())).collect();
    all.sort_by_cached_key(|(network, at)| (network.network(), network.prefix(), at.clone()));
    let mut around: Vec<(IpNetwork, PoolRef)> = Vec::new();
    let mut out = Vec::new();
    for (network, at) in all {
        // Of two networks one holds the other, or they have nothing in common.
        while around.pop_if(|(outer, _)| !outer.contains(network.network())).is_some() {}
        if let Some((_, outer)) = around.last() {
            out.push(Overlap { one: outer.clone(), other: at.clone(), range: network });
        }
        around.push((network, at));
    }
    out
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} and {} overlap in {}: no node gives out an address of it twice, but two nodes may \
             give out the same; give the pools networks of their own",
            self.one, self.other, self.range
        )
    }
}

#[cfg(test)]
mod tests {
    use conf::object::{Object, read};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// An IPPool, or where it has as many bits as a block a CIDRPool.
    fn pool(name: &str, network: &str) -> Pool {
        let is_cidr = name.starts_with('c');
        let network: IpNetwork = network.parse().unwrap();
        let (kind, spec) = match is_cidr {
            true => {
                let spec =
                    json!({"cidr": network, "perNodeNetworkPrefix": network.prefix().max(1)});
                ("CIDRPool", spec)
            }
            false => ("IPPool", json!({"subnet": network, "perNodeBlockSize": 1})),
        };
        let read = read(json!({
            "apiVersion": "nv-ipam.nvidia.com/v1alpha1", "kind": kind,
            "metadata": {"name": name}, "spec": spec,
        }));
        match read.object {
            Ok(Object::IpPool(pool)) => Pool::Ip(pool),
            Ok(Object::CidrPool(pool)) => Pool::Cidr(pool),
            other => panic!("{other:?}"),
        }
    }

    fn told(pools: &[(&str, &str)]) -> Vec<String> {
        let found = overlaps(pools.iter().map(|(name, network)| pool(name, network)));
        found
            .iter()
            .map(|overlap| format!("{} {} {}", overlap.one, overlap.other, overlap.range))
            .collect()
    }

    #[test]
    fn each_is_told_with_the_narrowest_around_it() {
        assert_eq!(told(&[("k", "10.4.0.0/24"), ("m", "10.4.1.0/24"), ("six", "::/0")]), [""; 0]);
        assert_eq!(
            told(&[("m", "10.4.0.0/24"), ("k", "10.4.0.0/24")]),
            ["ippool/k ippool/m 10.4.0.0/24"]
        );
        assert_eq!(
            told(&[
                ("inner", "10.4.2.0/24"),
                ("c", "10.4.0.0/16"),
                ("next", "10.5.0.0/16"),
                ("all", "10.0.0.0/8"),
                ("v6", "fd00::/64"),
                ("c6", "fd00::/48"),
            ]),
            [
                "ippool/all cidrpool/c 10.4.0.0/16",
                "cidrpool/c ippool/inner 10.4.2.0/24",
                "ippool/all ippool/next 10.5.0.0/16",
                "cidrpool/c6 ippool/v6 fd00::/64",
            ]
        );
    }

    proptest! {
        /// Whoever overlaps with anybody is named.
        #[test]
        fn nobody_is_forgotten(networks in prop::collection::vec((0..8_u8, 8..14_u8), 0..12)) {
            let pools: Vec<(String, String)> = networks
                .iter()
                .enumerate()
                .map(|(at, (octet, prefix))| {
                    let network = IpNetwork::new([10 + octet / 4, octet * 32, 0, 0].into(), *prefix);
                    let network = network.unwrap();
                    (format!("p{at}"), format!("{}/{prefix}", network.network()))
                })
                .collect();
            let pools: Vec<_> = pools.iter().map(|(name, network)| (name.as_str(), network.as_str())).collect();
            let told = told(&pools).join("\n");
            for (name, network) in &pools {
                let network: IpNetwork = network.parse().unwrap();
                let overlaps = pools.iter().any(|(other, theirs)| {
                    let theirs: IpNetwork = theirs.parse().unwrap();
                    other != name && (theirs.contains(network.ip()) || network.contains(theirs.ip()))
                });
                let is_named = told.split_whitespace().any(|word| word == format!("ippool/{name}"));
                prop_assert_eq!(is_named, overlaps, "{} in {}", name, told);
            }
        }
    }
}
