//! Looks at every page of a file that somebody else may have written to.
//!
//! LMDB asserts what it expects of a page, and a failed assertion ends the process before it can
//! say anything. So after a kill in the middle of a commit, and whenever the file's inode tells of
//! a write that was not ours ([`super::stamp`]), the two trees are read page by page: headers,
//! bounds, order of keys, page counts, and that no page is used twice or is both used and free.
//!
//! Layout: `MDB_page` and `MDB_node` of lmdb's mdb.c.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::shape::{Fields, Shape, Tree, Unsound, damaged};

/// Page flags that say what a page is: `P_BRANCH`, `P_LEAF`, `P_OVERFLOW`, `P_META`, `P_LEAF2`,
/// `P_SUBP`.
const KINDS: u16 = 0x6f;
const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
const OVERFLOW: u16 = 0x04;
/// Bytes of a page header, and of a node's.
const PAGE_HEADER: usize = 16;
const NODE_HEADER: usize = 8;
/// Node flag `F_BIGDATA`: the data stands on overflow pages. No other flag occurs in our trees.
const BIG_DATA: u16 = 0x01;
/// The deepest tree LMDB's cursors can walk (`CURSOR_STACK`).
const DEEPEST: u16 = 32;

/// Walks both trees.
pub(super) fn walk(file: &File, shape: &Shape) -> Result<(), Unsound> {
    let pages = usize::try_from(shape.last_page).map_err(std::io::Error::other)?.saturating_add(1);
    let mut walk = Walk {
        file,
        page_size: shape.page_size as usize,
        used: vec![false; pages],
        read: 0,
        entries: 0,
        last_key: None,
        free: Vec::new(),
    };
    walk.tree(&shape.main, Kind::Records)?;
    walk.tree(&shape.free, Kind::FreePages)?;
    for page in std::mem::take(&mut walk.free) {
        walk.claim(page)?;
    }
    Ok(())
}

/// What a tree holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Records,
    /// Transaction numbers, and lists of the pages each freed.
    FreePages,
}

struct Walk<'a> {
    file: &'a File,
    page_size: usize,
    /// Whether each page was met already.
    used: Vec<bool>,
    /// Pages and entries of the tree that is being walked.
    read: u64,
    entries: u64,
    last_key: Option<Vec<u8>>,
    /// Pages that are listed as free.
    free: Vec<u64>,
}

