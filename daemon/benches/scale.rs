//! A host with 32 PFs and 64 VFs on each: how long it takes to look at, and to plan for.
//!
//! `cargo bench --package daemon --bench scale`, or `make bench`. The host is a tree of files, so that any machine will
//! do; nothing is asserted, since a busy machine is no clock.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench tells by printing")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use conf::desired::{self, Node};
use conf::policy::Policy;
use daemon::host::Host;
use daemon::journal::Ownership;
use daemon::observe::observe;
use daemon::plan::{Wish, plan};
use daemon::situation::Written;
use daemon::snapshot::Snapshot;
use serde_json::{Value, json};

const PFS: u16 = 32;
const VFS: u16 = 64;
const RUNS: usize = 21;

fn main() {
    let as_json = std::env::args().any(|argument| argument == "--json");
    let root = tempfile::tempdir().unwrap();
    for pf in 0..PFS {
        card(root.path(), pf);
    }
    let host = Host::at(root.path());
    let snapshot = observe(&host).unwrap();
    assert_eq!(snapshot.pfs.values().map(|pf| pf.vfs.len()).sum::<usize>(), 2048);
    let looked = measure("look at 32 PFs with 64 VFs each, as files", None, || {
        observe(&host).unwrap();
    });
    let (wish, nothing) = (wish(root.path(), &snapshot), Ownership::new());
    let steps = plan(&wish, &snapshot, &nothing).steps();
    assert!(steps > 2048, "{steps} steps");
    let planned = measure(&format!("plan {steps} steps for them"), Some(20.0), || {
        plan(&wish, &snapshot, &nothing);
    });
    for figure in [looked, planned] {
        if as_json {
            println!("{figure}");
        } else {
            let text = |key: &str| figure[key].as_str().unwrap().to_owned();
            println!("{:66}  {}  {}", text("what"), text("railhead"), text("goal"));
        }
    }
}

/// What `work` takes in the median, as a figure of `make bench`; `goal` is in milliseconds.
fn measure(what: &str, goal: Option<f64>, work: impl Fn()) -> Value {
    let once = || {
        let started = Instant::now();
        work();
        started.elapsed()
    };
    let mut times: Vec<Duration> = (0..RUNS).map(|_| once()).collect();
    times.sort();
    let median = times[RUNS / 2].as_secs_f64() * 1e3;
    json!({
        "what": what,
        "railhead": format!("{median:.1} ms"),
        "floor": "",
        "goal": goal.map(|goal| format!("under {goal} ms")).unwrap_or_default(),
        "met": goal.is_none_or(|goal| median < goal),
    })
}

/// All PFs have all their VFs; each VF gets another MTU, and every other one another driver.
fn wish(root: &Path, snapshot: &Snapshot) -> Wish {
    let objects = root.join("etc/railhead/objects");
    fs::create_dir_all(&objects).unwrap();
    for (name, range, more) in
        [("net", "0-31", "mtu: 1600"), ("vms", "32-63", "deviceType: vfio-pci")]
    {
        let pfs: Vec<String> = (0..PFS).map(|pf| format!("\"ens{pf}f0#{range}\"")).collect();
        let policy = format!(
            "apiVersion: sriovnetwork.openshift.io/v1\nkind: SriovNetworkNodePolicy\nmetadata: {{name: {name}}}\n\
             spec:\n  nodeSelector: {{}}\n  resourceName: {name}\n  numVfs: 64\n  {more}\n  \
             nicSelector: {{pfNames: [{}]}}\n",
            pfs.join(", ")
        );
        fs::write(objects.join(format!("{name}.yaml")), policy).unwrap();
    }
    let written = Written::read(&Host::at(root)).unwrap();
    let policies: Vec<Policy> = written.objects.policies().cloned().collect();
    let pfs = snapshot.pfs.values().map(|pf| desired::Pf {
        address: pf.address,
        name: pf.netdev.as_ref().map(|netdev| netdev.name.clone()),
        altnames: Vec::new(),
        vendor: pf.vendor,
        device: pf.device,
        vf_device: pf.vf_device,
        total_vfs: pf.total_vfs,
        link_type: None,
        switchdev: false,
    });
    let node = Node { name: "bench".to_owned(), pfs: pfs.collect(), ..Node::default() };
    Wish { desired: desired::fold(&policies, &node), ..Wish::default() }
}

/// A PF on a bus of its own, with its VFs behind it.
fn card(root: &Path, number: u16) {
    let pf = format!("0000:{:02x}:00.0", 0x10 + number);
    let name = format!("ens{number}f0");
    function(root, &pf, "1017", &name, number);
    let directory = root.join("sys/bus/pci/devices").join(&pf);
    let files = [
        ("sriov_totalvfs", "64"),
        ("sriov_drivers_autoprobe", "1"),
        ("sriov_offset", "8"),
        ("sriov_stride", "1"),
    ];
    for (file, value) in files.into_iter().chain([("sriov_vf_device", "1018")]) {
        fs::write(directory.join(file), format!("{value}\n")).unwrap();
    }
    for vf in 0..VFS {
        let function_number = 8 + vf;
        let address = format!(
            "0000:{:02x}:{:02x}.{}",
            0x10 + number,
            function_number / 8,
            function_number % 8
        );
        function(root, &address, "1018", &format!("{name}v{vf}"), 100 + number * VFS + vf);
        symlink(format!("../{address}"), directory.join(format!("virtfn{vf}"))).unwrap();
        let physfn = root.join("sys/bus/pci/devices").join(&address).join("physfn");
        symlink(format!("../{pf}"), physfn).unwrap();
    }
}

fn function(root: &Path, address: &str, device: &str, netdev: &str, index: u16) {
    let sys = root.join("sys");
    let directory = sys.join("bus/pci/devices").join(address);
    fs::create_dir_all(directory.join("net").join(netdev)).unwrap();
    let files = [
        ("vendor", "0x15b3".to_owned()),
        ("device", format!("0x{device}")),
        ("class", "0x020000".to_owned()),
        ("numa_node", "0".to_owned()),
        ("driver_override", "(null)".to_owned()),
        ("modalias", "pci:v000015B3d00001018sv*".to_owned()),
    ];
    for (file, value) in files {
        fs::write(directory.join(file), format!("{value}\n")).unwrap();
    }
    fs::create_dir_all(sys.join("bus/pci/drivers/mlx5_core")).unwrap();
    symlink("../../drivers/mlx5_core", directory.join("driver")).unwrap();
    fs::create_dir_all(sys.join("kernel/iommu_groups").join(index.to_string())).unwrap();
    symlink(format!("../../../../kernel/iommu_groups/{index}"), directory.join("iommu_group"))
        .unwrap();
    let net = sys.join("class/net").join(netdev);
    fs::create_dir_all(&net).unwrap();
    let files = [
        ("ifindex", (index + 1).to_string()),
        ("mtu", "1500".to_owned()),
        ("flags", "0x1003".to_owned()),
        ("address", format!("02:00:00:00:{:02x}:{:02x}", index / 256, index % 256)),
        ("operstate", "up".to_owned()),
        ("type", "1".to_owned()),
        ("speed", "100000".to_owned()),
    ];
    for (file, value) in files {
        fs::write(net.join(file), format!("{value}\n")).unwrap();
    }
}
