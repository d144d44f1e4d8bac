//! The plugin as its callers see it: blocks in files, a config on stdin, a result on stdout.

use conf::AddressRange;
use conf::block::{NodeBlock, PoolRef};
use conf::cni::{AddResult, CniArgs, Code, Version};
use serde_json::json;

use super::*;
use crate::blocks;
use crate::specimen::{Scratch, block, identity, ip, owner, retired, second};

/// A node with blocks of four pools.
fn node() -> Scratch {
    let scratch = Scratch::new();
    let named = |name: &str, block: NodeBlock| NodeBlock {
        pool: name.parse::<PoolRef>().unwrap(),
        ..block
    };
    for block in [
        NodeBlock {
            gateway: Some(ip("192.168.0.1")),
            default_gateway: true,
            routes: vec!["5.5.0.0/24".parse().unwrap()],
            ..named("ippool/p", block("192.168.0.0/16", "192.168.0.1", "192.168.0.4"))
        },
        named("ippool/six", block("fd00::/64", "fd00::1", "fd00::1f4")),
        NodeBlock {
            gateway: Some(ip("10.0.0.65")),
            routes: ["9.9.9.0/24", "5.5.0.0/24", "5.5.0.0/24", "0.0.0.0/0"]
                .map(|route| route.parse().unwrap())
                .to_vec(),
            default_gateway: true,
            ..named("cidrpool/p", block("10.0.0.64/26", "10.0.0.65", "10.0.0.126"))
        },
        named("ippool/net-a", block("10.9.0.0/24", "10.9.0.1", "10.9.0.254")),
        NodeBlock {
            exclusions: vec![AddressRange::single(ip("10.8.0.2"))],
            static_range: AddressRange::new(ip("10.8.0.1"), ip("10.8.0.254")).unwrap(),
            ..named("ippool/alone", block("10.8.0.0/24", "10.8.0.1", "10.8.0.2"))
        },
    ] {
        blocks::save(&scratch.root, &block).unwrap();
    }
    scratch
}

struct Call {
    conf: Value,
    args: &'static str,
    container: &'static str,
}

/// A call of container `c1` for these pools.
fn of(pools: &str) -> Call {
    let conf = json!({"name": "net-a", "ipam": {"type": "nv-ipam", "poolName": pools}});
    Call { conf, args: "", container: "c1" }
}

impl Call {
    fn container(self, container: &'static str) -> Self {
        Self { container, ..self }
    }

    fn args(self, args: &'static str) -> Self {
        Self { args, ..self }
    }

    fn with(mut self, key: &str, value: Value) -> Self {
        self.conf[key] = value;
        self
    }

    /// `args.cni`.
    fn cni(self, cni: Value) -> Self {
        self.with("args", json!({ "cni": cni }))
    }

    fn kind(mut self, kind: &str) -> Self {
        self.conf["ipam"]["poolType"] = kind.into();
        self
    }

    fn prepare(&self, scratch: &Scratch) -> Result<Request, Error> {
        let args = CniArgs::parse(self.args).unwrap();
        Request::prepare(&scratch.root, &self.conf, &args, identity(self.container))
    }

    fn add(&self, scratch: &Scratch) -> Result<Allocation, Error> {
        let request = self.prepare(scratch)?;
        scratch
            .store
            .write(|txn| request.allocate(txn, second(100)).map_err(Failure))
            .map_err(|f| f.0)
    }

    fn addresses(&self, scratch: &Scratch) -> Vec<String> {
        let granted = self.add(scratch).unwrap().granted;
        granted.iter().map(|granted| granted.address.to_string()).collect()
    }

    fn refusal(&self, scratch: &Scratch) -> String {
        let error = self.add(scratch).unwrap_err();
        format!("{} {error}", error.code.number())
    }
}

/// As the plugin binary wraps it.
#[derive(Debug)]
struct Failure(Error);

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self(store_error(error))
    }
}

#[test]
fn scenario_40_results_of_every_version() {
    let scratch = node();
    let result = of("p").add(&scratch).unwrap().result();
    insta::assert_snapshot!(
        result.to_json(Version::V1_0_0).to_string(),
        @r#"{"cniVersion":"1.0.0","ips":[{"address":"192.168.0.2/16","gateway":"192.168.0.1"}],"routes":[{"dst":"5.5.0.0/24","gw":"192.168.0.1"},{"dst":"0.0.0.0/0","gw":"192.168.0.1"}]}"#
    );
    insta::assert_snapshot!(
        result.to_json(Version::V1_1_0).to_string(),
        @r#"{"cniVersion":"1.1.0","ips":[{"address":"192.168.0.2/16","gateway":"192.168.0.1"}],"routes":[{"dst":"5.5.0.0/24","gw":"192.168.0.1"},{"dst":"0.0.0.0/0","gw":"192.168.0.1"}]}"#
    );
    insta::assert_snapshot!(
        result.to_json(Version::V0_4_0).to_string(),
        @r#"{"cniVersion":"0.4.0","dns":{},"ips":[{"address":"192.168.0.2/16","gateway":"192.168.0.1","version":"4"}],"routes":[{"dst":"5.5.0.0/24","gw":"192.168.0.1"},{"dst":"0.0.0.0/0","gw":"192.168.0.1"}]}"#
    );
    let result = of("six").add(&scratch).unwrap().result();
    insta::assert_snapshot!(
        result.to_json(Version::V0_3_1).to_string(),
        @r#"{"cniVersion":"0.3.1","dns":{},"ips":[{"address":"fd00::1/64","version":"6"}]}"#
    );
}

