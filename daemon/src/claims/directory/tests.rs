use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ipam::allocate::{AllocateError, Identity, Wish, allocate};
use ipam::{AttachmentKey, BootTime, StoreError};

use super::*;
use crate::claims::{Standing, settle};
use crate::settings::Node;
use crate::source::{Objects, SourceFile};

mod retention;

struct Bed {
    _directory: tempfile::TempDir,
    root: Root,
    settings: Settings,
    /// Which run of the machine it is, and for how many seconds it has been running.
    boot: char,
    uptime: u64,
}

impl Bed {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::at(directory.path());
        let settings = Settings::default();
        Self { _directory: directory, root, settings, boot: 'a', uptime: 1000 }
    }

    fn after(&mut self, seconds: u64) -> &mut Self {
        self.uptime += seconds;
        self
    }

    /// What the kernel forgets is gone.
    fn reboot(&mut self) {
        (self.boot, self.uptime) = ('b', 5);
        std::fs::remove_dir_all(self.root.run()).unwrap();
        // As one of another boot, by which nobody is known.
        std::fs::remove_file(self.root.store_mark()).ok();
    }

    fn host(&mut self, host: u32, hosts: u32) {
        self.settings.standalone = Standalone { host, hosts };
    }

    fn claims(&self) -> Directory {
        let now = Moment {
            boot: self.boot.to_string().repeat(36).parse().unwrap(),
            time: BootTime::from_start(Duration::from_secs(self.uptime)),
        };
        Directory::new(&self.root, &"node-a".parse().unwrap(), &self.settings, now)
    }

    /// How this node stands with each pool of these specs. A spec may end in a status:
    /// `subnet: …, perNodeBlockSize: 4}, status: {allocations: […]`.
    fn settle(&self, pools: &[(&str, &str)]) -> BTreeMap<PoolRef, Standing> {
        let objects = Self::objects(pools);
        assert!(objects.problems.is_empty(), "{:?}", objects.problems);
        let node = Node::new("node-a".parse().unwrap(), BTreeMap::new());
        settle(&self.claims(), &objects, &node).unwrap()
    }

    fn objects(pools: &[(&str, &str)]) -> Objects {
        let text: String = pools
            .iter()
            .map(|(pool, spec)| {
                let (kind, name) = pool.split_once('/').unwrap();
                format!(
                    "{{apiVersion: nv-ipam.nvidia.com/v1alpha1, kind: {kind}, \
                     metadata: {{name: {name}}}, spec: {{{spec}}}}}\n---\n"
                )
            })
            .collect();
        let file = SourceFile { path: PathBuf::from("a.yaml"), content: text.into() };
        Objects::of_files(&[file])
    }

    /// How this node stands with the only pool, in words.
    fn stand(&self, spec: &str) -> String {
        let standings = self.settle(&[("IPPool/blue", spec)]);
        let (_, standing) = standings.first_key_value().unwrap();
        format!("{}: {standing}", standing.reason())
    }

    /// How this node stands with the only pool that it has a block of, with no pool to ask for it.
    fn stand_without(&self) -> Option<String> {
        let standings = self.settle(&[]);
        standings.values().next().map(|standing| format!("{}: {standing}", standing.reason()))
    }

    fn block(&self) -> Option<NodeBlock> {
        blocks::load(&self.root, &"ippool/blue".parse().unwrap()).unwrap()
    }

    fn range(&self) -> String {
        self.block().unwrap().range.to_string()
    }

    /// Leases an address of the block to a container of this name.
    fn lease(&self, container: &str) -> std::net::IpAddr {
        self.try_lease(container, Wish::Any).unwrap()
    }

    fn try_lease(&self, container: &str, wish: Wish) -> Result<std::net::IpAddr, AllocateError> {
        self.lease_of(&self.block().unwrap(), container, wish)
    }

    fn lease_of(
        &self,
        block: &NodeBlock,
        container: &str,
        wish: Wish,
    ) -> Result<std::net::IpAddr, AllocateError> {
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
        let now = BootTime::from_start(Duration::from_secs(9));
        let grant = Store::open(&self.root)
            .unwrap()
            .write(|txn| allocate(txn, block, wish, &identity, now, Duration::from_secs(30)));
        grant.map(|grant| grant.address)
    }

    fn release_all(&self) {
        let now = BootTime::from_start(Duration::from_secs(10));
        Store::open(&self.root)
            .unwrap()
            .write(|txn| {
                for lease in txn.leases()? {
                    txn.release(&lease.owner, now)?;
                }
                Ok::<_, StoreError>(())
            })
            .unwrap();
    }

    /// The modification times of all files of blocks.
    fn written(&self) -> Vec<std::time::SystemTime> {
        let kind = self.root.blocks().join("ippool");
        let entries = std::fs::read_dir(kind).unwrap();
        entries.map(|entry| entry.unwrap().metadata().unwrap().modified().unwrap()).collect()
    }
}

