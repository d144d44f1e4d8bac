//! How soon the daemon puts right what somebody changed: to the first write that does so, and to the end.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::vfs::{by_the_kernel, seven};
use super::{Figure, median, milliseconds, numvfs, set_down, set_up};
use crate::guest::cni::Call;
use crate::guest::host::{Pf, pf};
use crate::guest::pod::Pod;
use crate::guest::program::run;
use crate::guest::railhead::{Daemon, object, railhead, remove_object};
use crate::guest::trace::Trace;
use crate::guest::wait::wait_for;

const RUNS: usize = 5;

/// Long enough for the daemon to have begun.
const QUIET: Duration = Duration::from_secs(1);

/// The most that may pass between an event and the first write.
const SOON: Duration = Duration::from_millis(100);

pub(super) fn measure() -> Vec<Figure> {
    let pf = pf(0);
    set_up(&pf);
    let floor = median((0..3).map(|_| by_the_kernel(&pf)).collect());
    object("seven.yaml", &seven(&pf));
    let trace = Trace::new("drift").only("write,sendto").naming_descriptors().timed();
    let daemon = Daemon::start_under(&trace.command());
    let bed = Bed { pf, trace };
    bed.rest();

    let zeroed = bed.first_write(Bed::zero);
    object("seven.yaml", &seven(&bed.pf).replace("deviceType", "mtu: 4000\n  deviceType"));
    bed.rest();
    let firsts = [
        ("VFs zeroed", zeroed),
        ("a VF without driver", bed.first_write(Bed::unbind)),
        ("the PF set down", bed.first_write(Bed::set_down)),
        ("the PF's MTU lowered", bed.first_write(Bed::lower_mtu)),
        ("the VF of a container that died without DEL", bed.first_write(Bed::container_dies)),
    ];

    daemon.stop().ok();
    object("seven.yaml", &seven(&bed.pf));
    // Not under strace, which slows the start of each program that writes.
    let daemon = Daemon::start();
    bed.rest();
    let back = median((0..3).map(|_| bed.zeroed_and_back()).collect());
    daemon.stop().ok();
    remove_object("seven.yaml");
    railhead("apply").ok();
    set_down(&bed.pf);
    let mut figures: Vec<Figure> = firsts
        .into_iter()
        .map(|(what, took)| Figure {
            what: format!("drift to the first write that repairs it: {what}"),
            ours: milliseconds(took),
            floor: String::new(),
            goal: "at most 100 ms".to_owned(),
            met: took <= SOON,
        })
        .collect();
    figures.push(Figure {
        what: "7 VFs zeroed and all back, against echo 7".to_owned(),
        ours: milliseconds(back),
        floor: milliseconds(floor),
        goal: "at most 1.2 times the floor".to_owned(),
        met: back.as_secs_f64() <= floor.as_secs_f64() * 1.2,
    });
    figures
}

struct Bed {
    pf: Pf,
    trace: Trace,
}

impl Bed {
    /// Waits until all is as it should be and the daemon has seen that.
    fn rest(&self) {
        wait_for("the daemon to come to rest", || {
            let in_force = railhead("plan --exit-code").status == 0;
            let status = railhead("status -o json").json();
            (in_force && status["daemon"]["activity"] == "idle").then_some(())
        });
    }

    /// The median time between the end of what `cause` does and the first write of the daemon that answers it.
    fn first_write(&self, cause: fn(&Self)) -> Duration {
        let once = || {
            let before = now();
            cause(self);
            let caused = now();
            // With little to do for the machine meanwhile: it has the time of one processor in all.
            std::thread::sleep(QUIET);
            self.rest();
            // It may well have begun before the last of the event was over.
            let first = self.repairs().find(|at| *at > before).expect("a write that repairs");
            first.saturating_sub(caused)
        };
        median((0..RUNS).map(|_| once()).collect())
    }

    /// When the daemon changed sysfs or a link, since the epoch.
    fn repairs(&self) -> impl Iterator<Item = Duration> {
        self.trace.changes().into_iter().filter_map(|line| {
            let time: f64 = line.split_whitespace().next()?.parse().ok()?;
            Some(Duration::from_secs_f64(time))
        })
    }

    fn unbind(&self) {
        self.pf.vfs()[3].unbind();
    }

    fn set_down(&self) {
        set_down(&self.pf);
    }

    fn lower_mtu(&self) {
        run(&format!("ip link set {} mtu 1500", self.pf.name)).ok();
    }

    /// Ends when the kernel has brought the VF home, which it does in its own time.
    fn container_dies(&self) {
        let vf = &self.pf.vfs()[2];
        let pod = Pod::new("bench");
        let config = json!({
            "cniVersion": "1.1.0", "name": "bench", "type": "sriov", "deviceID": vf.address, "vlan": 7,
        });
        Call::add("sriov", "bench", &pod, &config).run().ok();
        drop(pod);
        wait_for("the VF to come home", || vf.netdev());
    }

    fn zero(&self) {
        numvfs(&self.pf, 0);
    }

    /// From the end of `echo 0` until the last VF has a network interface again.
    fn zeroed_and_back(&self) -> Duration {
        self.zero();
        let zeroed = Instant::now();
        wait_for("seven VFs", || {
            let vfs = self.pf.vfs();
            (vfs.len() == 7 && vfs.iter().all(|vf| vf.netdev().is_some())).then_some(())
        });
        let took = zeroed.elapsed();
        self.rest();
        took
    }
}

/// Since the epoch, as strace tells it.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970")
}
