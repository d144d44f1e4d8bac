//! Files that survive a power cut: whole and old, or whole and new, never half.
//!
//! Write a temporary file beside the target, fsync it, rename it over, fsync the directory (the
//! rename itself is only durable after that). A name beginning with `.` is never taken for a
//! record by the readers, so what a crash leaves behind is harmless.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::fcntl::OFlag;

/// The most bytes that [`read_optional`] reads: 16 MiB, far more than any file of ours has.
pub const MOST: u64 = 16 << 20;

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("{verb} {}", path.display())]
pub struct FileError {
    /// What was tried: "write", "read", "rename to".
    pub verb: &'static str,
    /// On which file.
    pub path: PathBuf,
    /// Why it failed.
    pub source: io::Error,
}

impl FileError {
    /// For `map_err`: turns an I/O error into one that names verb and file.
    pub fn at(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { verb, path, source }
    }
}

/// Makes `path` and what is missing above it, durably, for root only (0700). Where it is there
/// already, nothing is tried: whoever only looks at a store must not even seem to write.
pub fn make_directory(path: &Path) -> Result<(), FileError> {
    if path.is_dir() {
        return Ok(());
    }
    let make = || DirBuilder::new().mode(0o700).create(path);
    let made = match make() {
        Err(error) if error.kind() == io::ErrorKind::NotFound && parent(path) != path => {
            make_directory(parent(path))?;
            make()
        }
        made => made,
    };
    match made {
        Ok(()) => sync_directory(path),
        // Somebody else made it just now.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(FileError::at("make directory", path)(error)),
    }
}

/// Replaces the content of `path` by `bytes`, or makes it; missing directories are made.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let temporary = write_beside(path, bytes)?;
    if let Err(error) = std::fs::rename(&temporary, path) {
        // The rename's error is the one to tell; a file that stays is harmless.
        std::fs::remove_file(&temporary).ok();
        return Err(FileError::at("rename to", path)(error));
    }
    sync_directory(path)
}

/// As [`write_atomically`]; `false`, and nothing written, when `path` holds `bytes` already.
pub fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<bool, FileError> {
    if read_optional(path)?.as_deref() == Some(bytes) {
        return Ok(false);
    }
    write_atomically(path, bytes).map(|()| true)
}

/// Makes `path` with content `bytes`; `false`, and nothing changed, when it is there already.
///
/// Of several processes that try at once exactly one gets `true`.
pub fn create_new(path: &Path, bytes: &[u8]) -> Result<bool, FileError> {
    let temporary = write_beside(path, bytes)?;
    match move_new(&temporary, path) {
        Ok(()) => sync_directory(path).map(|()| true),
        Err(error) if error.source.kind() == io::ErrorKind::AlreadyExists => {
            remove(&temporary).map(|_| false)
        }
        Err(error) => {
            std::fs::remove_file(&temporary).ok();
            Err(error)
        }
    }
}

/// Moves `from` to `to`, failing with `AlreadyExists` when there is such a file.
///
/// By a second link: `link` refuses an existing name in one step, as RENAME_NOREPLACE does, which
/// musl has no function for. A crash in between leaves both names, which is harmless since the
/// files here are replaced and never changed in place.
pub(crate) fn move_new(from: &Path, to: &Path) -> Result<(), FileError> {
    std::fs::hard_link(from, to).map_err(FileError::at("make", to))?;
    std::fs::remove_file(from).map_err(FileError::at("remove", from))
}

/// The content of `path`; `None` when there is no such file.
///
/// Some paths come from configs that others write, so only a regular file of at most [`MOST`]
/// bytes is read: a FIFO would block the verb, `/dev/zero` fill the memory.
pub fn read_optional(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    let opened = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path);
    match opened.and_then(|file| read_regular(&file)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::at("read", path)(error)),
    }
}

/// The content of the file at `path`, where only root can have written it; `None` when there is no
/// such file, or anything else of that name. For a directory in which anybody may write: who owns
/// the file is asked of what is open, as another may take its place at any time, and no link leads
/// elsewhere, neither a symbolic nor a hard one.
///
/// # Errors
/// It cannot be read.
pub fn read_owned_by(owner: u32, path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_NOCTTY;
    let Ok(file) = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path) else {
        return Ok(None);
    };
    let failed = FileError::at("read", path);
    let is_trusted = |metadata: Metadata| {
        let others_write = metadata.mode() & 0o022 != 0;
        metadata.is_file() && metadata.uid() == owner && metadata.nlink() == 1 && !others_write
    };
    match file.metadata().map(is_trusted) {
        Ok(false) => Ok(None),
        Ok(true) => read_regular(&file).map(Some).map_err(failed),
        Err(error) => Err(failed(error)),
    }
}

fn read_regular(file: &File) -> io::Result<Vec<u8>> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    // With room to spare, so that one read finds all and the next the end.
    let mut bytes = Vec::with_capacity(metadata.len().min(MOST) as usize + 64);
    file.take(MOST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it has over {MOST} bytes"),
        ));
    }
    Ok(bytes)
}

/// Removes `path` durably; `false` when it was not there.
pub fn remove(path: &Path) -> Result<bool, FileError> {
    match std::fs::remove_file(path) {
        Ok(()) => sync_directory(path).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(FileError::at("remove", path)(error)),
    }
}

/// A synced file with `bytes` in the directory of `path`, with a name that nobody else uses.
fn write_beside(path: &Path, bytes: &[u8]) -> Result<PathBuf, FileError> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let directory = parent(path);
    make_directory(directory)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let temporary = directory.join(format!(".{name}.{}.{number}", std::process::id()));
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()
    })();
    match written {
        Ok(()) => Ok(temporary),
        Err(error) => {
            std::fs::remove_file(&temporary).ok();
            Err(FileError::at("write", &temporary)(error))
        }
    }
}