const TEN: &str = "subnet: 10.0.0.0/24, perNodeBlockSize: 10";

#[test]
fn a_host_that_says_nothing_is_alone() {
    let bed = Bed::new();
    assert_eq!(bed.stand(TEN), "BlockHeld: this node gives out 10.0.0.1-10.0.0.10");
    let block = bed.block().unwrap();
    assert_eq!((block.index, block.static_range.to_string()), (0, "10.0.0.1-10.0.0.254".into()));
}

#[test]
fn hosts_that_share_a_pool_get_blocks_of_their_own() {
    let mut bed = Bed::new();
    bed.host(2, 3);
    bed.stand(TEN);
    let block = bed.block().unwrap();
    assert_eq!((block.index, block.static_range), (2, block.range));
    bed.host(0, 30);
    let mut bed = Bed::new();
    bed.host(29, 30);
    assert_eq!(
        bed.stand(TEN),
        "NoFreeBlock: it has no block for host 29 of 30 (standalone in railhead.yaml): make \
         blocks smaller or the pool larger"
    );
    assert_eq!(bed.block(), None);
}

#[test]
fn what_has_not_changed_is_not_written() {
    let bed = Bed::new();
    bed.stand(TEN);
    let before = bed.written();
    bed.stand(TEN);
    assert_eq!(bed.written(), before);
    let cooldown = ipam::cooldown::load(&bed.root).unwrap();
    assert_eq!(cooldown, Duration::from_secs(30));
}

#[test]
fn gateway_routes_and_exclusions_follow_the_pool_while_leases_live() {
    let bed = Bed::new();
    bed.stand(TEN);
    bed.lease("one");
    let spec = format!(
        "{TEN}, gateway: 10.0.0.5, defaultGateway: true, \
         exclusions: [{{startIP: 10.0.0.7, endIP: 10.0.0.20}}]"
    );
    assert_eq!(bed.stand(&spec), "BlockHeld: this node gives out 10.0.0.1-10.0.0.10");
    let block = bed.block().unwrap();
    assert_eq!(block.gateway, Some("10.0.0.5".parse().unwrap()));
    assert_eq!(block.exclusions[0].to_string(), "10.0.0.7-10.0.0.10");
}

#[test]
fn an_edit_that_renumbers_waits_for_leases() {
    let bed = Bed::new();
    bed.stand(TEN);
    bed.lease("one");
    let other = "subnet: 10.9.0.0/24, perNodeBlockSize: 10";
    assert_eq!(
        bed.stand(other),
        "RenumberingRefused: the edit would renumber, so this node still gives out \
         10.0.0.1-10.0.0.10: 1 lease is outside the new block; delete those containers first"
    );
    assert_eq!(bed.range(), "10.0.0.1-10.0.0.10");
    bed.release_all();
    assert_eq!(bed.stand(other), "BlockHeld: this node gives out 10.9.0.1-10.9.0.10");
}

#[test]
fn a_block_that_grows_around_its_leases_follows_at_once() {
    let bed = Bed::new();
    bed.stand(TEN);
    bed.lease("one");
    bed.stand("subnet: 10.0.0.0/16, perNodeBlockSize: 100");
    assert_eq!(bed.range(), "10.0.0.1-10.0.0.100");
    assert_eq!(bed.block().unwrap().network.to_string(), "10.0.0.0/16");
}

#[test]
fn a_shared_pool_is_not_renumbered_while_there_is_a_block() {
    let mut bed = Bed::new();
    bed.host(0, 2);
    bed.stand(TEN);
    let standing = bed.stand("subnet: 10.0.0.0/24, perNodeBlockSize: 20");
    assert!(standing.starts_with("RenumberingRefused: "), "{standing}");
    assert!(standing.contains("remove it on all of them"), "{standing}");
    assert_eq!(bed.range(), "10.0.0.1-10.0.0.10");
    // The way out that the message tells.
    bed.settle(&[]);
    bed.stand("subnet: 10.0.0.0/24, perNodeBlockSize: 20");
    assert_eq!(bed.range(), "10.0.0.1-10.0.0.20");
}

/// The old number is another host's now: to go on would be to give out its addresses.
#[test]
fn a_host_that_gets_another_number_moves_as_soon_as_it_can() {
    let mut bed = Bed::new();
    bed.stand(TEN);
    bed.lease("one");
    bed.host(1, 2);
    let standing = bed.stand(TEN);
    assert!(standing.starts_with("RenumberingRefused: "), "{standing}");
    bed.release_all();
    bed.stand(TEN);
    assert_eq!(bed.block().unwrap().index, 1);
    // Room for more hosts moves nobody.
    bed.host(1, 3);
    bed.stand(TEN);
    assert_eq!(bed.block().unwrap().index, 1);
}

