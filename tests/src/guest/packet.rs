//! A packet socket, as lldpd and others open one on every interface.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

/// ETH_P_LLDP
const LLDP: u16 = 0x88cc;

/// Listens at the host's interface of this index.
#[track_caller]
pub(super) fn listen(index: u64) -> OwnedFd {
    let (kind, flags) = (SockType::Raw, SockFlag::SOCK_CLOEXEC);
    let opened = socket(AddressFamily::Packet, kind, flags, SockProtocol::EthAll);
    let opened = opened.expect("a packet socket");
    let address = libc::sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET).expect("a family"),
        sll_protocol: LLDP.to_be(),
        sll_ifindex: i32::try_from(index).expect("an index"),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let length = libc::socklen_t::try_from(size_of_val(&address)).expect("a length");
    #[expect(unsafe_code, reason = "nix makes no such address of an index")]
    // SAFETY: the kernel reads as many octets of the address as it has.
    let outcome = unsafe { libc::bind(opened.as_raw_fd(), (&raw const address).cast(), length) };
    Errno::result(outcome).expect("bind a packet socket");
    opened
}
