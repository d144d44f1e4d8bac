//! What a call takes that touches nothing: VERSION, and configs that are refused.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde_json::{Value, json};

use super::bed::Caller;
use super::sheet::Sheet;
use super::{Programs, median, milliseconds};
use crate::figure::Figure;

/// Calls of each kind.
const RUNS: u32 = 201;

/// What a call may take by the clock.
const WALL: Duration = Duration::from_millis(1);

/// What a call may take of a processor in user space.
const USER: Duration = Duration::from_millis(3);

/// VERSION and refusals of both plugins.
pub(super) fn measure(programs: &Programs, sheet: &mut Sheet) -> Result<()> {
    let wrong = json!({
        "cniVersion": "1.1.0", "name": "bench", "type": "sriov", "deviceID": "0000:ff:1f.7",
        "vlan": 5000, "ipam": {"type": "nv-ipam", "poolName": ["no pool"]},
    });
    let calls = [
        ("sriov VERSION", &programs.sriov, "VERSION", 0),
        ("sriov ADD, refused for a VLAN of 5000", &programs.sriov, "ADD", 1),
        ("nv-ipam VERSION", &programs.nv_ipam, "VERSION", 0),
        ("nv-ipam ADD, refused for a poolName that is none", &programs.nv_ipam, "ADD", 1),
    ];
    for (what, program, verb, status) in calls {
        let (ours, floor) = pairs(program, &programs.nothing, &wrong, verb, status)?;
        sheet.add(&Figure {
            what: format!("{what}; beside an empty program"),
            ours: milliseconds(ours.wall),
            floor: milliseconds(floor.wall),
            goal: "under 1 ms".to_owned(),
            met: ours.wall < WALL,
        })?;
        sheet.add(&Figure {
            what: "  processor time, in user space".to_owned(),
            ours: milliseconds(ours.user),
            floor: milliseconds(floor.user),
            goal: "under 3 ms".to_owned(),
            met: ours.user < USER,
        })?;
    }
    Ok(())
}

/// What a call takes.
#[derive(Debug)]
struct Cost {
    /// From start to exit, the median.
    wall: Duration,
    /// Of a processor in user space, the mean: a single call is too short to be measured.
    user: Duration,
}

/// Both programs, call by call in turns.
fn pairs(
    program: &Path,
    nothing: &Path,
    config: &Value,
    verb: &str,
    status: i32,
) -> Result<(Cost, Cost)> {
    let sides = [(program, status), (nothing, 0)];
    let mut costs = Vec::new();
    for _ in sides {
        costs.push((Vec::new(), Duration::ZERO));
    }
    for _ in 0..RUNS {
        for ((program, status), (times, user)) in sides.into_iter().zip(&mut costs) {
            let caller = Caller::new(program, "start", config)?;
            let before = user_time()?;
            times.push(caller.expect(status, caller.command(verb, "none"))?);
            *user += user_time()?.saturating_sub(before);
        }
    }
    let mut costs =
        costs.into_iter().map(|(times, user)| Cost { wall: median(times), user: user / RUNS });
    costs.next().zip(costs.next()).context("two sides were measured")
}

/// What all programs that have ended took in user space.
fn user_time() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("ask what programs took")?;
    let microseconds = usage.user_time().num_microseconds();
    Duration::try_from_secs_f64(microseconds as f64 / 1e6).context("a time")
}
