//! DEL, whatever became of pod, PF and VF meanwhile.

use serde_json::{Value, json};

use super::{Bed, assert_forgotten};
use crate::guest::Test;
use crate::guest::cni::Call;
use crate::guest::host::{Vf, link, read};
use crate::guest::pod::Pod;
use crate::guest::program::run;
use crate::guest::user::{HOME, who_covers_a_namespace};
use crate::guest::vf_state::{VfState, assert_unchanged};
use crate::guest::wait::wait_for;

pub(super) const TESTS: &[Test] = &[
    ("sriov::del_whatever_became_of_it", del_whatever_became_of_it),
    ("sriov::a_user_who_covers_a_namespace_keeps_no_vf", a_user_who_covers_a_namespace_keeps_no_vf),
];

/// Whether a container still lives is asked of every namespace: a user hides one of theirs, and the next pod gets the dead
/// one's VF all the same.
fn a_user_who_covers_a_namespace_keeps_no_vf() {
    let bed = Bed::new(1);
    let config = bed.config(0, json!({}));
    let user = who_covers_a_namespace();
    let dead = Pod::new("dead");
    Call::add("sriov", "dead", &dead, &config).run().ok();
    drop(dead);
    bed.vfs[0].wait_for_netdev();
    let next = Pod::new("next");
    Call::add("sriov", "next", &next, &config).run().ok();
    Call::new("sriov", "DEL", "dead", &config).run().ok();
    assert_eq!(next.links(), ["net1"], "a late DEL of the dead takes nothing from it");
    Call::del("sriov", "next", &next, &config).run().ok();
    assert_forgotten();
    drop(user);
    std::fs::remove_dir_all(HOME).expect("remove a directory");
}

fn del_whatever_became_of_it() {
    let bed = Bed::new(2);
    run(&format!("ip link property add dev {} altname other", bed.vfs[0].wait_for_netdev())).ok();
    del_twice_and_of_nothing(&bed);
    del_when_the_path_leads_elsewhere(&bed);
    del_after_the_pod_had_its_way(&bed);
    del_of_a_vf_that_was_moved_on(&bed);
    del_after_the_pf_was_renamed(&bed);
    del_when_the_name_is_taken(&bed);
    del_goes_on_past_what_is_refused(&bed);
    del_of_a_record_that_nobody_can_read(&bed);
    a_lost_attachment_makes_room(&bed);
    del_after_the_namespace(&bed);
    del_when_the_host_has_that_name(&bed);
    del_when_a_process_has_the_pods_number(&bed);
    del_leaves_a_new_vf_alone(&bed);
}

/// A VF attached to `pod1` with something of everything.
struct Attached<'a> {
    bed: &'a Bed,
    before: VfState,
    netdev: String,
    config: serde_json::Value,
}

impl<'a> Attached<'a> {
    #[track_caller]
    fn new(bed: &'a Bed, pod: &Pod) -> Self {
        Self::in_namespace(bed, &pod.path())
    }

    #[track_caller]
    fn in_namespace(bed: &'a Bed, netns: &str) -> Self {
        let vf = &bed.vfs[0];
        let netdev = vf.wait_for_netdev();
        let before = VfState::of(vf);
        let keys = json!({"vlan": 100, "trust": "on", "mac": "02:11:22:33:44:55", "mtu": 2000});
        let config = bed.config(0, keys);
        Call::new("sriov", "ADD", "c1", &config).env("CNI_NETNS", netns).run().ok();
        Self { bed, before, netdev, config }
    }

    fn vf(&self) -> &Vf {
        &self.bed.vfs[0]
    }

    fn del(&self) -> Call {
        Call::new("sriov", "DEL", "c1", &self.config)
    }

    #[track_caller]
    fn is_home(&self) {
        assert_unchanged(&self.before, &VfState::of(self.vf()));
        assert_forgotten();
    }
}

