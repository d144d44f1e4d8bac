//! IPAM plugins of somebody else, as far as a test needs one: shell scripts.

use std::fs;
use std::path::PathBuf;

use crate::guest::cni::BIN;
use crate::guest::host::put;
use crate::guest::program::run;
use crate::guest::wait::wait_for;

/// An IPAM plugin in CNI_PATH. Dropped: gone.
pub(super) struct FakeIpam {
    name: &'static str,
    directory: PathBuf,
}

impl FakeIpam {
    /// Answers ADD with this result and everything else with nothing; writes down its calls.
    pub(super) fn answering(name: &'static str, result: &str) -> Self {
        Self::running(name, &format!("[ $CNI_COMMAND = ADD ] && cat <<'.'\n{result}\n.\nexit 0"))
    }

    /// Holds one address for each container.
    pub(super) fn counting(name: &'static str) -> Self {
        // Builtins of the shell alone, so that nothing of it goes on when it is killed.
        let script = r#"lease=$STATE/held-$CNI_CONTAINERID-$CNI_IFNAME
case $CNI_COMMAND in
ADD) >$lease; echo '{"cniVersion":"1.1.0","ips":[{"address":"10.77.0.9/24","gateway":"10.77.0.1"}],"routes":[{"dst":"10.78.0.0/16"}]}';;
DEL) [ ! -e $lease ] || exec rm -f $lease;;
esac"#;
        Self::running(name, script)
    }

    /// Waits in this verb until [`FakeIpam::go_on`].
    pub(super) fn waiting_in(name: &'static str, verb: &str) -> Self {
        let script = format!(
            r#"if [ $CNI_COMMAND = {verb} ]; then >$STATE/begun; read word <$STATE/go; fi
[ $CNI_COMMAND = ADD ] && echo '{{"cniVersion":"1.1.0","ips":[{{"address":"10.79.0.2/24"}}]}}'
exit 0"#
        );
        let ipam = Self::running(name, &script);
        run(&format!("mkfifo {}/go", ipam.directory.display())).ok();
        ipam
    }

    /// Runs this script, with a directory for its state in `$STATE`.
    pub(super) fn running(name: &'static str, script: &str) -> Self {
        let directory = PathBuf::from(format!("/tmp/ipam-{name}"));
        drop(fs::remove_dir_all(&directory));
        fs::create_dir_all(&directory).expect("make a directory");
        let path = format!("{BIN}/{name}");
        let head = format!(
            "#!/bin/bash\nSTATE={}\nconfig=$(</dev/stdin)\necho \"$CNI_COMMAND $CNI_CONTAINERID\" >>$STATE/calls\n",
            directory.display()
        );
        put(&path, &format!("{head}{script}\n"));
        run(&format!("chmod 755 {path}")).ok();
        Self { name, directory }
    }

    /// The calls so far, as `VERB CONTAINER`, and forgets them.
    pub(super) fn calls(&self) -> Vec<String> {
        let file = self.directory.join("calls");
        let text = fs::read_to_string(&file).unwrap_or_default();
        drop(fs::remove_file(&file));
        text.lines().map(str::to_owned).collect()
    }

    /// Nobody holds an address.
    #[track_caller]
    pub(super) fn assert_balanced(&self) {
        let held: Vec<String> = fs::read_dir(&self.directory)
            .expect("the IPAM's state")
            .map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned())
            .filter(|name| name.starts_with("held-"))
            .collect();
        assert_eq!(held, Vec::<String>::new());
    }

    /// Waits until the IPAM is in the verb that it waits in.
    #[track_caller]
    pub(super) fn wait_until_begun(&self) {
        let begun = self.directory.join("begun");
        wait_for("the IPAM's turn", || begun.exists().then_some(()));
        fs::remove_file(begun).expect("remove a file");
    }

    /// Lets the one call go on that waits.
    pub(super) fn go_on(&self) {
        fs::write(self.directory.join("go"), "go\n").expect("write to the IPAM");
    }
}

impl Drop for FakeIpam {
    fn drop(&mut self) {
        drop(fs::remove_file(format!("{BIN}/{}", self.name)));
        drop(fs::remove_dir_all(&self.directory));
    }
}
