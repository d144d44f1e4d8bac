//! What tests start from: a store of their own, a pool, a block, an identity.

use std::net::IpAddr;
use std::time::Duration;

use conf::AddressRange;
use conf::block::{Leaving, NodeBlock};
use conf::pool::{CidrPool, IpPool};

use crate::allocate::Identity;
use crate::clock::BootTime;
use crate::owner::AttachmentKey;
use crate::paths::Root;
use crate::store::{ReadTxn, Store, StoreError, WriteTxn};

/// A root and its store in a directory that goes away with it.
pub(crate) struct Scratch {
    _directory: tempfile::TempDir,
    pub(crate) root: Root,
    pub(crate) store: Store,
}

impl Scratch {
    /// On tmpfs, as the real one.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir_in("/dev/shm").unwrap();
        let root = Root::at(directory.path());
        let store = Store::open(&root).unwrap();
        assert_eq!(store.loss().unwrap(), None);
        Self { _directory: directory, root, store }
    }

    /// Removes the store, and that one was ever made.
    pub(crate) fn forget(&self) {
        std::fs::remove_dir_all(self.store.directory()).unwrap();
        std::fs::remove_file(self.root.store_mark()).unwrap();
        std::fs::create_dir_all(self.store.directory()).unwrap();
    }

    pub(crate) fn write<T>(
        &self,
        work: impl FnOnce(&mut WriteTxn<'_>) -> Result<T, StoreError>,
    ) -> T {
        self.store.write(work).unwrap()
    }

    pub(crate) fn read<T>(&self, work: impl FnOnce(&ReadTxn<'_>) -> Result<T, StoreError>) -> T {
        self.store.read(work).unwrap()
    }
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The IPPool `blue` of this subnet and blocks of this size, and nothing else.
pub(crate) fn ip_pool(subnet: &str, size: u32) -> IpPool {
    IpPool {
        name: "blue".parse().unwrap(),
        subnet: subnet.parse().unwrap(),
        per_node_block_size: size.try_into().unwrap(),
        gateway: None,
        exclusions: Vec::new(),
        per_node_exclusions: Vec::new(),
        node_selector: None,
        default_gateway: false,
        routes: Vec::new(),
        allocations: Vec::new(),
    }
}

/// The CIDRPool `blue` of this cidr and prefixes of this length, and nothing else.
pub(crate) fn cidr_pool(cidr: &str, prefix: u8) -> CidrPool {
    CidrPool {
        name: "blue".parse().unwrap(),
        cidr: cidr.parse().unwrap(),
        per_node_prefix: prefix,
        gateway_index: None,
        exclusions: Vec::new(),
        per_node_exclusions: Vec::new(),
        static_allocations: Vec::new(),
        node_selector: None,
        default_gateway: false,
        routes: Vec::new(),
        allocations: Vec::new(),
    }
}

/// A block of the IPPool `p` without gateway, routes and exclusions.
pub(crate) fn block(network: &str, first: &str, last: &str) -> NodeBlock {
    let range = AddressRange::new(ip(first), ip(last)).unwrap();
    NodeBlock {
        version: conf::block::VERSION,
        pool: "ippool/p".parse().unwrap(),
        index: 0,
        range,
        network: network.parse().unwrap(),
        gateway: None,
        default_gateway: false,
        routes: Vec::new(),
        exclusions: Vec::new(),
        static_range: range,
        leaving: None,
        gateway_is_leased: false,
    }
}

/// The block, which nobody asks for any more.
pub(crate) fn retired(block: NodeBlock) -> NodeBlock {
    let leaving = Leaving {
        boot: "1d1f2a3b-4c5d-4e6f-8a9b-0c1d2e3f4a5b".parse().unwrap(),
        since: 0,
        gone: true,
        retired: true,
    };
    NodeBlock { leaving: Some(leaving), ..block }
}

/// Interface `net1` of a container.
pub(crate) fn owner(container: &str) -> AttachmentKey {
    AttachmentKey { container: container.parse().unwrap(), ifname: "net1".parse().unwrap() }
}

pub(crate) fn identity(container: &str) -> Identity {
    Identity {
        network: "net-a".parse().unwrap(),
        key: owner(container),
        pod: None,
        netns: None,
        netns_cookie: None,
    }
}

/// This many seconds after the machine started.
pub(crate) fn second(seconds: u64) -> BootTime {
    BootTime::from_start(Duration::from_secs(seconds))
}
