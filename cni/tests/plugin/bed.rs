//! A private place for one test, and a runtime's way of calling a plugin.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

use conf::block::NodeBlock;
use ipam::{Root, Store};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use serde_json::{Value, json};

/// The namespace that [`isolated`] has made for a container.
pub(crate) const NETNS: &str = "/run/netns/pod1";

/// Runs a test on a thread with namespaces and state of its own.
pub(crate) fn isolated(test: impl FnOnce() + Send) {
    assert!(nix::unistd::geteuid().is_root(), "these tests make network namespaces: run as root");
    let run = || {
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).unwrap();
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
        for directory in ["/run", "/var/lib", "/var/log"] {
            let tmpfs = Some("tmpfs");
            mount(tmpfs, directory, tmpfs, MsFlags::empty(), None::<&str>).unwrap();
        }
        let made = Command::new("ip").args(["netns", "add", "pod1"]).status().unwrap();
        assert!(made.success());
        test();
    };
    thread::scope(|scope| scope.spawn(run).join().unwrap_or_else(|panic| resume_unwind(panic)));
}

/// Makes an executable file. A child writes it: what this process has open for writing, a child that another
/// test forks at that moment has open too, and nobody can execute it meanwhile (ETXTBSY).
pub(crate) fn executable(path: &Path, text: &str) {
    let line = r#"printf %s "$1" >"$0" && chmod 755 "$0""#;
    let made = Command::new("sh").args(["-c", line]).arg(path).arg(text).status().unwrap();
    assert!(made.success());
}

/// Removes what no boot leaves: `/run`, and that a store was made in this one.
pub(crate) fn forget_as_a_boot_does() {
    fs::remove_dir_all("/run/railhead").ok();
    fs::remove_file(Root::system().store_mark()).ok();
}

/// A directory with the binary under its plugins' names, which stays as long as `target` does.
pub(crate) fn bin() -> &'static Path {
    static BIN: OnceLock<PathBuf> = OnceLock::new();
    BIN.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugins");
        fs::create_dir_all(&directory).unwrap();
        for plugin in ["sriov", "nv-ipam"] {
            let link = directory.join(plugin);
            fs::remove_file(&link).ok();
            symlink(env!("CARGO_BIN_EXE_railhead-cni"), link).unwrap();
        }
        directory
    })
}

/// One call.
pub(crate) struct Call {
    command: Command,
    stdin: Vec<u8>,
}

impl Call {
    /// A verb with all variables, for interface `net1` of container `c1`.
    pub(crate) fn new(plugin: &str, verb: &str, config: &Value) -> Self {
        let mut command = Command::new(bin().join(plugin));
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("CNI_COMMAND", verb)
            .env("CNI_CONTAINERID", "c1")
            .env("CNI_IFNAME", "net1")
            .env("CNI_NETNS", NETNS)
            .env("CNI_PATH", bin());
        Self { command, stdin: config.to_string().into_bytes() }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn without(mut self, names: &[&str]) -> Self {
        for name in names {
            self.command.env_remove(name);
        }
        self
    }

    pub(crate) fn stdin(mut self, bytes: &[u8]) -> Self {
        self.stdin = bytes.to_vec();
        self
    }

    /// Has a shell do `before` and become the plugin: `exec 2>&-`, `ulimit -n 64`.
    pub(crate) fn after(self, before: &str) -> Self {
        let plugin = self.command.get_program().to_owned();
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("{before}; exec \"$0\"")).arg(plugin);
        self.replace(shell)
    }

    /// Runs another command with the plugin's environment.
    fn replace(mut self, mut command: Command) -> Self {
        command.env_clear();
        for (name, value) in self.command.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        self.command = command;
        self
    }

    /// Runs it under another program, such as strace: `under(&["strace", "-f"])`.
    pub(crate) fn under(self, program: &[&str]) -> Self {
        let (first, options) = program.split_first().unwrap();
        let mut under = Command::new(first);
        under.args(options).arg(self.command.get_program());
        self.replace(under)
    }

