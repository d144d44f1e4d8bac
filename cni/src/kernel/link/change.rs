//! The verbs that change one link.

use std::fmt::Display;
use std::os::fd::{AsFd, AsRawFd};

use conf::{IfName, Mac, Mtu};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage, Prop};

use crate::kernel::netlink::Route;
use crate::kernel::netns::Netns;
use crate::kernel::{Cause, Change, Errno, Error};

/// How many altnames one request names: of 128 octets each they are 32 KiB.
const MOST_ALTNAMES: usize = 240;

/// How far [`Route::move_and_rename`] came.
#[derive(Debug)]
#[must_use = "the link may have moved under its old name"]
pub enum Moved {
    /// It is in the other namespace and has the new name.
    Renamed,
    /// It is in the other namespace, under its old name: the new one is taken there (EEXIST), or
    /// was refused.
    NotRenamed(Error),
}

impl Route {
    /// Sets a link up.
    pub fn set_up(&mut self, index: u32) -> Result<(), Error> {
        self.set_flags(index, LinkFlags::Up, LinkFlags::Up, "up")
    }

    /// Sets the link with this name or altname up. For a caller that does not know its index, and
    /// need not ask for it.
    pub fn set_up_by_name(&mut self, name: &IfName) -> Result<(), Error> {
        let mut message = link_message(0, vec![LinkAttribute::IfName(name.to_string())]);
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        self.change(RouteNetlinkMessage::SetLink(message), 0)
            .map_err(|cause| Error::new("set", format_args!("{name}: up"), cause))
    }

    /// Sets a link down.
    pub fn set_down(&mut self, index: u32) -> Result<(), Error> {
        self.set_flags(index, LinkFlags::empty(), LinkFlags::Up, "down")
    }

    /// Takes back what an administrator of the link set: IFF_PROMISC and IFF_ALLMULTI.
    pub fn set_promiscuity_off(&mut self, index: u32) -> Result<(), Error> {
        let both = LinkFlags::Promisc | LinkFlags::Allmulti;
        self.set_flags(index, LinkFlags::empty(), both, "promisc off, allmulti off")
    }

    /// Sets a link's MTU.
    pub fn set_mtu(&mut self, index: u32, mtu: Mtu) -> Result<(), Error> {
        self.set(index, vec![LinkAttribute::Mtu(mtu.get())], format_args!("mtu {mtu}"))
    }

    /// Sets a link's MAC address.
    pub fn set_mac(&mut self, index: u32, mac: Mac) -> Result<(), Error> {
        let address = LinkAttribute::Address(mac.octets().to_vec());
        self.set(index, vec![address], format_args!("address {mac}"))
    }

    /// Renames a link, up or down. A name that another link has, or this one as an altname, is
    /// EEXIST.
    pub fn rename(&mut self, index: u32, name: &IfName) -> Result<(), Error> {
        let attributes = vec![LinkAttribute::IfName(name.to_string())];
        self.set(index, attributes, format_args!("name {name}"))
    }

    /// Moves a link to another namespace and renames it, in one request: no moment under a name
    /// that someone there may wait for, and nothing to clean up in between.
    ///
    /// The kernel moves first. When the new name is taken there it answers EEXIST with the link
    /// moved already, under its old name: that is [`Moved::NotRenamed`], and the caller decides
    /// whether to bring it back. An `Err` means that it has not moved. The link is down afterwards,
    /// and its index may be another: find it by name, or by PCI function, in its new namespace.
    pub fn move_and_rename(
        &mut self,
        index: u32,
        netns: &Netns,
        name: &IfName,
    ) -> Result<Moved, Error> {
        let message = link_message(
            index,
            vec![
                LinkAttribute::NetNsFd(netns.as_fd().as_raw_fd()),
                LinkAttribute::IfName(name.to_string()),
            ],
        );
        let Err(cause) = self.change(RouteNetlinkMessage::SetLink(message), 0) else {
            return Ok(Moved::Renamed);
        };
        match self.link_by_index(index)? {
            Some(link) => Err(Error::new("move", format_args!("{} as {name}", link.name), cause)),
            None => {
                let object = format_args!("link {index} as {name}");
                Ok(Moved::NotRenamed(Error::new("move", object, cause)))
            }
        }
    }