/// Makes the name of `path` durable.
fn sync_directory(path: &Path) -> Result<(), FileError> {
    let directory = parent(path);
    File::open(directory).and_then(|file| file.sync_all()).map_err(FileError::at("sync", directory))
}

/// The directory of `path`; the current one for a bare name.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn replaces_and_leaves_nothing_else_behind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b/record.json");
        write_atomically(&path, b"one").unwrap();
        write_atomically(&path, b"two").unwrap();
        assert_eq!(read_optional(&path).unwrap().as_deref(), Some(&b"two"[..]));
        assert_eq!(names(path.parent().unwrap()), ["record.json"]);
    }

    /// Whatever a user may put in the place of root's file.
    #[test]
    fn only_a_file_that_is_its_owners_alone_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let own = nix::unistd::geteuid().as_raw();
        std::fs::write(at("own"), "own").unwrap();
        assert_eq!(read_owned_by(own, &at("own")).unwrap().as_deref(), Some(&b"own"[..]));
        assert_eq!(read_owned_by(own + 1, &at("own")).unwrap(), None, "somebody else's");
        std::os::unix::fs::symlink(at("own"), at("symlink")).unwrap();
        nix::unistd::mkfifo(&at("fifo"), nix::sys::stat::Mode::from_bits_truncate(0o644)).unwrap();
        std::fs::create_dir(at("directory")).unwrap();
        std::fs::write(at("open"), "x").unwrap();
        std::fs::set_permissions(at("open"), Permissions::from_mode(0o666)).unwrap();
        for name in ["symlink", "fifo", "directory", "open", "nothing"] {
            assert_eq!(read_owned_by(own, &at(name)).unwrap(), None, "{name}");
        }
        assert_eq!(read_owned_by(own, Path::new("/dev/zero")).unwrap(), None);
        std::fs::hard_link(at("own"), at("hard")).unwrap();
        for name in ["own", "hard"] {
            assert_eq!(read_owned_by(own, &at(name)).unwrap(), None, "{name}");
        }
    }

    /// Looked at and opened are one file, however fast another takes its place.
    #[test]
    fn a_link_that_comes_and_goes_is_never_followed() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let own = nix::unistd::geteuid().as_raw();
        std::fs::write(at("theirs"), "theirs").unwrap();
        let is_over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    std::fs::write(at("new"), "own").unwrap();
                    std::fs::rename(at("new"), at("file")).unwrap();
                    std::os::unix::fs::symlink(at("theirs"), at("new")).unwrap();
                    std::fs::rename(at("new"), at("file")).unwrap();
                }
            });
            let begun = std::time::Instant::now();
            let mut read = Vec::new();
            // Until it was met as it should be often enough, however little the other thread runs.
            let mut attempts = 0;
            while (attempts < 20_000 || read.len() < 100) && begun.elapsed().as_secs() < 60 {
                read.extend(read_owned_by(own, &at("file")).ok().flatten());
                attempts += 1;
            }
            is_over.store(true, Ordering::Relaxed);
            assert!(read.len() >= 100, "{} of {attempts}", read.len());
            read.dedup();
            assert_eq!(read, [b"own"]);
        });
    }

    #[test]
    fn only_the_first_creates() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("claim");
        assert!(create_new(&path, b"mine").unwrap());
        assert!(!create_new(&path, b"yours").unwrap());
        assert_eq!(read_optional(&path).unwrap().as_deref(), Some(&b"mine"[..]));
        assert_eq!(names(directory.path()), ["claim"]);
    }

    #[test]
    fn one_of_many_creators_wins() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("claim");
        let won: usize = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..16)
                .map(|me| {
                    scope.spawn({
                        let path = &path;
                        move || create_new(path, &[me]).unwrap()
                    })
                })
                .collect();
            tries.into_iter().map(|one| usize::from(one.join().unwrap())).sum()
        });
        assert_eq!((won, names(directory.path())), (1, vec!["claim".to_owned()]));
    }

    #[test]
    fn a_directory_is_made_with_all_above_it_or_named() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("a/b/c");
        make_directory(&deep).unwrap();
        make_directory(&deep).unwrap();
        assert!(deep.is_dir());
        std::fs::write(deep.join("file"), "").unwrap();
        let error = make_directory(&deep.join("file/d")).unwrap_err();
        assert!(error.to_string().ends_with("/a/b/c/file/d"), "{error}");
    }

    #[test]
    fn absence_is_not_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("nothing");
        assert!(read_optional(&path).unwrap().is_none());
        assert!(!remove(&path).unwrap());
    }

    #[test]
    fn only_regular_files_of_a_sane_size_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for path in [fifo.as_path(), directory.path(), Path::new("/dev/zero")] {
            let error = read_optional(path).unwrap_err();
            assert_eq!(error.source.to_string(), "it is not a regular file", "{}", path.display());
        }
        let large = directory.path().join("large");
        File::create(&large).unwrap().set_len(MOST + 1).unwrap();
        assert_eq!(read_optional(&large).unwrap_err().source.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_failed_write_keeps_the_old_content_and_says_where() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("full");
        // A directory stands where the file should go: the rename fails after the write.
        std::fs::create_dir(&path).unwrap();
        let error = write_atomically(&path, b"x").unwrap_err();
        assert!(
            error.to_string().starts_with("rename to ") && error.to_string().ends_with("/full")
        );
        assert_eq!(names(directory.path()), ["full"]);
    }
}
