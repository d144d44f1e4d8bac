//! What an allocation costs in pools of all sizes, and in one that is all but full.

use std::time::Duration;

use anyhow::Result;

use super::addresses::{host_local, host_local_leases, nv_ipam};
use super::bed::Caller;
use super::sheet::Sheet;
use super::{Programs, median, milliseconds, pool};
use crate::figure::Figure;

/// Addresses that others hold in each pool: most of the smallest.
const HELD: usize = 200;

/// ADDs and DELs in each pool.
const RUNS: usize = 101;

/// How many addresses a /16 has for containers: all but network, broadcast and gateway.
const FULL: usize = (1 << 16) - 3;

/// Those of its containers whose addresses are free again: 1 in 10,000, wide apart, none next to the one given out last.
const FREE: [usize; 6] = [9_999, 20_011, 30_030, 40_404, 50_050, 60_606];

/// Pools from 2^8 addresses to 2^20, and a /64.
pub(super) fn pools(programs: &Programs, sheet: &mut Sheet) -> Result<()> {
    let mut pools = Vec::new();
    for bits in 8..=20 {
        let name = format!("size-{bits}");
        let block = pool::ipv4(&name, 32 - bits)?;
        pools.push((format!("2^{bits}"), name, block));
    }
    pools.push(("2^64".to_owned(), "size-64".to_owned(), pool::ipv6("size-64")?));
    let mut callers = Vec::new();
    for (_, name, block) in &pools {
        pool::lease(block, HELD)?;
        callers.push((Caller::new(&programs.nv_ipam, name, &nv_ipam(name))?, Vec::new()));
    }
    for run in 0..RUNS {
        for (caller, times) in &mut callers {
            let container = format!("run-{run}");
            times.push(caller.time(caller.command("ADD", &container))?);
            caller.time(caller.command("DEL", &container))?;
        }
    }
    let medians: Vec<Duration> = callers.into_iter().map(|(_, times)| median(times)).collect();
    let smallest = medians.first().copied().unwrap_or_default();
    for ((size, ..), took) in pools.iter().zip(&medians) {
        // The others lie between, and are no news.
        if !["2^12", "2^16", "2^20", "2^64"].contains(&size.as_str()) {
            continue;
        }
        sheet.add(&Figure {
            what: format!("nv-ipam ADD in a pool of {size} addresses; beside one of 2^8"),
            ours: milliseconds(*took),
            floor: milliseconds(smallest),
            goal: "the same, at most 1.25 times".to_owned(),
            met: took.as_secs_f64() <= smallest.as_secs_f64() * 1.25,
        })?;
    }
    Ok(())
}

/// A /16 that is full but for one address in 10,000.
pub(super) fn full(programs: &Programs, sheet: &mut Sheet) -> Result<()> {
    let block = pool::ipv4("full", 16)?;
    pool::lease(&block, FULL)?;
    pool::give_back(&block, &FREE)?;
    let ours = Caller::new(&programs.nv_ipam, "full", &nv_ipam("full"))?;
    let mut times = Vec::new();
    for number in 0..FREE.len() {
        times.push(ours.time(ours.command("ADD", &format!("last-{number}")))?);
    }
    let refusal = ours.expect(1, ours.command("ADD", "one-too-many"))?;

    host_local_leases("full", FULL - FREE.len())?;
    let peer = Caller::new(&programs.host_local, "full-peer", &host_local("full"))?;
    let peer = peer.time(peer.command("ADD", "last"))?;

    let worst = times.iter().max().copied().unwrap_or_default();
    let typical = median(times);
    let times = [typical, worst].map(|time| format!("{:.1}", time.as_secs_f64() * 1e3));
    sheet.add(&Figure {
        what: "nv-ipam ADD in a /16 99.99 % full, median/slowest; beside host-local".to_owned(),
        ours: format!("{} ms", times.join("/")),
        floor: milliseconds(peer),
        goal: "under 5 ms, process and all".to_owned(),
        met: typical < Duration::from_millis(5),
    })?;
    sheet.add(&Figure {
        what: "  and refused when it is full".to_owned(),
        ours: milliseconds(refusal),
        floor: String::new(),
        goal: "under 50 ms".to_owned(),
        met: refusal < Duration::from_millis(50),
    })
}
