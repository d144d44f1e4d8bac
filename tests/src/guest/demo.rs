//! The main job from end to end, shown: from policies and a pool to attached containers, and back.
//!
//! Every command is run as it is shown, and every line with a tick was looked at from outside, by sysfs, `ip` or
//! `ping`: the demo fails when one does not hold.

use std::path::Path;

use serde_json::Value;

use super::host::{Vf, link, pfs};
use super::init::orders;
use super::machine::Machine;
use super::pod::Pod;
use super::railhead::railhead;
use super::stage::Stage;
use super::vf_state::{VfState, assert_unchanged};
use crate::protocol::Orders;

/// What `examples/standalone` asks for on each PF: VFs for containers, and VFs for virtual machines.
const FOR_CONTAINERS: usize = 4;
const FOR_MACHINES: usize = 2;

/// Plays the demo for a person.
pub(super) fn play() {
    let Orders::Demo(terminal) = orders() else { panic!("no demo was ordered") };
    let mut stage = Stage::new(terminal);
    perform(&mut stage);
    stage.show("\nAll of it held. Try it yourself: make shell\n");
}

/// Plays it for nobody, so that no change breaks it unnoticed.
pub(super) fn rehearse() {
    perform(&mut Stage::rehearsal());
}

fn perform(stage: &mut Stage) {
    let found = Machine::now();
    discover(stage);
    prepare(stage);
    let containers = attach(stage);
    look(stage);
    detach(stage, containers);
    give_back(stage, &found);
}

fn discover(stage: &Stage) {
    stage.heading("1. A host with two SR-IOV cards");
    let table = stage.run("railhead discover");
    let names = ["enp1s0", "enp2s0"];
    stage.claim("both cards are found", names.iter().all(|name| table.contains(name)));
    stage.claim("neither has a VF yet", pfs().iter().all(|pf| pf.num_vfs() == 0));
}

fn prepare(stage: &Stage) {
    stage.heading("2. Policies say what VFs there are to be");
    stage.run("cat examples/standalone/nics.yaml");
    stage.explain("What would be done, how disruptive each step is, and who asks for it:");
    stage.run("railhead plan -f examples/standalone");
    stage.claim("nothing was touched", pfs().iter().all(|pf| pf.num_vfs() == 0));
    stage.run("railhead apply -f examples/standalone");
    for pf in pfs() {
        let vfs = pf.vfs();
        let bound =
            |driver: &str| vfs.iter().filter(|vf| vf.driver().as_deref() == Some(driver)).count();
        stage.claim(
            &format!("{} has {FOR_CONTAINERS} VFs for containers and {FOR_MACHINES} for virtual machines", pf.name),
            bound("igbvf") == FOR_CONTAINERS && bound("vfio-pci") == FOR_MACHINES,
        );
    }
    let vfs = pfs().into_iter().flat_map(|pf| pf.vfs());
    let mut machines = vfs.filter(|vf| vf.driver().as_deref() == Some("vfio-pci"));
    stage.run("railhead discover");
    stage.run("ls /dev/vfio");
    stage.claim(
        "each of the latter is a device that a virtual machine can open",
        machines.all(|vf| Path::new("/dev/vfio").join(vf.iommu_group()).exists()),
    );
    let plan = stage.run("railhead plan --exit-code");
    stage.claim("there is nothing left to do", plan.contains("Nothing to do"));
}

/// The containers, each with its VF and what the VF was like before.
struct Container {
    pod: Pod,
    network: &'static str,
    vf: Vf,
    before: VfState,
}

