//! What is not as it was on a netdev that is home, after all that can be put right was put right.

use std::fmt;

use conf::PciAddress;

use super::Host;
use crate::attachment::HostLink;
use crate::kernel::bpf;
use crate::kernel::link::Link;
use crate::kernel::netlink::Route;
use crate::kernel::tuning;

/// What only a driver that is bound anew takes away.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    /// BPF programs, which see and change what the next container sends and receives.
    pub(super) programs: Vec<String>,
    /// All else, in a word or two each; that it is not known whether there are programs, too.
    pub(super) settings: Vec<String>,
}

impl Leftovers {
    /// Those of the netdev `link` of `vf`, which was `own`.
    pub(super) fn find(
        host: &Host,
        on_host: &Route,
        vf: PciAddress,
        link: &Link,
        own: &HostLink,
    ) -> Self {
        let mut left = Self::default();
        left.programs.extend(link.xdp.iter().map(ToString::to_string));
        match bpf::tcx_programs(link.index) {
            Ok(0) => {}
            Ok(count) => left.programs.push(format!("{count} tcx programs")),
            Err(error) => left.settings.push(format!("what cannot be seen ({error})")),
        }
        if let Some(settings) = &own.settings {
            let changes = link.settings.changes(settings);
            left.settings.extend(changes.iter().map(|was| format!("another value for {was}")));
            if link.settings.unknown != settings.unknown {
                left.settings.push("other link attributes".to_owned());
            }
        }
        if let Some(tuning) = &own.tuning {
            let (now, _) = tuning::look(on_host, &host.sysfs, vf, &link.name);
            left.settings.extend(tuning.differing(&now).into_iter().map(str::to_owned));
        }
        left
    }

    pub(super) fn is_empty(&self) -> bool {
        self.programs.is_empty() && self.settings.is_empty()
    }
}

impl fmt::Display for Leftovers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<&str> =
            self.programs.iter().chain(&self.settings).map(String::as_str).collect();
        f.write_str(&all.join(", "))
    }
}
