use std::fs;
use std::process::Command;

use super::*;

struct Bed {
    directory: tempfile::TempDir,
    key: AttachmentKey,
}

impl Bed {
    fn new() -> Self {
        let key =
            AttachmentKey { container: "c1".parse().unwrap(), ifname: "net1".parse().unwrap() };
        Self { directory: tempfile::tempdir().unwrap(), key }
    }

    /// A plugin that is the shell script `body`.
    fn plugin(&self, body: &str) -> Delegate {
        let name: PluginName = "fake".parse().unwrap();
        let file = self.directory.path().join("fake");
        executable(&file, &format!("#!/bin/sh\n{body}\n"));
        let directories = [self.directory.path().to_owned()];
        Delegate::find(&name, &[SearchPath { directories: &directories, origin: "CNI_PATH" }])
            .unwrap()
    }

    fn invocation<'a>(&'a self, config: &'a str) -> Invocation<'a> {
        let netns = Some(Path::new("/run/netns/a"));
        Invocation { attachment: Some((&self.key, netns)), args: "K=V", path: &[], config }
    }

    fn add(&self, body: &str) -> Result<AddResult, Error> {
        let added = self.plugin(body).add(self.invocation("{}"), Version::V1_0_0);
        added.map_err(|failed| failed.error)
    }
}

/// Makes an executable file. A child writes it: what this process has open for writing, a child that another
/// test forks at that moment has open too, and nobody can execute it meanwhile (ETXTBSY).
fn executable(path: &Path, text: &str) {
    let line = r#"printf %s "$1" >"$0" && chmod 755 "$0""#;
    let made = Command::new("sh").args(["-c", line]).arg(path).arg(text).status().unwrap();
    assert!(made.success());
}

#[test]
fn a_plugin_gets_the_environment_and_stdin() {
    let bed = Bed::new();
    let plugin = bed.plugin(
        r#"read config
echo "$CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME $CNI_NETNS $CNI_ARGS $config" > "$(dirname $0)/seen""#,
    );
    plugin.call("DEL", bed.invocation("{\"a\":1}\n")).unwrap();
    let seen = fs::read_to_string(bed.directory.path().join("seen")).unwrap();
    assert_eq!(seen, "DEL c1 net1 /run/netns/a K=V {\"a\":1}\n");
}

#[test]
fn results_of_any_version_are_read() {
    let result = Bed::new().add(r#"echo '{"cniVersion":"0.2.0","ip4":{"ip":"10.0.0.2/24"}}'"#);
    assert_eq!(result.unwrap().ips[0].address, "10.0.0.2/24".parse().unwrap());
}

#[test]
fn a_plugins_error_is_passed_on_with_its_name() {
    let error = Bed::new()
        .add(r#"echo '{"code":11,"msg":"no free addresses","details":"pool p"}'; exit 1"#)
        .unwrap_err();
    assert_eq!(error.code, Code::TryAgainLater);
    assert_eq!(error.msg, "ADD of plugin fake: no free addresses");
    assert_eq!(error.details, "pool p");
}

#[test]
fn rubbish_is_quoted() {
    let bed = Bed::new();
    let error = bed.add("echo out of cheese; exit 3").unwrap_err();
    assert_eq!(error.msg, "ADD of plugin fake: exit status: 3: \"out of cheese\"");
    assert_eq!(bed.add("echo hello").unwrap_err().code, Code::Decode);
    assert_eq!(
        bed.add("kill -9 $$").unwrap_err().msg,
        "ADD of plugin fake: signal: 9 (SIGKILL): \"\""
    );
}

/// What said that it failed holds nothing; of what was cut short nobody knows.
#[test]
fn who_refuses_holds_nothing() {
    let bed = Bed::new();
    for (body, gave_nothing) in [
        (r#"echo '{"code":11,"msg":"none left"}'; exit 1"#, true),
        ("echo out of cheese; exit 3", true),
        ("exit 255", true),
        ("echo hello", false),
        ("kill -9 $$", false),
    ] {
        let failed = bed.plugin(body).add(bed.invocation("{}"), Version::V1_0_0).unwrap_err();
        assert_eq!(failed.gave_nothing, gave_nothing, "{body}");
    }
    let plugin = bed.plugin("");
    fs::write(bed.directory.path().join("fake"), "#!/nowhere/sh\n").unwrap();
    assert!(plugin.add(bed.invocation("{}"), Version::V1_0_0).unwrap_err().gave_nothing);
}

#[test]
fn a_long_config_does_not_block_a_plugin_that_does_not_read() {
    let bed = Bed::new();
    let config = " ".repeat(1 << 20);
    bed.plugin("exit 0").call("DEL", bed.invocation(&config)).unwrap();
}

#[test]
fn a_plugin_that_hangs_is_killed() {
    let bed = Bed::new();
    let plugin = bed.plugin("exec sleep 3600");
    let output =
        child::run(&plugin.executable, "ADD", bed.invocation("{}"), Duration::from_millis(50));
    assert!(matches!(output, Ok(Output::TimedOut)));
}

#[test]
fn a_plugin_that_closes_its_stdout_and_hangs_is_killed() {
    let bed = Bed::new();
    let plugin = bed.plugin("exec >&-; exec sleep 3600");
    let output =
        child::run(&plugin.executable, "DEL", bed.invocation("{}"), Duration::from_millis(50));
    assert!(matches!(output, Ok(Output::TimedOut)));
}

#[test]
fn what_a_plugin_leaves_behind_is_not_waited_for() {
    let bed = Bed::new();
    let body = r#"sleep 3600 & echo $! > "$(dirname $0)/left"; echo '{"ips":[]}'"#;
    let output = bed.add(body);
    let left = fs::read_to_string(bed.directory.path().join("left")).unwrap();
    let left = nix::unistd::Pid::from_raw(left.trim().parse().unwrap());
    // Still there: the answer did not wait for it.
    nix::sys::signal::kill(left, nix::sys::signal::Signal::SIGKILL).unwrap();
    assert_eq!(output.unwrap(), AddResult::default());
}

#[test]
fn a_flood_is_not_an_answer() {
    let error = Bed::new().add("exec yes '{}'").unwrap_err();
    assert!(error.msg.contains("SIGPIPE"), "{error}");
    assert!(error.msg.len() < 1000, "{}", error.msg.len());
}

#[test]
fn verbs_that_a_plugin_does_not_know_are_not_failures() {
    let bed = Bed::new();
    for (code, known) in [(4, true), (1, true), (50, false)] {
        let plugin = bed.plugin(&format!("echo '{{\"code\":{code},\"msg\":\"x\"}}'; exit 1"));
        assert_eq!(plugin.call_if_known("STATUS", bed.invocation("{}")).is_ok(), known, "{code}");
    }
}

#[test]
fn directories_are_no_plugins() {
    let bed = Bed::new();
    fs::create_dir(bed.directory.path().join("other")).unwrap();
    let path = [PathBuf::from("/nowhere"), bed.directory.path().to_owned()];
    let other = [PathBuf::from("/elsewhere")];
    let paths = [
        SearchPath { directories: &path, origin: "CNI_PATH of its ADD" },
        SearchPath { directories: &other, origin: "CNI_PATH of this call" },
    ];
    let error = Delegate::find(&"other".parse().unwrap(), &paths).unwrap_err();
    assert_eq!(error.code, Code::InvalidConfig);
    let path = bed.directory.path().display();
    assert_eq!(
        error.msg,
        format!(
            "find plugin other in CNI_PATH of its ADD /nowhere:{path} and CNI_PATH of this call \
             /elsewhere: no such file"
        )
    );
}