#[test]
fn scenario_52_routes_are_sorted_listed_once_and_the_default_route_last() {
    let result = of("p").kind("CIDRPool").add(&node()).unwrap().result();
    let routes: Vec<_> = result
        .routes
        .iter()
        .map(|route| format!("{} via {}", route.dst, route.gw.unwrap()))
        .collect();
    assert_eq!(
        routes,
        ["5.5.0.0/24 via 10.0.0.65", "9.9.9.0/24 via 10.0.0.65", "0.0.0.0/0 via 10.0.0.65"]
    );
    assert_eq!(result.ips[0].address.to_string(), "10.0.0.66/26");
}

#[test]
fn two_pools_give_two_addresses_in_their_order() {
    let scratch = node();
    assert_eq!(of("six,p").addresses(&scratch), ["fd00::1/64", "192.168.0.2/16"]);
    // Scenario 41: once more is the same again.
    assert_eq!(of("six,p").addresses(&scratch), ["fd00::1/64", "192.168.0.2/16"]);
    let sources: Vec<_> =
        of("six,p").add(&scratch).unwrap().granted.iter().map(|granted| granted.source).collect();
    assert_eq!(sources, [Source::Held, Source::Held]);
}

#[test]
fn two_pools_give_both_or_none() {
    let scratch = node();
    for container in ["a", "b", "c"] {
        of("p").container(container).add(&scratch).unwrap();
    }
    insta::assert_snapshot!(
        of("six,p").refusal(&scratch),
        @"11 give out an address of ippool/p: all of this node's block 192.168.0.1-192.168.0.4 are in use; delete a pod that has an address of this pool, or enlarge the pool's blocks"
    );
    assert!(scratch.read(|txn| txn.leases_of(&owner("c1"))).is_empty());
}

