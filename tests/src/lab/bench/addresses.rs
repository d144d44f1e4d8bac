//! ADD and DEL of nv-ipam by processes of their own, against host-local and an empty program.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::bed::Caller;
use super::crowd::Crowd;
use super::sheet::Sheet;
use super::{Programs, pool};
use crate::figure::Figure;

/// Processes at once.
const CROWD: usize = 32;

/// Addresses that others hold meanwhile.
const HELD: usize = 1000;

/// Pairs of ADD and DEL in one go; each side goes three times, in turns, so that all meet the same weather.
const PAIRS: usize = 500;
const TURNS: usize = 3;

/// Pods of the storm, and networks of each.
const PODS: usize = 128;
const NETWORKS: usize = 16;

/// 32 at once with 1000 leases held.
pub(super) fn crowd(programs: &Programs, sheet: &mut Sheet) -> Result<()> {
    pool::lease(&pool::ipv4("crowd", 16)?, HELD)?;
    let ours = Caller::new(&programs.nv_ipam, "crowd", &nv_ipam("crowd"))?;
    let peer = Caller::new(&programs.host_local, "crowd-peer", &host_local("crowd"))?;
    let nothing = Caller::new(&programs.nothing, "nothing", &Value::Null)?;
    host_local_leases("crowd", HELD)?;
    let mut crowds = [const { None }; 3];
    for _ in 0..TURNS {
        for (caller, crowd) in [&ours, &peer, &nothing].into_iter().zip(&mut crowds) {
            let turn = Crowd::at_work(CROWD, PAIRS, |pair| {
                let container = format!("pair-{pair}");
                ["ADD", "DEL"]
                    .map(|verb| caller.time(caller.command(verb, &container)))
                    .into_iter()
                    .collect()
            })?;
            let before = crowd.take().unwrap_or_default();
            *crowd = Some(turn.and(before));
        }
    }
    let [ours, peer, nothing] = crowds.map(Option::unwrap_or_default);
    ensure!(pool::leased()? == HELD, "an address was lost");
    let faster = ours.per_second() / peer.per_second();
    let slower = nothing.per_second() / ours.per_second();
    sheet.add(&Figure {
        what: format!("nv-ipam ADD and DEL, {CROWD} at once, {HELD} held; beside host-local"),
        ours: rate(&ours),
        floor: rate(&peer),
        goal: format!("at least 10 times: {faster:.1}"),
        met: faster >= 10.0,
    })?;
    sheet.add(&Figure {
        what: "  beside as many runs of an empty program".to_owned(),
        ours: rate(&ours),
        floor: rate(&nothing),
        goal: format!("at most 1.5 times their time: {slower:.2}"),
        met: slower <= 1.5,
    })?;
    for (name, floor) in [("host-local", &peer), ("an empty program", &nothing)] {
        let p99 = ours.quantile(0.99);
        sheet.add(&Figure {
            what: format!("  one of them, median / 99 of 100; beside {name}"),
            ours: latency(&ours),
            floor: latency(floor),
            goal: "99 of 100 under 50 ms".to_owned(),
            met: p99 < Duration::from_millis(50),
        })?;
    }
    Ok(())
}

/// 128 pods at once, with 16 networks each, one after the other as Multus does it.
pub(super) fn storm(programs: &Programs, sheet: &mut Sheet) -> Result<()> {
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    for network in 0..NETWORKS {
        let name = format!("storm-{network}");
        pool::ipv4(&name, 24)?;
        ours.push(Caller::new(&programs.nv_ipam, &name, &nv_ipam(&name))?);
        let peer_name = format!("{name}-peer");
        peer.push(Caller::new(&programs.host_local, &peer_name, &host_local(&name))?);
    }
    let nothing = Caller::new(&programs.nothing, "nothing", &Value::Null)?;
    let nothing = vec![nothing; NETWORKS];
    let before = pool::leased()?;
    let [ours, peer, nothing] = [ours, peer, nothing].map(|networks| {
        Crowd::at_work(PODS, PODS, |pod| {
            let container = format!("pod-{pod}");
            networks.iter().map(|caller| caller.time(caller.command("ADD", &container))).collect()
        })
    });
    let (ours, peer, nothing) = (ours?, peer?, nothing?);
    let total = PODS * NETWORKS;
    ensure!(pool::leased()? == before + total, "not all addresses of the storm are leased");
    for (name, floor) in [("host-local", peer), ("an empty program", nothing)] {
        sheet.add(&Figure {
            what: format!(
                "{PODS} pods with {NETWORKS} networks, {total} nv-ipam ADDs; beside {name}"
            ),
            ours: format!("{:.2} s", ours.took.as_secs_f64()),
            floor: format!("{:.2} s", floor.took.as_secs_f64()),
            goal: "under 3 s on 2 cores".to_owned(),
            met: ours.took < Duration::from_secs(3),
        })?;
    }
    Ok(())
}

