//! Looks at the file before it is mapped.
//!
//! LMDB reads its file through a memory map and believes its two meta pages. A file that is
//! shorter than they say ends the process with SIGBUS at the first touch, zeroed pages end it
//! with a failed assertion. So length, meta pages and the roots they name are read and compared
//! first, with plain reads. This is only exact because a store is as long as its map from the
//! beginning (a sparse file, which costs nothing on tmpfs): every other length is damage.
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
/// Page flags: `P_BRANCH`, `P_LEAF`, `P_META`.
const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
const META: u16 = 0x08;
/// Bytes of a page header and the meta that follows it.
const META_LENGTH: usize = 152;
/// A tree without pages.
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

/// The length of a sound store, which is also that of its map.
pub(super) fn inspect(file: &File) -> Result<usize, Unsound> {
    let length = file.metadata()?.len();
    let first = Meta::read(file, 0, length)?;
    let second = Meta::read(file, u64::from(first.page_size), length)?;
    for meta in [&first, &second] {
        meta.check(length)?;
        if meta.page_size != first.page_size {
            return Err(damaged("its two meta pages disagree about the page size"));
        }
    }
    let newest = if second.transaction > first.transaction { &second } else { &first };
    for root in newest.roots {
        newest.check_root(file, root)?;
    }
    Ok(usize::try_from(length).map_err(io::Error::other)?)
}

/// The part of a meta page that decides what is touched.
struct Meta {
    page_size: u32,
    map_size: u64,
    /// Of the tree of free pages and of the main tree.
    roots: [u64; 2],
    last_page: u64,
    transaction: u64,
}

impl Meta {
    fn read(file: &File, at: u64, length: u64) -> Result<Self, Unsound> {
        if at.saturating_add(META_LENGTH as u64) > length {
            return Err(damaged(format!("it ends after {length} bytes, within a meta page")));
        }
        let mut bytes = [0; META_LENGTH];
        file.read_exact_at(&mut bytes, at)?;
        let fields = Fields(&bytes);
        if fields.u16(10) & META == 0 || fields.u32(16) != MAGIC || fields.u32(20) != DATA_VERSION {
            return Err(damaged(format!("no meta page at byte {at}")));
        }
        Ok(Self {
            map_size: fields.u64(32),
            page_size: fields.u32(40),
            roots: [fields.u64(80), fields.u64(128)],
            last_page: fields.u64(136),
            transaction: fields.u64(144),
        })
    }

    fn check(&self, length: u64) -> Result<(), Unsound> {
        let page_size = u64::from(self.page_size);
        if !page_size.is_power_of_two() || !(512..=65536).contains(&page_size) {
            return Err(damaged(format!("it claims a page size of {page_size}")));
        }
        if self.map_size != length {
            return Err(damaged(format!("it has {length} bytes instead of {}", self.map_size)));
        }
        if self.last_page < 1 || self.last_page >= length / page_size {
            return Err(damaged(format!("page {} lies past its end", self.last_page)));
        }
        Ok(())
    }

    /// Whether `root` is a page of a tree, or no page at all.
    fn check_root(&self, file: &File, root: u64) -> Result<(), Unsound> {
        if root == NO_ROOT {
            return Ok(());
        }
        if root > self.last_page {
            return Err(damaged(format!("root page {root} lies past its last page")));
        }
        let mut header = [0; 16];
        file.read_exact_at(&mut header, root * u64::from(self.page_size))?;
        let fields = Fields(&header);
        if fields.u64(0) != root || fields.u16(10) & (BRANCH | LEAF) == 0 {
            return Err(damaged(format!("root page {root} is not a page of a tree")));
        }
        Ok(())
    }
}

fn damaged(what: impl Into<String>) -> Unsound {
    Unsound::Damaged(what.into())
}

/// Numbers at offsets; zero past the end, which none of the offsets above reaches.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
    }

    fn u16(&self, at: usize) -> u16 {
        u16::from_ne_bytes(self.bytes(at))
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from_ne_bytes(self.bytes(at))
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from_ne_bytes(self.bytes(at))
    }
}
