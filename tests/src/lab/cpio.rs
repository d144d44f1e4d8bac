//! Writes a cpio archive in the kernel's initramfs format ("newc": Documentation/driver-api/early-userspace/
//! buffer-format.rst).

use std::collections::BTreeSet;
use std::io::{self, Write};

const DIRECTORY: u32 = 0o040_755;
const FILE: u32 = 0o100_644;
const PROGRAM: u32 = 0o100_755;
const LINK: u32 = 0o120_777;

/// An archive in the making. Directories above an entry are made as needed.
#[derive(Debug)]
pub(super) struct Archive<W> {
    out: W,
    written: u64,
    inodes: u32,
    known: BTreeSet<String>,
}

impl<W: Write> Archive<W> {
    /// An empty archive.
    pub(super) fn new(out: W) -> Self {
        Self { out, written: 0, inodes: 0, known: BTreeSet::new() }
    }

    /// A directory.
    pub(super) fn directory(&mut self, path: &str) -> io::Result<()> {
        if self.is_new(path)? { self.entry(path, DIRECTORY, &[]) } else { Ok(()) }
    }

    /// An ordinary file. The first of a path wins.
    pub(super) fn file(&mut self, path: &str, contents: &[u8]) -> io::Result<()> {
        if self.is_new(path)? { self.entry(path, FILE, contents) } else { Ok(()) }
    }

    /// A file that can be executed. The first of a path wins.
    pub(super) fn program(&mut self, path: &str, contents: &[u8]) -> io::Result<()> {
        if self.is_new(path)? { self.entry(path, PROGRAM, contents) } else { Ok(()) }
    }

    /// A symbolic link. The first of a path wins.
    pub(super) fn link(&mut self, path: &str, to: &str) -> io::Result<()> {
        if self.is_new(path)? { self.entry(path, LINK, to.as_bytes()) } else { Ok(()) }
    }

    /// Ends the archive.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.entry("TRAILER!!!", 0, &[])?;
        self.out.flush()?;
        Ok(self.out)
    }

    /// Notes a path and makes the directories above it. False when it is there already.
    fn is_new(&mut self, path: &str) -> io::Result<bool> {
        if let Some((parent, _)) = path.trim_start_matches('/').rsplit_once('/') {
            self.directory(parent)?;
        }
        Ok(self.known.insert(path.trim_start_matches('/').to_owned()))
    }

    fn entry(&mut self, path: &str, mode: u32, contents: &[u8]) -> io::Result<()> {
        let path = path.trim_start_matches('/');
        self.inodes += 1;
        let size = u32::try_from(contents.len()).map_err(io::Error::other)?;
        let name = path.len() as u32 + 1;
        // magic, inode, mode, uid, gid, links, mtime, size, device (2), special device (2), name size, checksum
        let numbers = [self.inodes, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name, 0];
        let mut header = String::from("070701");
        for number in numbers {
            header.push_str(&format!("{number:08x}"));
        }
        self.put(header.as_bytes())?;
        self.put(path.as_bytes())?;
        self.put(&[0])?;
        self.pad()?;
        self.put(contents)?;
        self.pad()
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    /// Header with name, and contents, each end on a multiple of four.
    fn pad(&mut self) -> io::Result<()> {
        let rest = (4 - self.written % 4) % 4;
        self.put(&[0; 4][..rest as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_laid_out_as_the_kernel_reads_it() {
        let mut archive = Archive::new(Vec::new());
        archive.file("a/b", b"hello").unwrap();
        let bytes = archive.finish().unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let directory = "07070100000001000041ed00000000000000000000000100000000\
            00000000000000000000000000000000000000000000000200000000a\0";
        assert_eq!(text[..112], *directory);
        assert_eq!(text[112..118], *"070701");
        assert_eq!(text[222..226], *"a/b\0", "{text:?}");
        assert_eq!(text[228..236], *"hello\0\0\0", "{text:?}");
        assert_eq!(bytes.len() % 4, 0);
    }

    #[test]
    fn the_first_of_a_path_wins_and_directories_come_once() {
        let mut archive = Archive::new(Vec::new());
        archive.program("/bin/ip", b"real").unwrap();
        archive.link("/bin/ip", "busybox").unwrap();
        let text = String::from_utf8(archive.finish().unwrap()).unwrap();
        assert!(text.contains("real") && !text.contains("busybox"));
        assert_eq!(text.matches("bin\0").count(), 1);
    }
}
