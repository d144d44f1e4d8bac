//! What ethtool tells of a netdev, by ioctl: one call for each, none of which waits for a reply.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Errno, print};

// include/uapi/linux/sockios.h, ethtool.h
const SIOCETHTOOL: u16 = 0x8946;
const GFEATURES: u32 = 0x3a;
const SFEATURES: u32 = 0x3b;
const GRSSH: u32 = 0x46;

/// What is asked for with a command and is answered with words of a fixed number; and the command that sets it,
/// with the same structure.
const PLAIN: [(&str, u32, Option<u32>); 8] = [
    ("coalesce", 0x0e, Some(0x0f)),
    ("wol", 0x05, Some(0x06)),
    ("msglvl", 0x07, Some(0x08)),
    ("rings", 0x10, Some(0x11)),
    ("pause", 0x12, Some(0x13)),
    ("priv-flags", 0x27, Some(0x28)),
    ("channels", 0x3c, Some(0x3d)),
    ("rules", 0x2e, None),
];

/// 32-bit words: more than any structure of a fixed size takes.
const WORDS: usize = 128;

/// Room for so many features, in blocks of 32: the kernel says how many it has.
const FEATURE_BLOCKS: u32 = 16;

/// Words for a table of receive queues and a key.
const TABLE: usize = 16 * 1024;

/// What the driver of a netdev tells, from one look: each thing by its name, in the words of the answer.
pub(super) struct Told(Vec<(&'static str, Result<Vec<u32>, Errno>)>);

impl Told {
    /// That of `name`, a netdev of the socket's namespace.
    pub(super) fn by(socket: BorrowedFd<'_>, name: &str) -> Self {
        let answer = |request: &[u32]| {
            let mut words = vec![0; WORDS];
            words[..request.len()].copy_from_slice(request);
            ask(socket, name, &mut words).map(|()| words)
        };
        let mut told =
            vec![("features", answer(&[GFEATURES, FEATURE_BLOCKS])), ("rss", rss(socket, name))];
        told.extend(PLAIN.map(|(what, get, _)| (what, answer(&[get]))));
        Self(told)
    }

    /// A print of each thing. What the driver does not tell is left out.
    pub(super) fn prints(&self) -> impl Iterator<Item = (&'static str, u32)> {
        self.0.iter().filter_map(|(what, words)| {
            let print = match (*what, words) {
                ("features", Ok(words)) => print_of(&requested(words)),
                ("coalesce", Ok(words)) => print_of(&not_adaptive(words)),
                (_, Ok(words)) => print_of(words),
                (_, Err(Errno::EOPNOTSUPP)) => return None,
                // Refusing is what it says: another answer is a difference.
                (_, Err(errno)) => print_of(&[*errno as u32]),
            };
            Some((*what, print))
        })
    }

    /// What sets each thing that can be set to what it is, in the words of the request.
    pub(super) fn settings(&self) -> impl Iterator<Item = (&'static str, Vec<u32>)> {
        self.0.iter().filter_map(|(what, words)| {
            let words = words.as_ref().ok()?;
            if *what == "features" {
                return Some((*what, all_features(words)));
            }
            let (_, _, set) = PLAIN.iter().find(|(plain, ..)| plain == what)?;
            let mut words = words.clone();
            words[0] = (*set)?;
            words.truncate(words.iter().rposition(|word| *word != 0).map_or(0, |last| last + 1));
            Some((*what, words))
        })
    }
}

/// `struct ethtool_sfeatures` of a `struct ethtool_gfeatures`: for each block which features are meant
/// and what they are to be, of which available, requested, active and never changed ones are told.
fn all_features(told: &[u32]) -> Vec<u32> {
    let mut words = vec![SFEATURES, told[1]];
    for block in told[2..].chunks_exact(4).take(told[1].min(FEATURE_BLOCKS) as usize) {
        words.extend([block[0] & !block[3], block[1] & block[0] & !block[3]]);
    }
    words
}

/// Sets what `words` of [`Told::settings`] say.
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
fn requested(words: &[u32]) -> Vec<u32> {
    // struct ethtool_get_features_block: available, requested, active, never_changed.
    words.iter().skip(3).step_by(4).take(FEATURE_BLOCKS as usize).copied().collect()
}

/// Without what a driver chooses for itself as it goes.
fn not_adaptive(words: &[u32]) -> Vec<u32> {
    let mut words = words.to_vec();
    // struct ethtool_coalesce: 1 to 4 for receiving, 5 to 8 for sending, adaptive in 10 and 11.
    for (adaptive, chosen) in [(words[10], 1..5), (words[11], 5..9)] {
        if adaptive != 0 {
            words[chosen].fill(0);
        }
    }
    words
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