fn attach(stage: &mut Stage) -> Vec<Container> {
    stage.heading("3. Containers get VFs, through any CNI caller");
    stage.explain(
        "A container is a network namespace here, and cnitool calls the plugins as a runtime does.",
    );
    stage.run("jq -c . examples/cni/blue.conflist");
    stage.explain("green is the same with VLAN 200.");
    stage.export("NETCONFPATH", "/root/examples/cni");
    stage.export("CNI_PATH", "/opt/cni/bin");
    stage.explain("Each has an eth0 already, with the default routes; the VF becomes its net1.");
    stage.export("CNI_IFNAME", "net1");
    let (first, second) = (pfs()[0].vfs(), pfs()[1].vfs());
    let wishes =
        [("web", "blue", &first[0]), ("db", "blue", &second[0]), ("other", "green", &first[1])];
    let mut containers = Vec::new();
    for (name, network, vf) in wishes {
        let before = VfState::of(vf);
        let pod = Pod::new(name);
        stage.run(&format!(
            "CNI_ARGS='K8S_POD_NAMESPACE=default;K8S_POD_NAME={name}' \\\n  \
             CAP_ARGS='{{\"deviceID\":\"{}\"}}' cnitool add {network} /run/netns/{name}",
            vf.address
        ));
        containers.push(Container { pod, network, vf: vf.clone(), before });
    }
    stage.run("ip netns exec web ip -brief addr");
    stage.run("ip link show enp1s0 | grep 'vf [01] '");
    let vlan = |vf: &Vf| vf.info()["vlan_list"][0]["vlan"].clone();
    stage.claim(
        "web and db are in VLAN 100, other in VLAN 200",
        containers.iter().map(|container| vlan(&container.vf)).eq([100, 100, 200].map(Value::from)),
    );
    talk(stage, &containers);
    containers
}

fn talk(stage: &Stage, containers: &[Container]) {
    let [web, db, other] = containers else { panic!("three containers were made") };
    let addresses = db.pod.addresses("net1");
    let address =
        addresses.first().and_then(|address| address.split('/').next()).expect("db's address");
    // The cards' links take a moment to come up, and ping is meant to show what then holds.
    let reached = web.pod.reaches(address);
    stage.run(&format!("ip netns exec {} ping -c 3 {address}", web.pod.name()));
    stage.claim("web reaches db, from one card to the other", reached);
    let unheard = format!("ip netns exec {} ping -c 3 -W 1 {address}", other.pod.name());
    // The exit status alone could also come from a ping that never sent anything.
    let ping = stage.exits_with(1, &unheard);
    stage.claim(
        "other, in another VLAN, does not",
        ping.contains("3 packets transmitted, 0 packets received"),
    );
}

fn look(stage: &Stage) {
    stage.heading("4. Who has what");
    stage.run("railhead status");
    stage.run("railhead attachments");
    stage.run("railhead ipam");
    let attachments = railhead("attachments -o json").ok().json();
    let known = attachments["attachments"].as_array().map(Vec::len);
    stage.claim("three attachments are known", known == Some(3));
}

fn detach(stage: &Stage, containers: Vec<Container>) {
    stage.heading("5. All of it given back");
    for Container { pod, network, .. } in &containers {
        stage.run(&format!("cnitool del {network} /run/netns/{}", pod.name()));
    }
    for Container { vf, before, .. } in &containers {
        vf.wait_for_netdev();
        assert_unchanged(before, &VfState::of(vf));
    }
    stage.claim("each VF is home, and every field of it as before", true);
    stage.run("railhead ipam");
    stage.claim("no address is held", !railhead("ipam -o json").ok().stdout.contains("cnitool-"));
}

fn give_back(stage: &Stage, found: &Machine) {
    stage.explain("Without policies, each card goes back to what it was before the first.");
    stage.run("rm /etc/railhead/objects/*; railhead apply");
    stage.claim("no VF is left", pfs().iter().all(|pf| pf.num_vfs() == 0));
    let mtus: Vec<Value> = pfs().iter().map(|pf| link(&pf.name)["mtu"].clone()).collect();
    stage.claim("the MTU is 1500 again", mtus.iter().all(|mtu| *mtu == 1500));
    for difference in Machine::now().since(found) {
        stage.claim(&difference, false);
    }
    stage.claim("links, drivers, addresses, processes: nothing of the host differs", true);
}