/// What one ADD and one DEL occupy and do.
pub(super) fn process(programs: &Programs, sheet: &mut Sheet) -> Result<()> {
    const MEMORY: u64 = 4096;
    pool::ipv4("process", 24)?;
    let ours = Caller::new(&programs.nv_ipam, "process", &nv_ipam("process"))?;
    let nothing = Caller::new(&programs.nothing, "nothing", &Value::Null)?;
    let mut peaks = Vec::new();
    for caller in [&ours, &nothing] {
        let mut peak = 0;
        for verb in ["ADD", "DEL"] {
            peak = peak.max(resident(programs, caller, verb)?);
        }
        peaks.push(peak);
    }
    let peak = peaks[0];
    sheet.add(&Figure {
        what: "nv-ipam at its peak, ADD and DEL, resident; beside an empty program".to_owned(),
        ours: format!("{peak} KiB"),
        floor: format!("{} KiB", peaks[1]),
        goal: format!("at most {MEMORY} KiB"),
        met: peak <= MEMORY,
    })?;
    let mut syncs = 0;
    for verb in ["ADD", "DEL"] {
        let log = "/run/bench/trace";
        let calls = "fsync,fdatasync,msync,sync,syncfs,sync_file_range";
        let trace = ["strace", "-f", "-qq", "-e", &format!("trace={calls}"), "-o", log];
        ours.time(ours.under(&trace, verb, "traced"))?;
        syncs += fs::read_to_string(log).context("read strace's log")?.lines().count();
    }
    sheet.add(&Figure {
        what: "  calls of the fsync family, ADD and DEL".to_owned(),
        ours: syncs.to_string(),
        floor: "0".to_owned(),
        goal: "0".to_owned(),
        met: syncs == 0,
    })
}

/// The most memory that a verb has resident, in KiB.
fn resident(programs: &Programs, caller: &Caller, verb: &str) -> Result<u64> {
    let told = "/run/bench/peak";
    let peak = programs.peak.to_str().context("a path that is text")?;
    caller.time(caller.under(&[peak, told], verb, "measured"))?;
    let text = fs::read_to_string(told).context("read the peak")?;
    text.parse().with_context(|| format!("read the peak: {text}"))
}

/// A config that asks nv-ipam for an address of `pool`.
pub(super) fn nv_ipam(pool: &str) -> Value {
    let ipam = json!({"type": "nv-ipam", "poolName": pool});
    json!({"cniVersion": "1.0.0", "name": "bench", "type": "sriov", "ipam": ipam})
}

/// The same for host-local; it has a network for each pool.
pub(super) fn host_local(network: &str) -> Value {
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.0.0.0/16"}]]});
    json!({"cniVersion": "1.0.0", "name": network, "type": "sriov", "ipam": ipam})
}

/// Leases the first `count` addresses of its network by files, as host-local itself writes them.
pub(super) fn host_local_leases(network: &str, count: usize) -> Result<()> {
    let directory = Path::new("/var/lib/cni/networks").join(network);
    fs::create_dir_all(&directory).context("make host-local's directory")?;
    // .1 is the gateway.
    for number in 2..count + 2 {
        let file = directory.join(format!("10.0.{}.{}", number / 256, number % 256));
        fs::write(file, format!("held-{number}\r\nnet1")).context("write host-local's lease")?;
    }
    let last = format!("10.0.{}.{}", (count + 1) / 256, (count + 1) % 256);
    fs::write(directory.join("last_reserved_ip.0"), last).context("write host-local's cursor")
}

fn rate(crowd: &Crowd) -> String {
    // An allocation is an ADD and a DEL.
    format!("{:.0} pairs/s", crowd.per_second() / 2.0)
}

fn latency(crowd: &Crowd) -> String {
    let [median, late] = [0.5, 0.99].map(|share| crowd.quantile(share).as_secs_f64() * 1e3);
    format!("{median:.1}/{late:.1} ms")
}
