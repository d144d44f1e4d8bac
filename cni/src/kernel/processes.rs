//! Processes and the programs that they run.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use nix::unistd::{SysconfVar, sysconf};

use super::Error;

/// A process that runs a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its process id.
    pub pid: u32,
    /// The program, as the process itself would find it: in a container, there. One that was
    /// replaced ends with ` (deleted)`.
    pub program: PathBuf,
}

/// All processes but the kernel's own threads, which run no program, and most processes of a host
/// are. One that ends meanwhile is none any more.
pub fn all() -> Result<Vec<Process>, Error> {
    let entries = fs::read_dir("/proc").map_err(|error| Error::new("list", "/proc", error))?;
    let process = |entry: fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        Some(Process { pid, program: fs::read_link(entry.path().join("exe")).ok()? })
    };
    Ok(entries.filter_map(|entry| process(entry.ok()?)).collect())
}

/// For how long a process has been there; `None` when it has ended.
pub(super) fn age(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let ticks_a_second = u64::try_from(sysconf(SysconfVar::CLK_TCK).ok()??).ok()?;
    let begun = begun(&stat, ticks_a_second)?;
    let now = Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME).ok()?);
    Some(now.saturating_sub(begun))
}

/// When a process began, since the boot, as its `stat` tells (`starttime` in proc(5)). Its name,
/// which may hold anything, stands in brackets.
fn begun(stat: &str, ticks_a_second: u64) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: u64 = fields.split_whitespace().nth(19)?.parse().ok()?;
    Some(Duration::from_millis(ticks.checked_mul(1000)?.checked_div(ticks_a_second)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_the_time_since_it_began() {
        let before = age(1).unwrap();
        let own = age(std::process::id()).unwrap();
        assert!(own < before, "{own:?} {before:?}");
        assert_eq!(age(u32::MAX), None);
    }

    #[test]
    fn the_beginning_is_found_behind_any_name() {
        let fields = "S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 12345 99 1 2";
        for name in ["railhead", "a) S 1 (b", "", ") ) )"] {
            let stat = format!("7 ({name}) {fields}");
            assert_eq!(begun(&stat, 100), Some(Duration::from_millis(123_450)), "{name}");
        }
        for stat in ["", "7 (a) S 1", "7 a S 1"] {
            assert_eq!(begun(stat, 100), None, "{stat}");
        }
        assert_eq!(begun(&format!("7 (a) {fields}"), 0), None);
    }

    #[test]
    fn the_caller_is_among_them_and_runs_its_program() {
        let own = all().unwrap().into_iter().find(|process| process.pid == std::process::id());
        assert_eq!(own.unwrap().program, std::env::current_exe().unwrap());
    }
}
