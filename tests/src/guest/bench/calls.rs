//! What a process does to the system, from strace's log: programs started, things written.

/// Every call that starts a program or changes a file, for strace.
pub(super) const TRACED: &str = "fork,vfork,clone,clone3,execve,execveat,write,pwrite64,writev,pwritev,pwritev2,\
    ftruncate,truncate,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,link,linkat,symlink,symlinkat,\
    fsync,fdatasync";

/// The calls that start a program. A thread is none.
pub(super) fn forks(lines: &[String]) -> Vec<&String> {
    let starts = ["fork(", "vfork(", "clone(", "clone3(", "execve(", "execveat("];
    lines
        .iter()
        .filter(|line| starts.iter().any(|start| line.starts_with(start)))
        .filter(|line| !line.contains("CLONE_THREAD"))
        .collect()
}

/// The calls that write to something that stays: not to a terminal, a pipe, a socket or an eventfd.
///
/// With `-y` strace says behind each descriptor what it is.
pub(super) fn writes(lines: &[String]) -> Vec<&String> {
    let passing =
        ["<pipe:", "<socket:", "<NETLINK:", "<UNIX", "<anon_inode:", "</dev/null", "</dev/pts/"];
    lines
        .iter()
        .filter(|line| !line.starts_with(['+', '-']))
        .filter(|line| {
            let name = line.split('(').next().unwrap_or_default();
            TRACED.split(',').any(|traced| traced.trim() == name)
                && forks(&[(*line).clone()]).is_empty()
        })
        .filter(|line| {
            let first = line.split([',', ')']).next().unwrap_or_default();
            !line.contains("CLONE_THREAD") && !passing.iter().any(|kind| first.contains(kind))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[&str]) -> Vec<String> {
        text.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn a_thread_is_no_program() {
        let lines = lines(&[
            "clone(child_stack=0x7f, flags=CLONE_VM|CLONE_THREAD|CLONE_SYSVSEM) = 12",
            "fork() = 13",
            "execve(\"/bin/true\", [\"true\"], 0x7ffc /* 3 vars */) = 0",
        ]);
        assert_eq!(forks(&lines), [&lines[1], &lines[2]]);
        assert!(writes(&lines).is_empty());
    }

    #[test]
    fn what_is_printed_is_no_write_and_a_file_is() {
        let lines = lines(&[
            "write(1<pipe:[123]>, \"x\", 1) = 1",
            "write(4<anon_inode:[eventfd]>, \"\\1\", 8) = 8",
            "write(5</sys/x/sriov_numvfs>, \"7\", 1) = 1",
            "rename(\"/a\", \"/b\") = 0",
            "+++ exited with 0 +++",
        ]);
        assert_eq!(writes(&lines), [&lines[2], &lines[3]]);
    }
}