fn del_twice_and_of_nothing(bed: &Bed) {
    let pod = Pod::new("pod1");
    let attached = Attached::new(bed, &pod);
    for _ in 0..2 {
        attached.del().env("CNI_NETNS", pod.path()).run().ok();
        attached.is_home();
    }
    Call::del("sriov", "never-added", &pod, &attached.config).run().ok();
    attached.is_home();
}

fn del_after_the_namespace(bed: &Bed) {
    for netns in [None, Some("/run/netns/pod1"), Some("/tmp/plain")] {
        let pod = Pod::new("pod1");
        let attached = Attached::new(bed, &pod);
        pod.run("ip link set net1 promisc on allmulticast on mtu 1280 address 02:99:99:99:99:99")
            .ok();
        drop(pod);
        std::fs::write("/tmp/plain", "").expect("a plain file");
        let call = attached.del();
        match netns {
            Some(netns) => call.env("CNI_NETNS", netns),
            None => call,
        }
        .run()
        .ok();
        attached.is_home();
    }
}

/// The kernel gives the VF another name then.
fn del_when_the_host_has_that_name(bed: &Bed) {
    run("ip link add net1 type dummy").ok();
    run("ip link set net1 address 02:88:88:88:88:88 mtu 1280 up").ok();
    let theirs = link("net1");
    let pod = Pod::new("pod1");
    let attached = Attached::new(bed, &pod);
    drop(pod);
    let returned = attached.vf().wait_for_netdev();
    assert!(!["net1", &attached.netdev].contains(&returned.as_str()), "{returned}");
    attached.del().run().ok();
    attached.is_home();
    assert_eq!(link("net1"), theirs);
    run("ip link del net1").ok();
}

/// The container's process is gone, and another one has its number by now, in a namespace of its own.
fn del_when_a_process_has_the_pods_number(bed: &Bed) {
    let (pod, other) = (Pod::new("pod1"), Pod::new("other"));
    other.run("ip link add net1 type dummy").ok();
    other.run("ip link set net1 promisc on mtu 1280 up").ok();
    let theirs = other.link("net1");
    let [mut first, second] = [&pod, &other].map(|pod| pod.program("sleep 1000").start());
    for process in [&first, &second] {
        let comm = format!("/proc/{}/comm", process.pid());
        wait_for("the sleeper", || (read(&comm) == "sleep").then_some(()));
    }
    // Numbers come round only after thousands: a path that leads from one to the other does the same.
    let path = "/tmp/number";
    std::os::unix::fs::symlink(format!("/proc/{}/ns/net", first.pid()), path).expect("a link");
    let attached = Attached::in_namespace(bed, path);
    drop(pod);
    assert!(first.is_alive());
    drop(first);
    std::fs::remove_file(path).expect("remove a link");
    std::os::unix::fs::symlink(format!("/proc/{}/ns/net", second.pid()), path).expect("a link");
    attached.vf().wait_for_netdev();
    attached.del().env("CNI_NETNS", path).run().ok();
    attached.is_home();
    assert_eq!(other.link("net1"), theirs);
    std::fs::remove_file(path).expect("remove a link");
}

fn del_when_the_path_leads_elsewhere(bed: &Bed) {
    let pod = Pod::new("pod1");
    let attached = Attached::new(bed, &pod);
    // A namespace of the same name with an interface of the same name, which is none of ours. The first one lives on
    // in a process.
    let sleeper = pod.program("sleep 1000").start();
    let comm = format!("/proc/{}/comm", sleeper.pid());
    wait_for("the sleeper", || (read(&comm) == "sleep").then_some(()));
    drop(pod);
    let other = Pod::new("pod1");
    other.run("ip link add net1 type dummy").ok();
    let theirs = other.link("net1");
    attached.del().env("CNI_NETNS", other.path()).run().ok();
    attached.is_home();
    assert_eq!(other.link("net1"), theirs);
    drop(sleeper);
}

