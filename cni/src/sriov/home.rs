//! Bringing a VF's netdev home, wherever it is and whatever it is called there.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use conf::IfName;
use conf::cni::{Code, Error};

use super::Host;
use super::by_pf::ByPf;
use crate::attachment::{HostLink, Record};
use crate::failure::Failures;
use crate::kernel::link::{Link, Moved};
use crate::kernel::monitor::{Monitor, Topic};
use crate::kernel::netlink::Route;
use crate::kernel::netns::Netns;
use crate::kernel::{self, Errno};
use crate::log::Log;

/// How long a dying namespace may take to give its devices back: it waits for RCU and for others
/// that die, some ten milliseconds each.
const DYING: Duration = Duration::from_secs(10);

/// How often it is tried to move it home, where its container gives it altnames that the host has.
const ATTEMPTS: u32 = 4;

/// The way home of one netdev.
pub(super) struct Homecoming<'a> {
    pub(super) host: &'a Host,
    pub(super) log: &'a Log,
    pub(super) record: &'a Record,
    /// What it was on the host.
    pub(super) own: &'a HostLink,
    /// The VF as its PF has it, if that was in play.
    pub(super) by_pf: Option<ByPf<'a>>,
    /// The container's namespace, as DEL was told; the record's own path counts first.
    pub(super) netns: Option<&'a Path>,
}

