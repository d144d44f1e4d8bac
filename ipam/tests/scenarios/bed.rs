//! Hosts that share pools, each with a root of its own.

use std::net::IpAddr;
use std::time::Duration;

use conf::block::{NodeBlock, PoolRef};
use conf::cni::{AddResult, CniArgs, Error};
use conf::object::{self, Object};
use conf::settings::Standalone;
use ipam::block::Blocks;
use ipam::nv_ipam::{Identity, Request, store_error};
use ipam::{AttachmentKey, BootTime, Root, Store, StoreError, blocks};
use serde_json::{Value, json};

/// An object as an admin writes it.
pub(crate) fn pool(kind: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "nv-ipam.nvidia.com/v1alpha1", "kind": kind,
        "metadata": {"name": "blue", "namespace": "kube-system"}, "spec": spec,
    })
}

/// An IPPool of this subnet, blocks of this size, and what else is said.
pub(crate) fn ip_pool(subnet: &str, size: i64, more: Value) -> Value {
    let mut spec = json!({"subnet": subnet, "perNodeBlockSize": size});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    pool("IPPool", spec)
}

/// A CIDRPool of this cidr, prefixes of this length, and what else is said.
pub(crate) fn cidr_pool(cidr: &str, prefix: i64, more: Value) -> Value {
    let mut spec = json!({"cidr": cidr, "perNodeNetworkPrefix": prefix});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    pool("CIDRPool", spec)
}

pub(crate) fn accepted(document: &Value) -> Object {
    let read = object::read(document.clone());
    assert_eq!(read.warnings, [], "{document}");
    read.object.unwrap_or_else(|broken| panic!("{document}: {broken}"))
}

/// What is wrong with an object, all of it.
pub(crate) fn refused(document: &Value) -> String {
    match object::read(document.clone()).object {
        Err(broken) => broken.to_string(),
        Ok(_) => panic!("{document} is accepted"),
    }
}

/// One host.
pub(crate) struct Host {
    _directory: tempfile::TempDir,
    root: Root,
    name: String,
    place: Standalone,
}

impl Host {
    /// The host named `node-HOST`, of so many.
    pub(crate) fn new(host: u32, hosts: u32) -> Self {
        let directory = tempfile::tempdir_in("/dev/shm").unwrap();
        let root = Root::at(directory.path());
        let place = Standalone { host, hosts };
        Self { _directory: directory, root, name: format!("node-{host}"), place }
    }

    /// The only one.
    pub(crate) fn alone() -> Self {
        Self::new(0, 1)
    }

    /// Takes this host's block of a pool, where there is one.
    pub(crate) fn deal(&self, document: &Value) -> Option<NodeBlock> {
        let name = self.name.parse().unwrap();
        let blocks = match accepted(document) {
            Object::IpPool(pool) => Blocks::of_ip_pool(&pool, &name),
            Object::CidrPool(pool) => Blocks::of_cidr_pool(&pool, &name),
            other => panic!("{other:?}"),
        };
        let block = blocks.for_host(self.place)?;
        blocks::save(&self.root, &block).unwrap();
        Some(block)
    }

    /// The range of the block, or `none`.
    pub(crate) fn range(&self, document: &Value) -> String {
        self.deal(document).map_or("none".to_owned(), |block| block.range.to_string())
    }

    /// ADD for a container, of the pool `KIND/blue`.
    pub(crate) fn try_add(&self, kind: &str, container: &str) -> Result<AddResult, Error> {
        let conf = json!({
            "name": "net",
            "ipam": {"type": "nv-ipam", "poolName": "blue", "poolType": kind},
        });
        let identity = Identity {
            network: "net".parse().unwrap(),
            key: AttachmentKey {
                container: container.parse().unwrap(),
                ifname: "net1".parse().unwrap(),
            },
            pod: None,
            netns: None,
            netns_cookie: None,
        };
        let request = Request::prepare(&self.root, &conf, &CniArgs::parse("").unwrap(), identity)?;
        let now = BootTime::from_start(Duration::from_secs(100));
        let store = Store::open(&self.root).unwrap();
        let allocation = store.write(|txn| request.allocate(txn, now).map_err(Failure));
        Ok(allocation.map_err(|failure| failure.0)?.result())
    }

    pub(crate) fn add(&self, kind: &str, container: &str) -> AddResult {
        self.try_add(kind, container).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The addresses that containers get one after the other, until there are none, at most `most`.
    pub(crate) fn addresses(&self, kind: &str, most: usize) -> Vec<IpAddr> {
        (0..most)
            .map_while(|at| self.try_add(kind, &format!("c{at}")).ok())
            .map(|result| result.ips[0].address.ip())
            .collect()
    }

    /// The block that the plugin finds.
    pub(crate) fn block(&self, pool: &str) -> Option<NodeBlock> {
        let pool: PoolRef = pool.parse().unwrap();
        blocks::load(&self.root, &pool).unwrap()
    }
}

/// The addresses and gateways of a result: `192.168.0.2/16 via 192.168.0.1`.
pub(crate) fn told(result: &AddResult) -> String {
    let one = |ip: &conf::cni::Ip| match ip.gateway {
        Some(gateway) => format!("{} via {gateway}", ip.address),
        None => ip.address.to_string(),
    };
    result.ips.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// As the plugin binary wraps it.
#[derive(Debug)]
struct Failure(Error);

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self(store_error(error))
    }
}