/// What is built upon the VF, and what is built upon that.
fn del_after_the_pod_had_its_way(bed: &Bed) {
    let pod = Pod::new("pod1");
    for lines in [
        &[
            "ip link add link net1 name net1.7 type macvlan",
            "ip link set net1 down",
            "ip link set net1 name mine",
            "ip link set mine up",
            "ip link property add dev mine altname net1",
        ][..],
        &[
            "ip link add link net1 name net1.5 type vlan id 5",
            "ip link set net1.5 up",
            "ip addr add 10.9.0.1/24 dev net1.5",
        ],
        &["ip link add br0 type bridge", "ip link set net1 master br0", "ip link set br0 up"],
        &[
            "ip link add bond0 type bond",
            "ip link set net1 down",
            "ip link set net1 master bond0",
            "ip link set bond0 up",
        ],
    ] {
        let attached = Attached::new(bed, &pod);
        for line in [
            "ip link set net1 promisc on",
            "ip link set net1 allmulticast on",
            "ip link set net1 address 02:99:99:99:99:99",
            "ip link set net1 mtu 1280",
        ] {
            pod.run(line).ok();
        }
        for line in lines {
            pod.run(line).ok();
        }
        attached.del().env("CNI_NETNS", pod.path()).run().ok();
        attached.is_home();
        for left in pod.links() {
            pod.run(&format!("ip link del {left}")).ok();
        }
    }
}

fn del_of_a_vf_that_was_moved_on(bed: &Bed) {
    let (pod, inner) = (Pod::new("pod1"), Pod::new("inner"));
    let attached = Attached::new(bed, &pod);
    pod.run("ip link set net1 netns inner name hidden").ok();
    attached.del().env("CNI_NETNS", pod.path()).run().ok();
    attached.is_home();
    assert!(inner.links().is_empty());
}

fn del_after_the_pf_was_renamed(bed: &Bed) {
    let pod = Pod::new("pod1");
    let attached = Attached::new(bed, &pod);
    let pf = attached.bed.pf.name.clone();
    let rename = |from: &str, to: &str| {
        run(&format!("ip link set {from} name {to}")).ok();
    };
    rename(&pf, "uplink");
    let reply = attached.del().env("CNI_NETNS", pod.path()).run();
    rename("uplink", &pf);
    reply.ok();
    attached.is_home();
}

fn del_leaves_a_new_vf_alone(bed: &Bed) {
    let pod = Pod::new("pod1");
    let attached = Attached::new(bed, &pod);
    attached.bed.pf.remove_vfs();
    attached.bed.pf.make_vfs(2);
    let new = attached.vf();
    run(&format!("ip link set {} vf 0 vlan 77 trust on", new.pf)).ok();
    run(&format!("ip link set {} name fresh", new.wait_for_netdev())).ok();
    let before = VfState::of(new);
    attached.del().env("CNI_NETNS", pod.path()).run().ok();
    assert_unchanged(&before, &VfState::of(new));
    assert_forgotten();
}

fn del_when_the_name_is_taken(bed: &Bed) {
    let pod = Pod::new("pod1");
    let attached = Attached::new(bed, &pod);
    let taken = &attached.netdev;
    run(&format!("ip link add {taken} type dummy")).ok();
    let error = attached.del().env("CNI_NETNS", pod.path()).run().error(11);
    assert!(error["msg"].to_string().contains(taken), "{error}");
    assert!(pod.links().is_empty(), "the VF has left the pod");
    assert_eq!(attached.vf().info()["trust"], false, "the rest is put right");
    run(&format!("ip link del {taken}")).ok();
    attached.del().run().ok();
    attached.is_home();
}