#[test]
fn scenario_49_the_networks_name_and_the_nodes_file() {
    let scratch = node();
    let unnamed = Call { conf: json!({"name": "net-a", "ipam": {"type": "nv-ipam"}}), ..of("") };
    assert_eq!(unnamed.addresses(&scratch), ["10.9.0.1/24"]);
    let directory = scratch.root.join("/etc/cni/net.d/nv-ipam.d");
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("nv-ipam.conf");
    std::fs::write(&file, r#"{"poolName": "p", "poolType": "cidrpool"}"#).unwrap();
    assert_eq!(unnamed.addresses(&scratch), ["10.0.0.66/26"]);
    std::fs::write(&file, "{").unwrap();
    let refusal = unnamed.refusal(&scratch);
    assert!(refusal.starts_with("7 read /") && refusal.contains("/nv-ipam.conf: EOF"), "{refusal}");
    // Another directory by the NetworkAttachmentDefinition's word.
    let mut elsewhere = unnamed;
    elsewhere.conf["ipam"]["confDir"] = "/elsewhere".into();
    assert_eq!(elsewhere.addresses(&scratch), ["10.9.0.1/24"]);
}

#[test]
fn scenario_55_static_addresses_and_where_they_may_lie() {
    let scratch = node();
    let ask = |pool: &str, ip: &str| of(pool).with("runtimeConfig", json!({"ips": [ip]}));
    assert_eq!(ask("p", "192.168.0.4/24").addresses(&scratch), ["192.168.0.4/16"]);
    // An excluded one is kept for just that; one host alone may name any of the subnet.
    assert_eq!(ask("alone", "10.8.0.2").addresses(&scratch), ["10.8.0.2/24"]);
    assert_eq!(ask("alone", "10.8.0.77").addresses(&scratch), ["10.8.0.77/24"]);
    insta::assert_snapshot!(
        [
            ask("p", "192.168.0.5"),
            ask("p", "192.168.0.1"),
            ask("p", "192.168.0.0"),
            ask("p", "192.168.255.255"),
            ask("p", "10.1.1.1"),
            ask("alone", "10.8.0.255"),
            ask("p", "192.168.0.4").container("c2"),
        ]
        .map(|call| call.refusal(&scratch))
        .join("\n"),
        @r"
    7 invalid config: ips: 192.168.0.5: must lie in 192.168.0.1-192.168.0.4, this node's part of ippool/p
    7 invalid config: ips: 192.168.0.1: must not be the gateway of ippool/p; allocateDefaultGateway asks for that
    7 invalid config: ips: 192.168.0.0: must lie in 192.168.0.1-192.168.0.4, this node's part of ippool/p
    7 invalid config: ips: 192.168.255.255: must lie in 192.168.0.1-192.168.0.4, this node's part of ippool/p
    7 invalid config: ips: 10.1.1.1: must be one address of each pool at most: ippool/p has 192.168.0.0/16
    7 invalid config: ips: 10.8.0.255: must lie in 10.8.0.1-10.8.0.254, this node's part of ippool/alone
    11 give out 192.168.0.4 of ippool/p: it is held by interface net1 of container c1
    "
    );
}

#[test]
fn scenario_56_each_static_address_finds_its_pool() {
    let scratch = node();
    let ask = |ips: Value| of("p,six").with("runtimeConfig", json!({ "ips": ips }));
    assert_eq!(
        ask(json!(["fd00::9", "192.168.0.3"])).addresses(&scratch),
        ["192.168.0.3/16", "fd00::9/64"]
    );
    assert_eq!(
        ask(json!(["fd00::9"])).container("c2").refusal(&scratch).split(' ').next(),
        Some("11")
    );
    assert_eq!(ask(json!(["fd00::a"])).container("c2").addresses(&scratch)[1], "fd00::a/64");
    let two_of_one = ask(json!(["fd00::b", "fd00::c"])).container("c3");
    assert!(
        two_of_one.refusal(&scratch).contains("ips: fd00::c: must be one address of each pool")
    );
    assert!(scratch.read(|txn| txn.leases_of(&owner("c3"))).is_empty(), "nothing was consumed");
}

#[test]
fn scenario_58_by_index_and_the_gateway() {
    let scratch = node();
    let index = |index: u32| of("p").cni(json!({ "allocateIPWithIndex": index }));
    assert_eq!(index(3).addresses(&scratch), ["192.168.0.4/16"]);
    insta::assert_snapshot!(
        [index(0), index(4), index(u32::MAX), of("six").cni(json!({"allocateDefaultGateway": true}))]
            .map(|call| call.refusal(&scratch))
            .join("\n"),
        @r"
    7 invalid config: args.cni.allocateIPWithIndex: 0: must not be the gateway 192.168.0.1 of ippool/p; allocateDefaultGateway asks for that
    7 invalid config: args.cni.allocateIPWithIndex: 4: must be at most 3, since this node's block of ippool/p is 192.168.0.1-192.168.0.4
    7 invalid config: args.cni.allocateIPWithIndex: 4294967295: must be at most 3, since this node's block of ippool/p is 192.168.0.1-192.168.0.4
    7 invalid config: args.cni.allocateDefaultGateway: true: must be of a pool with a gateway, which ippool/six has not
    "
    );
    let gateway = of("p").container("gw").cni(json!({"allocateDefaultGateway": true}));
    insta::assert_snapshot!(
        gateway.add(&scratch).unwrap().result().to_json(Version::V1_0_0).to_string(),
        @r#"{"cniVersion":"1.0.0","ips":[{"address":"192.168.0.1/16"}]}"#
    );
    assert_eq!(gateway.addresses(&scratch), ["192.168.0.1/16"], "repeated: the same");
}

#[test]
fn scenario_47_no_block() {
    let scratch = node();
    insta::assert_snapshot!(
        of("nothing").refusal(&scratch),
        @"11 this node has no block of ippool/nothing; the pool does not exist, does not select this node or has no block left; `railhead apply` tells"
    );
    let path = scratch.root.blocks().join("ippool/broken.json");
    std::fs::write(path, "{}").unwrap();
    assert!(of("broken").refusal(&scratch).starts_with("5 read "));
}

#[test]
fn scenario_44_the_pod_is_noted_but_not_needed() {
    let scratch = node();
    of("p").add(&scratch).unwrap();
    let pod = "IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=pod;K8S_POD_UID=u-1";
    of("p").args(pod).container("c2").add(&scratch).unwrap();
    let pods: Vec<_> = scratch
        .read(|txn| txn.leases())
        .into_iter()
        .map(|lease| lease.pod.map(|pod| format!("{}/{} {}", pod.namespace, pod.name, pod.uid)))
        .collect();
    assert_eq!(pods, [None, Some("ns/pod u-1".to_owned())]);
}

#[test]
fn scenario_43_del_frees_whatever_the_config_says_by_then() {
    let scratch = node();
    of("six,p").add(&scratch).unwrap();
    blocks::remove(&scratch.root, &"ippool/p".parse().unwrap()).unwrap();
    let del = || scratch.write(|txn| release(txn, &owner("c1"), None, second(200)));
    assert_eq!((del(), del()), (2, 0));
}

#[test]
fn check_compares_with_prev_result() {
    let scratch = node();
    let call = of("p,six");
    let request = call.prepare(&scratch).unwrap();
    let now = |prev: &AddResult| {
        let checked = scratch.store.read(|txn| check(txn, &request, prev).map_err(Failure));
        checked.map_err(|failure| format!("{} {}", failure.0.code.number(), failure.0))
    };
    insta::assert_snapshot!(
        now(&AddResult::default()).unwrap_err(),
        @"3 no address of ippool/p is leased to interface net1 of container c1"
    );
    let mut prev = call.add(&scratch).unwrap().result();
    assert_eq!(now(&prev), Ok(()));
    // A later plugin of the chain added one.
    prev.ips.insert(
        0,
        conf::cni::Ip { interface: None, address: "1.2.3.4/32".parse().unwrap(), gateway: None },
    );
    assert_eq!(now(&prev), Ok(()));
    prev.ips[1].address = "192.168.0.2/24".parse().unwrap();
    insta::assert_snapshot!(
        now(&prev).unwrap_err(),
        @"102 prevResult has 192.168.0.2/24, but ippool/p has /16 now"
    );
    prev.ips.remove(1);
    insta::assert_snapshot!(
        now(&prev).unwrap_err(),
        @"102 192.168.0.2 of ippool/p is leased to interface net1 of container c1, but prevResult has it not"
    );
}

fn ask_status(scratch: &Scratch, pools: &str) -> Result<(), (Code, String)> {
    let network = "net-a".parse().unwrap();
    let answer = status(&scratch.root, &network, &of(pools).conf);
    answer.map_err(|error| (error.code, error.to_string()))
}

#[test]
fn scenario_46_status() {
    let scratch = node();
    assert_eq!(ask_status(&scratch, "p,six"), Ok(()));
    let (code, told) = ask_status(&scratch, "p,nothing").unwrap_err();
    assert_eq!(code, Code::NotAvailable);
    assert!(told.starts_with("this node has no block of ippool/nothing"), "{told}");
    assert_eq!(ask_status(&scratch, "../x").unwrap_err().0, Code::InvalidConfig);

    std::fs::write(scratch.store.directory().join("state.mdb"), "").unwrap();
    let (code, told) = ask_status(&scratch, "p").unwrap_err();
    assert_eq!(code, Code::NotAvailable);
    assert!(told.contains("is damaged (it ends after 0 bytes"), "{told}");
    // It has only looked; the ADD sets it aside, and the next look tells of that.
    assert!(of("p").refusal(&scratch).starts_with("11 give out an address of ippool/p: the store"));
    let (code, told) = ask_status(&scratch, "p").unwrap_err();
    assert_eq!(code, Code::NotAvailable);
    assert!(told.contains("set aside as"), "{told}");
}

#[test]
fn a_retired_block_is_not_available() {
    let scratch = node();
    let block = retired(block("192.168.0.0/16", "192.168.0.1", "192.168.0.4"));
    blocks::save(&scratch.root, &block).unwrap();
    let (code, told) = ask_status(&scratch, "p").unwrap_err();
    assert_eq!(code, Code::NotAvailable);
    assert!(told.contains("only stays for those who hold an address"), "{told}");
    assert!(of("p").refusal(&scratch).starts_with("11 give out an address of ippool/p: the pool"));
}

#[test]
fn gc_frees_what_is_not_named() {
    let scratch = node();
    for container in ["c1", "c2"] {
        of("p").container(container).add(&scratch).unwrap();
    }
    let network = "net-a".parse().unwrap();
    let freed = scratch.write(|txn| gc(txn, &network, &[owner("c2")].into(), second(200)));
    assert_eq!(freed, 1);
    let other = "net-b".parse().unwrap();
    assert_eq!(scratch.write(|txn| gc(txn, &other, &[].into(), second(200))), 0);
}

#[test]
fn what_had_not_cooled_is_noted() {
    let scratch = node();
    for container in ["a", "b", "c"] {
        of("p").container(container).add(&scratch).unwrap();
    }
    scratch.write(|txn| release(txn, &owner("b"), None, second(99)));
    assert_eq!(
        of("p").add(&scratch).unwrap().notes(),
        ["192.168.0.3 of ippool/p was given out again before it had cooled"]
    );
}

#[test]
fn odd_keys_are_warned_about() {
    let mut call = of("p");
    call.conf["ipam"]["poolNam"] = 1.into();
    let request = call.prepare(&node()).unwrap();
    assert_eq!(request.warnings().len(), 1);
}