impl Walk<'_> {
    fn tree(&mut self, tree: &Tree, kind: Kind) -> Result<(), Unsound> {
        (self.read, self.entries, self.last_key) = (0, 0, None);
        match tree.root {
            Some(_) if !(1..=DEEPEST).contains(&tree.depth) => {
                return Err(damaged(format!("a tree claims {} levels", tree.depth)));
            }
            Some(root) => self.page(root, tree.depth, kind)?,
            None => {}
        }
        if (self.read, self.entries) != (tree.pages, tree.entries) {
            return Err(damaged(format!(
                "a tree has {} pages and {} entries instead of {} and {}",
                self.read, self.entries, tree.pages, tree.entries
            )));
        }
        Ok(())
    }

    /// A page and what is below it; `level` is 1 for leaves.
    fn page(&mut self, number: u64, level: u16, kind: Kind) -> Result<(), Unsound> {
        self.claim(number)?;
        self.read += 1;
        let bytes = self.read_page(number)?;
        let fields = Fields(&bytes);
        let (lower, upper) = (usize::from(fields.u16(12)), usize::from(fields.u16(14)));
        let is_leaf = level == 1;
        let expected = if is_leaf { LEAF } else { BRANCH };
        let headed = fields.u64(0) == number && fields.u16(10) & KINDS == expected;
        let bounded = PAGE_HEADER <= lower && lower <= upper && upper <= self.page_size;
        let least = if is_leaf || kind == Kind::FreePages { 1 } else { 2 };
        let count = lower.saturating_sub(PAGE_HEADER) / 2;
        if !headed || !bounded || count < least {
            return Err(damaged(format!("page {number} is not what its tree expects")));
        }
        for index in 0..count {
            let at = usize::from(fields.u16(PAGE_HEADER + 2 * index));
            let node = bytes.get(at..).filter(|node| at >= upper && node.len() >= NODE_HEADER);
            let node =
                node.ok_or_else(|| damaged(format!("page {number} has a node past its end")))?;
            if is_leaf {
                self.entry(number, node, kind)?;
            } else {
                let child = Fields(node);
                // The flags' place has the upper bits of the number.
                let below = u64::from(child.u32(0)) | u64::from(child.u16(4)) << 32;
                self.page(below, level - 1, kind)?;
            }
        }
        Ok(())
    }

    /// One record of a leaf.
    fn entry(&mut self, number: u64, node: &[u8], kind: Kind) -> Result<(), Unsound> {
        let wrong = || damaged(format!("page {number} has a record that does not fit"));
        let fields = Fields(node);
        let size = (fields.u32(0) as usize, fields.u16(4));
        let key_size = usize::from(fields.u16(6));
        let (key, rest) = node
            .get(NODE_HEADER..)
            .and_then(|body| body.split_at_checked(key_size))
            .ok_or_else(wrong)?;
        let data = match size {
            (size, 0) => rest.get(..size).ok_or_else(wrong)?.to_vec(),
            (size, BIG_DATA) if rest.len() >= 8 => {
                self.overflow(Fields(rest).u64(0), size, kind)?
            }
            _ => return Err(wrong()),
        };
        let ascends = match (kind, &self.last_key) {
            (Kind::Records, Some(before)) => before.as_slice() < key,
            (Kind::FreePages, Some(before)) => Fields(before).u64(0) < Fields(key).u64(0),
            (_, None) => true,
        };
        if !ascends || (kind == Kind::FreePages && key.len() != 8) {
            return Err(damaged(format!("page {number} has its keys in the wrong order")));
        }
        self.last_key = Some(key.to_vec());
        self.entries += 1;
        if kind == Kind::FreePages {
            let (length, list) = data.split_first_chunk::<8>().ok_or_else(wrong)?;
            let (ids, _) = list.as_chunks::<8>();
            let length =
                usize::try_from(u64::from_ne_bytes(*length)).map_err(std::io::Error::other)?;
            let ids = ids.get(..length).ok_or_else(wrong)?;
            self.free.extend(ids.iter().map(|id| u64::from_ne_bytes(*id)));
        }
        Ok(())
    }

    /// Data that stands on pages of its own; only lists of free pages are needed.
    fn overflow(&mut self, number: u64, size: usize, kind: Kind) -> Result<Vec<u8>, Unsound> {
        self.claim(number)?;
        let bytes = self.read_page(number)?;
        let fields = Fields(&bytes);
        let pages = fields.u32(12);
        let needed = (PAGE_HEADER + size).div_ceil(self.page_size);
        let headed = fields.u64(0) == number && fields.u16(10) & KINDS == OVERFLOW;
        if !headed || needed > pages as usize {
            return Err(damaged(format!("page {number} does not hold what overflowed to it")));
        }
        for further in 1..u64::from(pages) {
            self.claim(number.saturating_add(further))?;
        }
        self.read += u64::from(pages);
        let mut data = Vec::new();
        if kind == Kind::FreePages {
            data.resize(size, 0);
            let at = number * self.page_size as u64 + PAGE_HEADER as u64;
            self.file.read_exact_at(&mut data, at)?;
        }
        Ok(data)
    }

    /// Notes that `page` is used, once.
    fn claim(&mut self, page: u64) -> Result<(), Unsound> {
        let used = usize::try_from(page).ok().filter(|page| *page >= 2);
        match used.and_then(|page| self.used.get_mut(page)) {
            None => Err(damaged(format!("page {page} lies outside it"))),
            Some(true) => Err(damaged(format!("page {page} is used twice"))),
            Some(used) => {
                *used = true;
                Ok(())
            }
        }
    }

    fn read_page(&self, number: u64) -> Result<Vec<u8>, Unsound> {
        let mut bytes = vec![0; self.page_size];
        self.file.read_exact_at(&mut bytes, number * self.page_size as u64)?;
        Ok(bytes)
    }
}
