//! BPF programs that do nothing, put where a pod with CAP_BPF can put them.

use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, setns};

use super::pod::Pod;
use super::program::run;

// include/uapi/linux/bpf.h
const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_OBJ_PIN: libc::c_long = 6;
const BPF_PROG_ATTACH: libc::c_long = 8;
const BPF_PROG_QUERY: libc::c_long = 16;
const BPF_LINK_CREATE: libc::c_long = 28;
const BPF_PROG_TYPE_SCHED_CLS: u32 = 3;
const BPF_PROG_TYPE_XDP: u32 = 6;
const BPF_XDP: u32 = 37;
const XDP_FLAGS_SKB_MODE: u32 = 1 << 1;

/// A bpf file system, and what is pinned there. Dropped: gone.
pub(super) struct Pins;

impl Pins {
    /// Where it is.
    const AT: &str = "/tmp/bpf";

    #[track_caller]
    pub(super) fn new() -> Self {
        std::fs::create_dir_all(Self::AT).expect("make a directory");
        run(&format!("mount -t bpf bpf {}", Self::AT)).ok();
        Self
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        run(&format!("umount {}", Self::AT));
        std::fs::remove_dir(Self::AT).ok();
    }
}

/// Which way of tcx.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// What is received.
    Ingress,
    /// What is sent.
    Egress,
}

impl Way {
    fn attach_type(self) -> u32 {
        match self {
            Self::Ingress => 46,
            Self::Egress => 47,
        }
    }
}

/// A program for generic XDP that lets all pass.
#[track_caller]
pub(super) fn xdp() -> OwnedFd {
    // XDP_PASS
    load(BPF_PROG_TYPE_XDP, 2)
}

/// A program for tcx that lets all pass.
#[track_caller]
pub(super) fn tcx() -> OwnedFd {
    // TCX_PASS
    load(BPF_PROG_TYPE_SCHED_CLS, 0)
}

/// `r0 = code; exit`
#[track_caller]
fn load(kind: u32, code: u32) -> OwnedFd {
    let instructions: [u64; 2] = [0xb7 | u64::from(code) << 32, 0x95];
    let licence = CString::new("GPL").expect("a text");
    let mut attribute = [0_u64; 16];
    attribute[0] = u64::from(kind) | 2 << 32;
    attribute[1] = instructions.as_ptr() as u64;
    attribute[2] = licence.as_ptr() as u64;
    new_descriptor(bpf(BPF_PROG_LOAD, &mut attribute).expect("load a program"))
}

/// Keeps a program or a link under this path of a bpf file system.
#[track_caller]
pub(super) fn pin(what: &OwnedFd, path: &str) {
    let text = CString::new(path).expect("a path");
    let mut attribute = [0_u64; 16];
    attribute[0] = text.as_ptr() as u64;
    attribute[1] = descriptor(what).into();
    bpf(BPF_OBJ_PIN, &mut attribute).unwrap_or_else(|errno| panic!("pin {path}: {errno}"));
}

/// Attaches an XDP program to an interface of a pod by a link, which keeps it there as long as it is open.
#[track_caller]
pub(super) fn link_xdp(program: &OwnedFd, pod: &Pod, interface: &str) -> OwnedFd {
    link(program, pod, interface, BPF_XDP, XDP_FLAGS_SKB_MODE)
}

/// The same for tcx.
#[track_caller]
pub(super) fn link_tcx(program: &OwnedFd, pod: &Pod, interface: &str, way: Way) -> OwnedFd {
    link(program, pod, interface, way.attach_type(), 0)
}

/// The same for an interface of the host.
#[track_caller]
pub(super) fn link_tcx_of_host(program: &OwnedFd, index: u64, way: Way) -> OwnedFd {
    let mut attribute = link_attribute(program, index, way.attach_type(), 0);
    new_descriptor(bpf(BPF_LINK_CREATE, &mut attribute).expect("make a link"))
}

#[track_caller]
fn link(program: &OwnedFd, pod: &Pod, interface: &str, kind: u32, flags: u32) -> OwnedFd {
    let mut attribute = link_attribute(program, index_in(pod, interface).into(), kind, flags);
    let made = inside(pod, move || bpf(BPF_LINK_CREATE, &mut attribute));
    new_descriptor(made.expect("make a link"))
}

fn link_attribute(program: &OwnedFd, index: u64, kind: u32, flags: u32) -> [u64; 16] {
    let mut attribute = [0_u64; 16];
    attribute[0] = u64::from(descriptor(program)) | index << 32;
    attribute[1] = u64::from(kind) | u64::from(flags) << 32;
    attribute
}

/// Attaches a tcx program to an interface of a pod, where it stays with nobody to hold it.
#[track_caller]
pub(super) fn attach_tcx(program: &OwnedFd, pod: &Pod, interface: &str, way: Way) {
    let index = index_in(pod, interface);
    let mut attribute = [0_u64; 16];
    attribute[0] = u64::from(index) | u64::from(descriptor(program)) << 32;
    attribute[1] = way.attach_type().into();
    inside(pod, move || bpf(BPF_PROG_ATTACH, &mut attribute)).expect("attach a program");
}

/// How many tcx programs an interface of the host has.
#[track_caller]
pub(super) fn tcx_programs(index: u64) -> u64 {
    [Way::Ingress, Way::Egress]
        .iter()
        .map(|way| {
            let mut attribute = [0_u64; 16];
            attribute[0] = index | u64::from(way.attach_type()) << 32;
            // No programs at all is an error of its own.
            match bpf(BPF_PROG_QUERY, &mut attribute) {
                Ok(_) => attribute[3] & u64::from(u32::MAX),
                Err(Errno::ENOENT) => 0,
                Err(errno) => panic!("ask for tcx programs: {errno}"),
            }
        })
        .sum()
}

fn descriptor(file: &OwnedFd) -> u32 {
    u32::try_from(file.as_raw_fd()).expect("a descriptor")
}

#[track_caller]
fn index_in(pod: &Pod, interface: &str) -> u32 {
    let index = pod.link(interface)["ifindex"].as_u64().expect("an index");
    u32::try_from(index).expect("an index")
}

/// Does something on a thread of its own in a pod's namespace.
#[track_caller]
pub(super) fn inside<T: Send>(pod: &Pod, work: impl FnOnce() -> T + Send) -> T {
    let namespace = std::fs::File::open(pod.path()).expect("open a namespace");
    std::thread::scope(|scope| {
        let work = move || {
            setns(namespace, CloneFlags::CLONE_NEWNET).expect("enter a namespace");
            work()
        };
        scope.spawn(work).join().expect("work in a namespace")
    })
}

fn bpf(command: libc::c_long, attribute: &mut [u64; 16]) -> Result<libc::c_long, Errno> {
    #[expect(unsafe_code, reason = "no crate of the tests has bpf(2)")]
    // SAFETY: the kernel reads and writes at most as much as it is told, the whole array; what that
    // points to is alive as long as the caller's variables, and only read.
    let outcome = unsafe {
        libc::syscall(libc::SYS_bpf, command, attribute.as_mut_ptr(), size_of_val(attribute))
    };
    Errno::result(outcome)
}

fn new_descriptor(number: libc::c_long) -> OwnedFd {
    let number = i32::try_from(number).expect("a descriptor");
    #[expect(unsafe_code, reason = "the descriptor comes from bpf(2)")]
    // SAFETY: it was opened just now, and nobody else knows of it.
    unsafe {
        OwnedFd::from_raw_fd(number)
    }
}
