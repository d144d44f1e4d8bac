//! Processes, their threads and their open files, as `/proc` shows them.
//!
//! Processes come and go while one looks: what is gone by the time it is looked at was not there.
//! Everything else that cannot be read is an error, since whoever asks here wants to know that
//! nobody is left out.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Cause, Errno, Error};

/// `/proc/PID` of every process.
pub fn all() -> Result<Vec<PathBuf>, Error> {
    numbered(Path::new("/proc"))
}

/// `/proc/PID/task/TID` of every thread of the process at `process` (`/proc/PID`).
pub fn threads(process: &Path) -> Result<Vec<PathBuf>, Error> {
    numbered(&process.join("task"))
}

/// The open files of the process at `process`: each a link to follow, and the text it shows
/// (`net:[4026531840]`, `/dev/vfio/12`).
pub fn files(process: &Path) -> Result<Vec<(PathBuf, PathBuf)>, Error> {
    let mut files = Vec::new();
    for link in numbered(&process.join("fd"))? {
        files.extend(target(&link)?.map(|target| (link, target)));
    }
    Ok(files)
}

/// What the link at `link` shows; `None` when it is gone.
pub fn target(link: &Path) -> Result<Option<PathBuf>, Error> {
    present(fs::read_link(link), link)
}

/// The content of a file of a process; `None` when that is gone.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    present(fs::read(path), path)
}

/// Whether this process sees all others: it is in the first PID namespace
/// (`PROC_PID_INIT_INO`, include/uapi/linux/nsfs.h).
pub fn sees_all() -> Result<bool, Error> {
    let own = target(Path::new("/proc/self/ns/pid"))?;
    Ok(own.as_deref() == Some(Path::new("pid:[4026531836]")))
}

/// The entries of `directory` whose names are numbers; none when it is gone.
fn numbered(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for entry in present(fs::read_dir(directory), directory)?.into_iter().flatten() {
        if let Some(entry) = present(entry, directory)? {
            let name = entry.file_name();
            if name.as_encoded_bytes().iter().all(u8::is_ascii_digit) {
                found.push(entry.path());
            }
        }
    }
    Ok(found)
}

/// `None` for what is gone: a process that ended is ENOENT, or ESRCH where its files were open.
fn present<T>(outcome: io::Result<T>, path: &Path) -> Result<Option<T>, Error> {
    match outcome.map_err(Cause::from) {
        Ok(value) => Ok(Some(value)),
        Err(Cause::Errno { errno: Errno::ENOENT | Errno::ESRCH, .. }) => Ok(None),
        Err(cause) => Err(Error::new("read", path.display(), cause)),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_its_threads_and_its_files_are_found() {
        let own = PathBuf::from(format!("/proc/{}", std::process::id()));
        assert!(all().unwrap().contains(&own));
        // The test runs on a thread beside the main one.
        assert!(threads(&own).unwrap().len() >= 2);
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(files(&own).unwrap().iter().any(|(_, target)| target == file.path()));
    }

    #[test]
    fn a_process_that_is_gone_has_nothing() {
        let mut child = Command::new("true").spawn().unwrap();
        let gone = PathBuf::from(format!("/proc/{}", child.id()));
        child.wait().unwrap();
        assert!(threads(&gone).unwrap().is_empty() && files(&gone).unwrap().is_empty());
        assert_eq!(read(&gone.join("mountinfo")).unwrap(), None);
        assert_eq!(target(&gone.join("ns/net")).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = numbered(file.path()).unwrap_err();
        assert!(error.is(Errno::ENOTDIR), "{error}");
        assert!(target(file.path()).unwrap_err().is(Errno::EINVAL));
    }
}
