//! BPF programs at a netdev that no link message tells of (tcx, Linux 6.6).

use super::{Errno, Error};

// include/uapi/linux/bpf.h
const BPF_PROG_QUERY: libc::c_long = 16;
const BPF_TCX: [u32; 2] = [46, 47];

/// The head of `union bpf_attr` for BPF_PROG_QUERY; what follows is zero.
#[repr(C)]
#[derive(Default)]
struct Query {
    target: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    program_ids: u64,
    count: u32,
    padding: u32,
    more: [u64; 4],
}

/// How many tcx programs run at the link of this index in the calling thread's namespace, on both
/// ways. A kernel without tcx has none.
///
/// # Errors
/// The kernel's refusal: the link is gone, or this process may not ask.
pub fn tcx_programs(index: u32) -> Result<u32, Error> {
    let mut programs = 0;
    for attach_type in BPF_TCX {
        programs += query(index, attach_type).map_err(|errno| {
            Error::new("ask for", format_args!("tcx programs of link {index}"), errno)
        })?;
    }
    Ok(programs)
}

fn query(index: u32, attach_type: u32) -> Result<u32, Errno> {
    let mut query = Query { target: index, attach_type, ..Query::default() };
    #[expect(unsafe_code, reason = "neither std nor nix has bpf(2)")]
    // SAFETY: the kernel reads and writes at most the size that it is told, which is that of
    // `query`; without room for identifiers (`program_ids` is null) it only counts.
    let outcome =
        unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_QUERY, &raw mut query, size_of::<Query>()) };
    match Errno::result(outcome) {
        Ok(_) => Ok(query.count),
        // A kernel without the call, without tcx, or with no programs at this link.
        Err(Errno::ENOSYS | Errno::EINVAL | Errno::ENOENT | Errno::EOPNOTSUPP) => Ok(0),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_nobody_touched_has_none() {
        // Index 1 is the loopback of every namespace.
        assert_eq!(tcx_programs(1).unwrap(), 0);
    }
}
