//! Looks for what keeps railhead from its work, before somebody has to find out: the kernel, the
//! firmware, other programs that want the same VFs, and railhead's own files.
//!
//! ```text
//! /proc, /sys, /etc, /run, /opt/cni/bin --+
//! objects, what is planned for them ------+--> one function per subject --> Finding
//! ```
//!
//! Nothing is started and nothing written, and but for links, which a machine that is alive is asked
//! for, all is read from files below the host's root: a captured machine can be examined as well.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::chain::Chain;
use crate::host::Host;
use crate::situation::{Situation, SituationError, Written};

mod cards;
mod files;
mod iommu;
mod kernel;
mod machine;
mod permissions;
mod plugins;
mod rivals;
mod services;

use machine::Machine;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Something will not work, or not as one would think.
    Warning,
    /// Something that is asked for does not work.
    Error,
}

/// What one look at one thing found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What was looked at; the same word at every run.
    pub check: Cow<'static, str>,
    /// What is so.
    pub what: String,
    /// Why that matters; empty when all is well.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// How to mend it; a command stands on a line of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mend: Vec<String>,
}

impl Finding {
    fn ok(check: &'static str, what: impl Into<String>) -> Self {
        Self {
            level: Level::Ok,
            check: check.into(),
            what: what.into(),
            why: String::new(),
            mend: Vec::new(),
        }
    }

    fn warning(check: &'static str, what: impl Into<String>, why: &str) -> Self {
        Self { level: Level::Warning, why: why.to_owned(), ..Self::ok(check, what) }
    }

    fn error(check: &'static str, what: impl Into<String>, why: &str) -> Self {
        Self { level: Level::Error, why: why.to_owned(), ..Self::ok(check, what) }
    }

    /// An error when something asks for it, else a warning.
    fn lacking(check: &'static str, is_asked: bool, what: impl Into<String>, why: &str) -> Self {
        let level = if is_asked { Level::Error } else { Level::Warning };
        Self { level, ..Self::warning(check, what, why) }
    }

    fn mend(mut self, how: impl Into<String>) -> Self {
        self.mend.push(how.into());
        self
    }
}

/// Examines the machine.
pub fn examine(host: &Host) -> Vec<Finding> {
    let machine = Machine::at(host);
    let (mut findings, is_usable) = files::store(host);
    // To look at who uses VFs takes the store's lock, which makes its file where that is gone too.
    if is_usable {
        findings.extend(files::leftovers(host));
        findings.extend(files::fenced(host));
    }
    let situation = is_usable.then(|| look(host));
    let situation = match situation {
        Some(Ok(situation)) => {
            findings.extend(files::objects(&situation));
            Some(situation)
        }
        Some(Err(error)) => {
            findings.push(files::unreadable(&Chain(&error).to_string()));
            None
        }
        None => None,
    };
    let mut all = kernel::examine(&machine, situation.as_ref());
    all.extend(iommu::examine(&machine, situation.as_ref()));
    all.extend(cards::examine(&machine, host, situation.as_ref()));
    all.extend(rivals::examine(&machine));
    all.extend(plugins::examine(&machine));
    all.extend(permissions::examine(host, &machine));
    all.extend(files::clock(host));
    all.extend(services::examine(&machine));
    all.extend(findings);
    all
}

fn look(host: &Host) -> Result<Situation, SituationError> {
    Situation::look(host, &Written::read(host)?)
}

impl Situation {
    /// Whether a policy for this node asks for VFs for user space.
    fn asks_for_vfio(&self) -> bool {
        let groups = self.desired().pfs.values().flat_map(|pf| &pf.groups);
        groups.into_iter().any(|group| group.device_type == conf::policy::DeviceType::VfioPci)
    }
}