impl Homecoming<'_> {
    /// Brings the netdev home under its name. A name that somebody took is a failure, but no
    /// reason to leave it away: it is home under another one then.
    ///
    /// # Errors
    /// Code 11 when it is nowhere to be found.
    pub(super) fn bring(
        &self,
        on_host: &mut Route,
        failures: &mut Failures,
    ) -> Result<Link, Error> {
        if let Some(link) = self.find(on_host)? {
            return self.rename(on_host, link, failures);
        }
        if let Some((mut there, link)) = self.search()? {
            // The move closes it, and igbvf takes over then what its PF has assigned: as its
            // address, and for good as its permanent one.
            if let Some(by_pf) = self.by_pf {
                by_pf.restore_assignment(on_host, self.log);
            }
            self.take(on_host, &mut there, &link, failures)?;
        }
        let link = match self.find(on_host)? {
            Some(link) => link,
            None => self.wait(on_host)?,
        };
        self.rename(on_host, link, failures)
    }

    /// Waits for it to come home by itself, from a namespace that dies.
    fn wait(&self, on_host: &mut Route) -> Result<Link, Error> {
        let mut monitor = Monitor::open(&[Topic::Links])?;
        let found = monitor.until(Instant::now() + DYING, || self.find(on_host))?;
        found.ok_or_else(|| {
            Error::new(
                Code::TryAgainLater,
                format!("find the interface of VF {}: no namespace has it", self.record.vf),
            )
        })
    }

    /// The netdev, if it is on the host. Sysfs shows the netdevs of one namespace alone.
    fn find(&self, on_host: &mut Route) -> Result<Option<Link>, kernel::Error> {
        let vf = self.record.vf;
        let sysfs = &self.host.sysfs;
        let names = sysfs.netdev_names(vf)?;
        match names.first().map(|name| name.parse::<IfName>()) {
            Some(Ok(name)) => on_host.link_by_name_or_pci(sysfs, &name, vf),
            Some(Err(_)) => on_host.link_by_pci(sysfs, vf),
            None => Ok(None),
        }
    }

    /// The namespace that has it, with a socket there. The container may have renamed it, and
    /// moved it on to a namespace of its own.
    fn search(&self) -> Result<Option<(Route, Link)>, Error> {
        let container = [Some(self.record.netns.as_path()), self.netns]
            .into_iter()
            .flatten()
            .find_map(|path| Route::open_at(path, self.record.netns_cookie));
        if let Some(mut there) = container {
            let Record { key, vf, .. } = self.record;
            let sysfs = &self.host.sysfs;
            if let Some(link) = there.link_by_name_or_pci(sysfs, &key.ifname, *vf)? {
                return Ok(Some((there, link)));
            }
        }
        // What cannot be looked at does not keep the rest from being; then there is still the way
        // home by itself.
        let found = Netns::visit(|netns, _| {
            let there = Route::open_in(&netns).and_then(|mut there| {
                Ok(there.link_by_pci(&self.host.sysfs, self.record.vf)?.map(|link| (there, link)))
            });
            Ok(match there {
                Ok(Some(found)) => ControlFlow::Break(found),
                Ok(None) | Err(_) => ControlFlow::Continue(()),
            })
        });
        Ok(found.unwrap_or_default())
    }

    /// Moves it home in one request, under its name if that is free.
    fn take(
        &self,
        on_host: &mut Route,
        there: &mut Route,
        link: &Link,
        failures: &mut Failures,
    ) -> Result<(), Error> {
        let name = match self.free_name(on_host)? {
            Some(name) => name,
            None => self.spare_name()?,
        };
        if link.altnames.iter().any(|altname| altname == name.as_str()) {
            let removed = there.remove_altname(link.index, name.as_str());
            self.log.change(format_args!("remove altname {name}"), removed)?;
        }
        self.set_flags(there, link);
        let home = Netns::current()?;
        for _ in 0..ATTEMPTS {
            self.log.debug(&format_args!("move {} home as {name}", link.name));
            match there.move_and_rename(link.index, &home, &name) {
                Ok(Moved::Renamed) => return Ok(()),
                Ok(Moved::NotRenamed(error)) => {
                    failures.add(error);
                    return Ok(());
                }
                Err(error) if error.is(Errno::EEXIST) => self.strip(there, link.index)?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::new(
            Code::TryAgainLater,
            format!(
                "move {} home as {name}: it gets altnames of the host again and again",
                link.name
            ),
        ))
    }

    /// Gives it back its flags ahead of the move: by them the kernel chooses the sysctls that the
    /// host will see.
    fn set_flags(&self, there: &mut Route, link: &Link) {
        let own = self.own.settings.as_ref();
        let Some(change) = own.and_then(|own| link.settings.change_of_flags(own)) else { return };
        let set = there.set_setting(link.index, &change);
        let what = format_args!("set {}: {change}", link.name);
        if let Err(refused) = self.log.change(what, set) {
            // At home it is tried again.
            self.log.debug(&refused);
        }
    }

    /// Takes away all altnames, of which one is a name on the host: the container's doing, or the
    /// host has given one of the VF's own to something else meanwhile. Those that were the VF's it
    /// gets back at home.
    fn strip(&self, there: &mut Route, index: u32) -> Result<(), Error> {
        // Somebody may have moved it on.
        let Some(link) = there.link_by_index(index)? else { return Ok(()) };
        let removed = there.remove_altnames(index, &link.altnames);
        let what = format_args!("remove {}: {} altnames", link.name, link.altnames.len());
        self.log.change(what, removed)?;
        Ok(())
    }

    /// Gives it its name back, where it has another one.
    fn rename(
        &self,
        on_host: &mut Route,
        link: Link,
        failures: &mut Failures,
    ) -> Result<Link, Error> {
        if link.name == self.own.name {
            return Ok(link);
        }
        if link.altnames.contains(&self.own.name) {
            let removed = on_host.remove_altname(link.index, &self.own.name);
            self.log.change(format_args!("remove altname {}", self.own.name), removed)?;
        }
        match self.free_name(on_host)? {
            Some(name) => {
                let renamed = on_host.rename(link.index, &name);
                let what = format_args!("rename {} to {name}", link.name);
                failures.note(self.log.change(what, renamed));
            }
            None => {
                failures.add(
                    Error::new(
                        Code::TryAgainLater,
                        format!(
                            "rename {} to {}, as VF {} was called: another interface has that name",
                            link.name, self.own.name, self.record.vf
                        ),
                    )
                    .details("rename that one, and DEL puts the VF right when it is called again"),
                );
            }
        }
        Ok(on_host.link_by_index(link.index)?.unwrap_or(link))
    }

    /// Its name on the host, unless something else has it.
    fn free_name(&self, on_host: &mut Route) -> Result<Option<IfName>, Error> {
        let Ok(name) = self.own.name.parse::<IfName>() else { return Ok(None) };
        Ok(on_host.link_by_name(&name)?.is_none().then_some(name))
    }

    /// A name that nothing else has: indices are given out once.
    fn spare_name(&self) -> Result<IfName, Error> {
        format!("vf{}", self.own.index)
            .parse()
            .map_err(|cause| Error::new(Code::Internal, format!("name a VF: {cause}")))
    }
}
