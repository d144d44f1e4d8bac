//! What ethtool tells of a netdev, by ioctl: one call for each, none of which waits for a reply.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Errno, print};

// include/uapi/linux/sockios.h, ethtool.h
const SIOCETHTOOL: u16 = 0x8946;
const GFEATURES: u32 = 0x3a;
const SFEATURES: u32 = 0x3b;
const GCOALESCE: u32 = 0x0e;
const SCOALESCE: u32 = 0x0f;
const GRSSH: u32 = 0x46;
const GRXCLSRLCNT: u32 = 0x2e;

/// What is asked for with a command and is answered with words of a fixed number.
const PLAIN: [(&str, u32); 7] = [
    ("wol", 0x05),
    ("msglvl", 0x07),
    ("rings", 0x10),
    ("pause", 0x12),
    ("priv-flags", 0x27),
    ("channels", 0x3c),
    ("rules", GRXCLSRLCNT),
];

/// What is set with the structure that it is asked for with: the command that asks, and the one that sets.
const SETTABLE: [(&str, u32, u32); 7] = [
    ("wol", 0x05, 0x06),
    ("msglvl", 0x07, 0x08),
    ("channels", 0x3c, 0x3d),
    ("rings", 0x10, 0x11),
    ("coalesce", GCOALESCE, SCOALESCE),
    ("pause", 0x12, 0x13),
    ("priv-flags", 0x27, 0x28),
];

/// 32-bit words: more than any structure of a fixed size takes.
const WORDS: usize = 128;

/// Room for so many features, in blocks of 32: the kernel says how many it has.
const FEATURE_BLOCKS: u32 = 16;

/// Words for a table of receive queues and a key.
const TABLE: usize = 16 * 1024;

/// A print of each thing that the driver of `name`, a netdev of the socket's namespace, tells.
/// What it does not tell is left out.
pub(super) fn prints(socket: BorrowedFd<'_>, name: &str) -> Vec<(&'static str, u32)> {
    let mut prints = Vec::new();
    let mut add = |what: &'static str, words: Result<Vec<u32>, Errno>| match words {
        Ok(words) => prints.push((what, print_of(&words))),
        Err(Errno::EOPNOTSUPP) => {}
        // Refusing is what it says: another answer is a difference.
        Err(errno) => prints.push((what, print_of(&[errno as u32]))),
    };
    add("features", features(socket, name));
    add("coalesce", coalesce(socket, name));
    add("rss", rss(socket, name));
    for (what, command) in PLAIN {
        let mut words = [0; WORDS];
        words[0] = command;
        add(what, ask(socket, name, &mut words).map(|()| words.to_vec()));
    }
    prints
}

/// What sets each thing that can be set of `name` to what it is now.
pub(super) fn settings(socket: BorrowedFd<'_>, name: &str) -> Vec<(&'static str, Vec<u32>)> {
    let mut settings = Vec::new();
    for (what, get, set) in SETTABLE {
        let mut words = [0; WORDS];
        words[0] = get;
        if ask(socket, name, &mut words).is_ok() {
            words[0] = set;
            let end = words.iter().rposition(|word| *word != 0).map_or(0, |last| last + 1);
            settings.push((what, words[..end].to_vec()));
        }
    }
    settings.extend(all_features(socket, name).map(|words| ("features", words)));
    settings
}

/// `struct ethtool_sfeatures` of a `struct ethtool_gfeatures`: for each block which features are meant
/// and what they are to be, of which available, requested, active and never changed ones are told.
fn all_features(socket: BorrowedFd<'_>, name: &str) -> Option<Vec<u32>> {
    let mut told = [0; WORDS];
    (told[0], told[1]) = (GFEATURES, FEATURE_BLOCKS);
    ask(socket, name, &mut told).ok()?;
    let blocks = usize::try_from(told[1].min(FEATURE_BLOCKS)).ok()?;
    let mut words = vec![SFEATURES, told[1]];
    for block in told[2..].chunks_exact(4).take(blocks) {
        words.extend([block[0] & !block[3], block[1] & block[0] & !block[3]]);
    }
    Some(words)
}

/// Sets what `words` of [`settings`] say.
pub(super) fn set(socket: BorrowedFd<'_>, name: &str, words: &[u32]) -> Result<(), Errno> {
    let mut all = [0; WORDS];
    for (to, from) in all.iter_mut().zip(words) {
        *to = *from;
    }
    ask(socket, name, &mut all)
}

fn print_of(words: &[u32]) -> u32 {
    let octets: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    print::of([octets.as_slice()])
}

/// The features that were asked for; which of them are active follows from them.
fn features(socket: BorrowedFd<'_>, name: &str) -> Result<Vec<u32>, Errno> {
    let mut words = [0; WORDS];
    (words[0], words[1]) = (GFEATURES, FEATURE_BLOCKS);
    ask(socket, name, &mut words)?;
    // struct ethtool_get_features_block: available, requested, active, never_changed.
    Ok(words.iter().skip(3).step_by(4).take(FEATURE_BLOCKS as usize).copied().collect())
}

/// Without what a driver chooses for itself as it goes.
fn coalesce(socket: BorrowedFd<'_>, name: &str) -> Result<Vec<u32>, Errno> {
    let mut words = [0; WORDS];
    words[0] = GCOALESCE;
    ask(socket, name, &mut words)?;
    // struct ethtool_coalesce: 1 to 4 for receiving, 5 to 8 for sending, adaptive in 10 and 11.
    for (adaptive, chosen) in [(words[10], 1..5), (words[11], 5..9)] {
        if adaptive != 0 {
            words[chosen].fill(0);
        }
    }
    Ok(words.to_vec())
}

fn rss(socket: BorrowedFd<'_>, name: &str) -> Result<Vec<u32>, Errno> {
    let mut sizes = [0; WORDS];
    sizes[0] = GRSSH;
    ask(socket, name, &mut sizes)?;
    // struct ethtool_rxfh: entries of the table in 2, octets of the key in 3.
    let (entries, key) = (sizes[2], sizes[3]);
    if entries as usize + key as usize / 4 + WORDS > TABLE {
        return Err(Errno::E2BIG);
    }
    let mut words = vec![0; TABLE];
    (words[0], words[2], words[3]) = (GRSSH, entries, key);
    ask(socket, name, &mut words)?;
    Ok(words)
}

/// One request: the first of `words` is the command.
fn ask(socket: BorrowedFd<'_>, name: &str, words: &mut [u32]) -> Result<(), Errno> {
    debug_assert!(words.len() >= WORDS, "no structure is longer");
    #[expect(unsafe_code, reason = "libc's structure has no constructor")]
    // SAFETY: struct ifreq is plain data, of which all zeroes are a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let room = request.ifr_name.len() - 1;
    if name.len() > room {
        return Err(Errno::ENODEV);
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_data = words.as_mut_ptr().cast();
    #[expect(unsafe_code, reason = "an ioctl that nix does not have")]
    // SAFETY: the kernel reads and writes the structure of the command, which is shorter than
    // `words`: of a fixed size below WORDS, or with as many entries as the caller has said and
    // made room for.
    let outcome = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL.into(), &raw mut request) };
    Errno::result(outcome).map(drop)
}
