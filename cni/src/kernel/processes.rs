//! Processes and the programs that they run.

use std::fs;
use std::path::PathBuf;

use super::Error;

/// A process that runs a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its process id.
    pub pid: u32,
    /// The program, as the process itself would find it: in a container, there. One that was
    /// replaced ends with ` (deleted)`.
    pub program: PathBuf,
}

/// All processes but the kernel's own threads, which run no program, and most processes of a host
/// are. One that ends meanwhile is none any more.
pub fn all() -> Result<Vec<Process>, Error> {
    let entries = fs::read_dir("/proc").map_err(|error| Error::new("list", "/proc", error))?;
    let process = |entry: fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        Some(Process { pid, program: fs::read_link(entry.path().join("exe")).ok()? })
    };
    Ok(entries.filter_map(|entry| process(entry.ok()?)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_is_among_them_and_runs_its_program() {
        let own = all().unwrap().into_iter().find(|process| process.pid == std::process::id());
        assert_eq!(own.unwrap().program, std::env::current_exe().unwrap());
    }
}