/// The driver sets no rate as long as its link is down.
fn del_goes_on_past_what_is_refused(bed: &Bed) {
    let vf = &bed.vfs[0];
    let pf = &vf.pf;
    run(&format!("ip link set {pf} vf 0 max_tx_rate 200")).ok();
    let before = VfState::of(vf);
    let pod = Pod::new("pod1");
    let keys =
        json!({"vlan": 100, "spoofchk": "off", "trust": "on", "max_tx_rate": 100, "mtu": 2000});
    let config = bed.config(0, keys);
    Call::add("sriov", "c1", &pod, &config).run().ok();
    run(&format!("ip link set {pf} down")).ok();
    for _ in 0..2 {
        let error = Call::del("sriov", "c1", &pod, &config).run().error(100);
        assert!(error["msg"].to_string().contains("max_tx_rate 200"), "{error}");
        assert!(pod.links().is_empty(), "the VF has left the pod");
        let info = vf.info();
        assert_eq!((&info["spoofchk"], &info["trust"]), (&json!(true), &json!(false)), "{info}");
        assert_eq!(info["vlan_list"][0]["vlan"].as_u64().unwrap_or(0), 0, "{info}");
        let held = Call::add("sriov", "c2", &pod, &config).run().error(11);
        assert!(held.to_string().contains("container c1"), "the VF is not right yet: {held}");
    }
    run(&format!("ip link set {pf} up")).ok();
    let speed = format!("/sys/class/net/{pf}/carrier");
    wait_for("a carrier", || (read(&speed) == "1").then_some(()));
    Call::new("sriov", "DEL", "c1", &config).run().ok();
    assert_unchanged(&before, &VfState::of(vf));
    assert_forgotten();
    run(&format!("ip link set {pf} vf 0 max_tx_rate 0")).ok();
}

/// Perhaps a newer railhead wrote it: nothing is undone by guesswork, and nothing is forgotten.
fn del_of_a_record_that_nobody_can_read(bed: &Bed) {
    let pod = Pod::new("pod1");
    let attached = Attached::new(bed, &pod);
    let key = ipam::AttachmentKey {
        container: "c1".parse().expect("a container"),
        ifname: "net1".parse().expect("an interface"),
    };
    let store = ipam::Store::open(&ipam::Root::system()).expect("the store");
    let exchange = |record: &Value| {
        store
            .write(|txn| {
                let old = txn.attachment::<Value>(&key)?;
                txn.put_attachment(&key, record)?;
                Ok::<_, ipam::StoreError>(old)
            })
            .expect("write the store")
            .expect("a record")
    };
    let rubbish = json!({"format": "rubbish"});
    let record = exchange(&rubbish);
    let (other, config) =
        (Pod::new("pod2"), bed.config(0, json!({"cni.dev/valid-attachments": []})));
    for reply in [
        attached.del().env("CNI_NETNS", pod.path()).run(),
        Call::add("sriov", "c2", &other, &config).run(),
        Call::new("sriov", "GC", "unused", &config).run(),
    ] {
        let error = reply.error(5);
        assert!(error["msg"].to_string().contains("container c1"), "{error}");
        assert_eq!(pod.links(), ["net1"]);
    }
    let config = bed.config(1, json!({}));
    Call::add("sriov", "c2", &other, &config).run().ok();
    Call::del("sriov", "c2", &other, &config).run().ok();
    assert_eq!(exchange(&record), rubbish);
    attached.del().run().ok();
    attached.is_home();
}

/// No DEL ever came, and the VF is given to another pod; also to one whose namespace has the name of the first one's.
fn a_lost_attachment_makes_room(bed: &Bed) {
    for name in ["pod2", "pod1"] {
        let pod = Pod::new("pod1");
        let attached = Attached::new(bed, &pod);
        drop(pod);
        let next = Pod::new(name);
        let config = attached.bed.config(0, json!({"vlan": 200}));
        let result = Call::add("sriov", "c2", &next, &config).run().ok();
        assert_ne!(result["interfaces"][0]["mac"], "02:11:22:33:44:55");
        attached.del().run().ok();
        assert_eq!(next.links(), ["net1"], "the late DEL does not touch the VF's new pod");
        Call::del("sriov", "c2", &next, &config).run().ok();
        attached.is_home();
    }
}
