//! The clock that cooldowns and graces are measured with.

use std::io;
use std::time::Duration;

use conf::BootId;
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// A moment on `CLOCK_BOOTTIME`: nanoseconds since the machine started, sleep included.
///
/// Nobody can set this clock, so a wall clock that jumps neither frees an address early nor holds
/// it forever; and as it starts anew at each boot, so does everything that is stamped with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootTime(u64);

impl BootTime {
    /// Now.
    pub fn now() -> io::Result<Self> {
        let now = Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME)?);
        Ok(Self::from_start(now))
    }

    /// The moment this long after the machine started.
    pub fn from_start(uptime: Duration) -> Self {
        Self(u64::try_from(uptime.as_nanos()).unwrap_or(u64::MAX))
    }

    /// How long the machine had been running.
    pub fn since_start(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// The time from `earlier` to this moment; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Nanoseconds since the start, the form in which files hold it.
    pub fn nanoseconds(self) -> u64 {
        self.0
    }

    /// The inverse of [`Self::nanoseconds`].
    pub fn from_nanoseconds(nanoseconds: u64) -> Self {
        Self(nanoseconds)
    }
}

/// A moment that can be told from one before a reboot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// In which run of the machine.
    pub boot: BootId,
    /// When in it.
    pub time: BootTime,
}

impl Moment {
    /// Now.
    ///
    /// # Errors
    /// The clock or `/proc/sys/kernel/random/boot_id` cannot be read.
    pub fn now() -> io::Result<Self> {
        Ok(Self { boot: current_boot()?, time: BootTime::now()? })
    }
}

/// This run of the machine.
pub(crate) fn current_boot() -> io::Result<BootId> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    boot.trim_end().parse().map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_one_run_are_of_one_boot() {
        let (one, two) = (Moment::now().unwrap(), Moment::now().unwrap());
        assert!(one.boot == two.boot && one.time <= two.time);
    }
}