#[test]
fn pools_do_not_get_in_each_others_way() {
    let bed = Bed::new();
    let both = [
        ("IPPool/blue", TEN),
        ("CIDRPool/blue", "cidr: 10.1.0.0/16, perNodeNetworkPrefix: 24, gatewayIndex: 1"),
    ];
    bed.settle(&both);
    bed.lease("one");
    let moved = [
        ("IPPool/blue", TEN),
        ("CIDRPool/blue", "cidr: 10.2.0.0/16, perNodeNetworkPrefix: 24, gatewayIndex: 1"),
    ];
    let standings = bed.settle(&moved);
    assert!(standings.values().all(Standing::is_settled), "{standings:?}");
}

#[test]
fn a_promised_prefix_is_taken_and_an_unpromised_one_given_up() {
    let bed = Bed::new();
    let spec = "cidr: 10.1.0.0/16, perNodeNetworkPrefix: 24";
    let promised =
        format!("{spec}, staticAllocations: [{{nodeName: node-a, prefix: 10.1.7.0/24}}]");
    let range = |spec: &str| {
        bed.settle(&[("CIDRPool/green", spec)]);
        let pool = "cidrpool/green".parse().unwrap();
        blocks::load(&bed.root, &pool).unwrap().unwrap().range.first().to_string()
    };
    assert_eq!(range(spec), "10.1.0.1");
    assert_eq!(range(&promised), "10.1.7.1");
}

/// YAML that was exported from a cluster.
#[test]
fn a_node_that_comes_from_a_cluster_keeps_its_block() {
    let status = |own: &str| {
        format!(
            "{TEN}}}, status: {{allocations: [\
             {{nodeName: node-0, startIP: 10.0.0.1, endIP: 10.0.0.10}}, {own}]"
        )
    };
    let mut bed = Bed::new();
    let own = "{nodeName: node-a, startIP: 10.0.0.51, endIP: 10.0.0.60}";
    assert_eq!(bed.stand(&status(own)), "BlockHeld: this node gives out 10.0.0.51-10.0.0.60");
    bed.lease("one");
    // It keeps it when hosts share the pool, and when the status is left out later on.
    bed.host(0, 2);
    assert_eq!(bed.stand(&status(own)), "BlockHeld: this node gives out 10.0.0.51-10.0.0.60");
    bed.host(0, 1);
    assert_eq!(bed.stand(TEN), "BlockHeld: this node gives out 10.0.0.51-10.0.0.60");
    // What others have is never taken.
    let bed = Bed::new();
    assert_eq!(bed.stand(&status("")), "BlockHeld: this node gives out 10.0.0.11-10.0.0.20");
}

#[test]
fn a_block_that_is_held_does_not_move_because_a_status_says_so() {
    let bed = Bed::new();
    bed.stand(TEN);
    let late = format!(
        "{TEN}}}, status: {{allocations: [\
         {{nodeName: node-a, startIP: 10.0.0.51, endIP: 10.0.0.60}}]"
    );
    assert_eq!(bed.stand(&late), "BlockHeld: this node gives out 10.0.0.1-10.0.0.10");
}

#[test]
fn a_damaged_block_is_written_anew_unless_leases_contradict() {
    let bed = Bed::new();
    bed.stand(TEN);
    bed.lease("one");
    let file = bed.root.blocks().join("ippool/blue.json");
    std::fs::write(&file, "{").unwrap();
    assert_eq!(bed.stand(TEN), "BlockHeld: this node gives out 10.0.0.1-10.0.0.10");
    std::fs::write(&file, "{").unwrap();
    let standing = bed.stand("subnet: 10.9.0.0/24, perNodeBlockSize: 10");
    assert!(standing.starts_with("BlockDamaged: read "), "{standing}");
    assert_eq!(std::fs::read(&file).unwrap(), b"{");
}

/// Nobody knows which addresses live containers hold.
#[test]
fn nothing_moves_while_leases_are_lost() {
    let mut bed = Bed::new();
    bed.stand(TEN);
    bed.lease("one");
    let state = bed.root.store().join("state.mdb");
    std::fs::OpenOptions::new().write(true).open(&state).unwrap().set_len(0).unwrap();
    let standing = bed.stand("subnet: 10.9.0.0/24, perNodeBlockSize: 10");
    assert!(standing.starts_with("StoreDamaged: "), "{standing}");
    assert_eq!(bed.range(), "10.0.0.1-10.0.0.10");
    bed.settle(&[]);
    assert!(bed.after(360).stand_without().unwrap().starts_with("StoreDamaged: "));
    assert!(bed.block().is_some());
}

#[test]
fn a_block_that_cannot_be_written_is_told_and_hides_no_other_pool() {
    let bed = Bed::new();
    let kind = bed.root.blocks().join("ippool");
    std::fs::create_dir_all(kind.join("blue.json")).unwrap();
    let standings = bed.settle(&[("IPPool/blue", TEN), ("IPPool/red", TEN)]);
    let reasons: Vec<_> = standings.values().map(Standing::reason).collect();
    assert_eq!(reasons, ["BlockFailed", "BlockHeld"]);
}