    /// Gives a link another name besides its own, of at most 127 octets. A name that another link
    /// has is EEXIST.
    pub fn add_altname(&mut self, index: u32, altname: &str) -> Result<Change, Error> {
        let message = RouteNetlinkMessage::NewLinkProp(altname_message(index, altname));
        match self.change(message, 0) {
            Ok(()) => Ok(Change::Changed),
            Err(Cause::Errno { errno: Errno::EEXIST, .. }) if self.has(index, altname)? => {
                Ok(Change::Same)
            }
            Err(cause) => Err(self.failed(index, "add", format_args!("altname {altname}"), cause)),
        }
    }

    /// Takes an altname away.
    pub fn remove_altname(&mut self, index: u32, altname: &str) -> Result<Change, Error> {
        let message = RouteNetlinkMessage::DelLinkProp(altname_message(index, altname));
        match self.change(message, 0) {
            Ok(()) => Ok(Change::Changed),
            Err(Cause::Errno { errno: Errno::ENOENT, .. }) => Ok(Change::Same),
            Err(cause) => {
                Err(self.failed(index, "remove", format_args!("altname {altname}"), cause))
            }
        }
    }

    /// Takes many altnames away, in few requests. One that is not there any more ends the request
    /// that names it: look again.
    ///
    /// # Errors
    /// The kernel's refusal; ENOENT is none.
    pub fn remove_altnames(&mut self, index: u32, altnames: &[String]) -> Result<(), Error> {
        for some in altnames.chunks(MOST_ALTNAMES) {
            let properties = some.iter().cloned().map(Prop::AltIfName).collect();
            let message = link_message(index, vec![LinkAttribute::PropList(properties)]);
            match self.change(RouteNetlinkMessage::DelLinkProp(message), 0) {
                Ok(()) | Err(Cause::Errno { errno: Errno::ENOENT, .. }) => {}
                Err(cause) => {
                    let what = format_args!("{} altnames", some.len());
                    return Err(self.failed(index, "remove", what, cause));
                }
            }
        }
        Ok(())
    }

    fn has(&mut self, index: u32, altname: &str) -> Result<bool, Error> {
        let link = self.link_by_index(index)?;
        Ok(link.is_some_and(|link| link.altnames.iter().any(|own| own == altname)))
    }

    pub(super) fn set_flags(
        &mut self,
        index: u32,
        flags: LinkFlags,
        mask: LinkFlags,
        what: impl Display,
    ) -> Result<(), Error> {
        let mut message = link_message(index, Vec::new());
        message.header.flags = flags;
        message.header.change_mask = mask;
        self.set_link(message, what)
    }

    pub(super) fn set(
        &mut self,
        index: u32,
        attributes: Vec<LinkAttribute>,
        what: impl Display,
    ) -> Result<(), Error> {
        self.set_link(link_message(index, attributes), what)
    }

    /// One RTM_SETLINK; `what` tells of it in an error.
    fn set_link(&mut self, message: LinkMessage, what: impl Display) -> Result<(), Error> {
        let index = message.header.index;
        self.change(RouteNetlinkMessage::SetLink(message), 0)
            .map_err(|cause| self.failed(index, "set", what, cause))
    }

    /// `verb NAME: what: cause`.
    pub(in crate::kernel) fn failed(
        &mut self,
        index: u32,
        verb: &'static str,
        what: impl Display,
        cause: Cause,
    ) -> Error {
        Error::new(verb, format_args!("{}: {what}", self.name_of(index)), cause)
    }
}

/// A link message about one link.
pub(in crate::kernel) fn link_message(index: u32, attributes: Vec<LinkAttribute>) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes = attributes;
    message
}

fn altname_message(index: u32, altname: &str) -> LinkMessage {
    let properties = vec![Prop::AltIfName(altname.to_owned())];
    link_message(index, vec![LinkAttribute::PropList(properties)])
}