    /// Starts it with nothing on stdin, which stays open.
    pub(crate) fn start_with_open_stdin(mut self) -> (Child, ChildStdin) {
        let mut child = self
            .command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        (child, stdin)
    }

    /// Starts it.
    pub(crate) fn start(self) -> Child {
        let config = self.stdin.clone();
        let (child, mut stdin) = self.start_with_open_stdin();
        // A plugin that ends early leaves a broken pipe, which is its right.
        stdin.write_all(&config).ok();
        child
    }

    pub(crate) fn run(self) -> Reply {
        let output = self.start().wait_with_output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let document = match stdout.as_str() {
            "" => Value::Null,
            text => serde_json::from_str(text).unwrap_or_else(|_| panic!("one document: {text:?}")),
        };
        let stderr = String::from_utf8(output.stderr).unwrap();
        Reply { status: output.status.code(), document, stderr }
    }
}

/// What came of a call; stdout was empty or exactly one document.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: Option<i32>,
    pub(crate) document: Value,
    pub(crate) stderr: String,
}

impl Reply {
    /// The result of a call that succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, Some(0), "{self:?}");
        self.document
    }

    /// The message of a call that failed with this code, details included.
    #[track_caller]
    pub(crate) fn error(self, code: u16) -> String {
        assert_eq!(self.status, Some(1), "{self:?}");
        assert_eq!(self.document["code"], json!(code), "{self:?}");
        assert!(self.document["cniVersion"].is_string(), "{self:?}");
        let text = |key: &str| self.document[key].as_str().unwrap_or_default().to_owned();
        format!("{} {}", text("msg"), text("details"))
    }
}

/// Has a look at the store, or does something to it. A process opens only one store of a path at a
/// time, and each test has its own at the same one.
pub(crate) fn with_store<T>(work: impl FnOnce(&Store) -> T) -> T {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    // A test that failed while it looked has left nothing half done.
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    work(&Store::open(&Root::system()).unwrap())
}

/// This node's block of the pool `blue`: 10.77.0.2 to 10.77.0.LAST.
pub(crate) fn block(last: u8) {
    save(&json!({
        "pool": "ippool/blue", "first": "10.77.0.1", "last": format!("10.77.0.{last}"),
        "network": "10.77.0.0/24", "gateway": "10.77.0.1",
    }));
}

/// This node's block of a pool, as the daemon writes it. `first` and `last` are its ends; any other
/// key stands for what the pool says.
pub(crate) fn save(block: &Value) {
    let range = json!({"first": block["first"], "last": block["last"]});
    let mut whole = json!({
        "version": 1, "index": 0, "range": range, "gateway": null, "default_gateway": false,
        "routes": [], "exclusions": [], "static_range": range,
    });
    let keys = block.as_object().unwrap().clone();
    let said = keys.into_iter().filter(|(key, _)| key != "first" && key != "last");
    whole.as_object_mut().unwrap().extend(said);
    let block: NodeBlock = serde_json::from_value(whole).unwrap();
    ipam::blocks::save(&Root::system(), &block).unwrap();
}

/// A config of the plugin `sriov` for a device that does not exist.
pub(crate) fn sriov(keys: Value) -> Value {
    with(
        json!({"cniVersion": "1.1.0", "name": "blue", "type": "sriov", "deviceID": "0000:ff:1f.7"}),
        keys,
    )
}

/// A config that asks `nv-ipam` for an address of the pool `blue`.
pub(crate) fn nv_ipam(keys: Value) -> Value {
    let ipam = json!({"type": "nv-ipam", "poolName": "blue"});
    with(json!({"cniVersion": "1.1.0", "name": "blue", "type": "sriov", "ipam": ipam}), keys)
}

fn with(mut config: Value, keys: Value) -> Value {
    let (Value::Object(all), Value::Object(keys)) = (&mut config, keys) else {
        panic!("objects were expected")
    };
    all.extend(keys);
    config
}
