//! Looks at the file before it is mapped.
//!
//! LMDB reads its file through a memory map and believes what it finds. A file that is shorter
//! than its meta pages say ends the process with SIGBUS at the first touch, a page that is not
//! what its parent says ends it with a failed assertion. So length and meta pages are read and
//! compared first, with plain reads; and where somebody else wrote to the file, all of its pages
//! ([`super::walk`]).
//!
//! The check of the length is only exact because a store is as long as its map from the beginning
//! (a sparse file, which costs nothing on tmpfs): every other length is damage.
//!
//! Layout: `MDB_page`, `MDB_meta` and `MDB_db` of lmdb's mdb.c, data version 1, 64 bit, native
//! byte order.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

#[cfg(not(target_pointer_width = "64"))]
compile_error!("the layout of a 32-bit LMDB file is different");

const MAGIC: u32 = 0xBEEF_C0DE;
const DATA_VERSION: u32 = 1;
/// Page flag `P_META`.
const META: u16 = 0x08;
/// Tree flags: `MDB_REVERSEKEY` to `MDB_REVERSEDUP`; of them, ours have `MDB_INTEGERKEY` on the
/// tree of free pages. Its other flags are those of the environment.
const TREE_FLAGS: u16 = 0x7e;
const INTEGER_KEYS: u16 = 0x08;
/// Bytes of a page header and the meta that follows it.
const META_LENGTH: usize = 152;
/// A tree without pages (`P_INVALID`).
const NO_ROOT: u64 = u64::MAX;

/// Why a file is not a sound store.
#[derive(Debug)]
pub(super) enum Unsound {
    /// It could not be read.
    Unreadable(io::Error),
    /// It was read, and is broken.
    Damaged(String),
}

impl From<io::Error> for Unsound {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

/// That the file is broken in the way `what` tells.
pub(super) fn damaged(what: impl Into<String>) -> Unsound {
    Unsound::Damaged(what.into())
}

/// What the newest meta page says.
#[derive(Debug)]
pub(super) struct Shape {
    /// Bytes of the file, and of its map.
    pub(super) length: u64,
    pub(super) page_size: u32,
    pub(super) last_page: u64,
    /// The tree of free pages, by the transaction that freed them.
    pub(super) free: Tree,
    /// The tree of records.
    pub(super) main: Tree,
    transaction: u64,
}

/// One tree (`MDB_db`).
#[derive(Debug)]
pub(super) struct Tree {
    flags: u16,
    /// Levels, 0 for an empty tree.
    pub(super) depth: u16,
    /// Branch, leaf and overflow pages.
    pub(super) pages: u64,
    pub(super) entries: u64,
    /// `None` for an empty tree.
    pub(super) root: Option<u64>,
}

impl Shape {
    /// Reads both meta pages and compares them with the file's length.
    pub(super) fn read(file: &File, length: u64) -> Result<Self, Unsound> {
        let first = Self::read_meta(file, 0, length)?;
        let second = Self::read_meta(file, u64::from(first.page_size), length)?;
        if first.page_size != second.page_size {
            return Err(damaged("its two meta pages disagree about the page size"));
        }
        Ok(if second.transaction > first.transaction { second } else { first })
    }

    fn read_meta(file: &File, at: u64, length: u64) -> Result<Self, Unsound> {
        if at.saturating_add(META_LENGTH as u64) > length {
            return Err(damaged(format!("it ends after {length} bytes, within a meta page")));
        }
        let mut bytes = [0; META_LENGTH];
        file.read_exact_at(&mut bytes, at)?;
        let fields = Fields(&bytes);
        if fields.u16(10) & META == 0 || fields.u32(16) != MAGIC || fields.u32(20) != DATA_VERSION {
            return Err(damaged(format!("no meta page at byte {at}")));
        }
        let map_size = fields.u64(32);
        let shape = Self {
            length,
            page_size: fields.u32(40),
            last_page: fields.u64(136),
            free: Tree::read(&fields, 40),
            main: Tree::read(&fields, 88),
            transaction: fields.u64(144),
        };
        let page_size = u64::from(shape.page_size);
        if !page_size.is_power_of_two() || !(512..=65536).contains(&page_size) {
            return Err(damaged(format!("it claims a page size of {page_size}")));
        }
        let flags = (shape.free.flags & TREE_FLAGS, shape.main.flags);
        if flags != (INTEGER_KEYS, 0) {
            return Err(damaged("its trees are of another kind"));
        }
        if map_size != length {
            return Err(damaged(format!("it has {length} bytes instead of {map_size}")));
        }
        if shape.last_page < 1 || shape.last_page >= length / page_size {
            return Err(damaged(format!("page {} lies past its end", shape.last_page)));
        }
        Ok(shape)
    }
}

impl Tree {
    fn read(fields: &Fields<'_>, at: usize) -> Self {
        let pages = [8, 16, 24].map(|offset| fields.u64(at + offset));
        Self {
            flags: fields.u16(at + 4),
            depth: fields.u16(at + 6),
            pages: pages.into_iter().fold(0, u64::saturating_add),
            entries: fields.u64(at + 32),
            root: Some(fields.u64(at + 40)).filter(|root| *root != NO_ROOT),
        }
    }
}

/// Numbers at offsets of a page; zero past its end.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    fn bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
    }

    pub(super) fn u16(&self, at: usize) -> u16 {
        u16::from_ne_bytes(self.bytes(at))
    }

    pub(super) fn u32(&self, at: usize) -> u32 {
        u32::from_ne_bytes(self.bytes(at))
    }

    pub(super) fn u64(&self, at: usize) -> u64 {
        u64::from_ne_bytes(self.bytes(at))
    }
}
