//! What a datagram of the kernel holds: messages, acknowledgements, errors with their text.

use netlink_packet_core::{NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR};
use netlink_packet_core::{NetlinkBuffer, NlasIterator, parse_i32, parse_string, parse_u32};

use crate::kernel::{Cause, Errno};

/// Octets of a netlink header.
const HEADER: usize = 16;
/// NLMSGERR_ATTR_MSG: the kernel's own words (include/uapi/linux/netlink.h).
const NLMSGERR_ATTR_MSG: u16 = 1;

/// One message of the kernel.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    /// The sequence number of the request that it answers.
    pub(super) sequence: u32,
    /// The dump changed while it was told (NLM_F_DUMP_INTR): what was told may be inconsistent.
    pub(super) interrupted: bool,
    pub(super) body: Body<'a>,
}

/// What a message says.
#[derive(Debug)]
pub(super) enum Body<'a> {
    /// The payload of an object.
    Object(&'a [u8]),
    /// The request is done, or a dump is complete; or it failed.
    End(Result<(), Cause>),
}

/// The messages of one datagram, in order; malformed ones end it.
pub(super) fn frames(datagram: &[u8]) -> impl Iterator<Item = Result<Frame<'_>, Cause>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (frame, after) = match first(rest) {
            Ok((frame, after)) => (Ok(frame), after),
            Err(cause) => (Err(cause), &[][..]),
        };
        rest = after;
        Some(frame)
    })
}

fn first(datagram: &[u8]) -> Result<(Frame<'_>, &[u8]), Cause> {
    let buffer = NetlinkBuffer::new_checked(datagram).map_err(malformed)?;
    let length = buffer.length() as usize;
    let payload = buffer.payload();
    let flags = buffer.flags();
    let body = match buffer.message_type() {
        NLMSG_ERROR => Body::End(outcome(payload, error_text(payload, flags))?),
        // A dump that failed in its middle ends with an error number in NLMSG_DONE.
        NLMSG_DONE => Body::End(match payload.get(..4) {
            None => Ok(()),
            Some(_) => outcome(payload, done_text(payload, flags))?,
        }),
        _ => Body::Object(payload),
    };
    let frame = Frame {
        sequence: buffer.sequence_number(),
        interrupted: flags & NLM_F_DUMP_INTR != 0,
        body,
    };
    let after = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    Ok((frame, after))
}

/// The number at the front of an error or of a dump's end: 0, or a negative errno.
fn outcome(payload: &[u8], detail: String) -> Result<Result<(), Cause>, Cause> {
    let number = parse_i32(payload.get(..4).unwrap_or_default()).map_err(malformed)?;
    Ok(match number.checked_neg() {
        // A dump's end may carry a count that is not an error.
        Some(..=0) | None => Ok(()),
        Some(errno) => Err(Cause::Errno { errno: Errno::from_raw(errno), detail }),
    })
}

/// The text of an NLMSG_ERROR: error number, the request's header, the request's payload unless
/// capped, attributes.
fn error_text(payload: &[u8], flags: u16) -> String {
    if flags & NLM_F_ACK_TLVS == 0 {
        return String::new();
    }
    let request = payload.get(4..).unwrap_or_default();
    let echoed = if flags & NLM_F_CAPPED != 0 {
        HEADER
    } else {
        parse_u32(request.get(..4).unwrap_or_default()).unwrap_or(0) as usize
    };
    text(request.get(echoed.next_multiple_of(4)..).unwrap_or_default())
}

/// The text of an NLMSG_DONE: error number, attributes.
fn done_text(payload: &[u8], flags: u16) -> String {
    if flags & NLM_F_ACK_TLVS == 0 {
        return String::new();
    }
    text(payload.get(4..).unwrap_or_default())
}

fn text(attributes: &[u8]) -> String {
    NlasIterator::new(attributes)
        .map_while(Result::ok)
        .find(|attribute| attribute.kind() == NLMSGERR_ATTR_MSG)
        .and_then(|attribute| parse_string(attribute.value()).ok())
        .unwrap_or_default()
}

/// A cause from what netlink-packet-core could not read.
pub(in crate::kernel) fn malformed(error: impl std::fmt::Display) -> Cause {
    Cause::Malformed(error.to_string())
}

#[cfg(test)]
mod tests;
