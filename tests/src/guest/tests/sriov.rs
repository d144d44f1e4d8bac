//! The sriov plugin on real VFs. What a VF was before ADD and is after DEL is looked at from outside, field by field.

mod addresses;
mod attributes;
mod chains;
mod churn;
mod cost;
mod crowd;
mod fake_ipam;
mod faults;
mod kills;
mod leftovers;
mod life;
mod power;
mod refusals;
mod returning;
mod takeover;
mod userspace;
mod verbs;
mod victim;

use serde_json::{Value, json};

use crate::guest::Test;
use crate::guest::cni::Call;
use crate::guest::host::{self, Pf, Vf, pf};
use crate::guest::init::name_interface;
use crate::guest::pod::Pod;
use crate::guest::program::run;
use crate::guest::railhead::block;
use crate::guest::vf_state::{VfState, assert_unchanged};
use crate::guest::wait::wait_for;

pub(super) const TESTS: &[&[Test]] = &[
    life::TESTS,
    addresses::TESTS,
    attributes::TESTS,
    chains::TESTS,
    refusals::TESTS,
    returning::TESTS,
    leftovers::TESTS,
    takeover::TESTS,
    verbs::TESTS,
    cost::TESTS,
    userspace::TESTS,
    faults::TESTS,
    kills::TESTS,
    power::TESTS,
    crowd::TESTS,
    churn::TESTS,
];

/// A PF that is up, its VFs, and a block of addresses, 10.77.0.2 to 10.77.0.250. Dropped: all as it was.
struct Bed {
    pf: Pf,
    vfs: Vec<Vf>,
}

impl Bed {
    #[track_caller]
    fn new(vfs: u16) -> Self {
        let pf = pf(0);
        run(&format!("ip link set {} up", pf.name)).ok();
        let vfs = pf.make_vfs(vfs);
        // As udev names them: eth0 is what a pod's first interface is called.
        for vf in &vfs {
            vf.wait_for_netdev();
            name_interface(&vf.address);
        }
        // The driver refuses rates as long as it does not know the link's speed.
        let carrier = format!("/sys/class/net/{}/carrier", pf.name);
        wait_for("a carrier", || (host::read(&carrier) == "1").then_some(()));
        block(&["10.78.0.0/16"]);
        Self { pf, vfs }
    }

    /// A [`config`] for one of the VFs.
    fn config(&self, vf: usize, keys: Value) -> Value {
        config(&self.vfs[vf], keys)
    }
}

/// A config with addresses from the pool `blue` and these keys besides.
fn config(vf: &Vf, keys: Value) -> Value {
    let mut config = json!({
        "cniVersion": "1.1.0", "name": "blue", "type": "sriov", "deviceID": vf.address,
        "ipam": {"type": "nv-ipam", "poolName": "blue"},
    });
    let (Some(config_keys), Value::Object(keys)) = (config.as_object_mut(), keys) else {
        panic!("objects were expected");
    };
    config_keys.extend(keys);
    config
}

impl Drop for Bed {
    fn drop(&mut self) {
        // Without a panic of its own: the test may be panicking already.
        drop(std::fs::write(format!("/sys/bus/pci/devices/{}/sriov_numvfs", self.pf.address), "0"));
        run(&format!("ip link set {} down", self.pf.name));
    }
}

/// ADD and DEL as container `c1`, with a look at the pod in between: the VF must be as it was before.
#[track_caller]
fn attached<T>(vf: &Vf, config: &Value, look: impl FnOnce(&Pod, &Value) -> T) -> T {
    let before = VfState::of(vf);
    let pod = Pod::new("pod1");
    let result = Call::add("sriov", "c1", &pod, config).run().ok();
    let seen = look(&pod, &result);
    assert_eq!(Call::del("sriov", "c1", &pod, config).run().ok(), Value::Null);
    assert_unchanged(&before, &VfState::of(vf));
    assert_forgotten();
    seen
}

/// Nothing is recorded, leased or claimed, and nobody has a lock.
#[track_caller]
fn assert_forgotten() {
    let store = ipam::Store::open(&ipam::Root::system()).expect("the store");
    let (records, leases, owners) = store
        .read(|txn| {
            let records = txn.attachments::<Value>()?;
            Ok::<_, ipam::StoreError>((records.len(), txn.leases()?, txn.vf_owners()?))
        })
        .expect("read the store");
    assert!(
        records == 0 && leases.is_empty() && owners.is_empty(),
        "{records} records, leases {leases:?}, owners {owners:?}"
    );
    for lock in std::fs::read_dir("/run/railhead/vf").into_iter().flatten() {
        let path = lock.expect("a lock").path();
        // A daemon that runs beside the test holds it for a moment while it looks at the VF or works on it.
        wait_for(&format!("{} to be free", path.display()), || {
            std::fs::File::open(&path).expect("a lock").try_lock_shared().ok()
        });
    }
}

/// The PF's entry of a VF has this value in a field.
#[track_caller]
fn assert_pf_shows(vf: &Vf, field: &str, value: &Value) {
    let info = vf.info();
    assert_eq!(&info[field], value, "{field} of {info}");
}
