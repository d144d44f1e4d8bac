//! Calling a CNI plugin as a container runtime does: environment, config on stdin, one document on stdout.

use serde_json::Value;

use super::pod::Pod;
use super::program::{Output, Program};

/// Where the plugins are.
pub const BIN: &str = "/opt/cni/bin";

/// Where the reference plugins are.
pub const REFERENCE: &str = "/opt/cni/reference";

/// One call of a plugin.
#[derive(Debug)]
pub struct Call {
    program: Program,
}

/// What the plugin answered.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Exit status, output and all.
    pub output: Output,
    /// The document on standard output; null when there is none.
    pub document: Value,
}

impl Call {
    /// A verb of a plugin for container `container`, interface `net1`, with the config on standard input.
    pub fn new(plugin: &str, verb: &str, container: &str, config: &Value) -> Self {
        let program = Program::new(&format!("{BIN}/{plugin}"))
            .env("CNI_COMMAND", verb)
            .env("CNI_PATH", BIN)
            .env("CNI_CONTAINERID", container)
            .env("CNI_IFNAME", "net1")
            .input(config.to_string());
        Self { program }
    }

    /// ADD into a pod.
    pub fn add(plugin: &str, container: &str, pod: &Pod, config: &Value) -> Self {
        Self::new(plugin, "ADD", container, config).env("CNI_NETNS", pod.path())
    }

    /// DEL from a pod.
    pub fn del(plugin: &str, container: &str, pod: &Pod, config: &Value) -> Self {
        Self::new(plugin, "DEL", container, config).env("CNI_NETNS", pod.path())
    }

    /// CHECK in a pod; the config must carry `prevResult`.
    pub fn check(plugin: &str, container: &str, pod: &Pod, config: &Value) -> Self {
        Self::new(plugin, "CHECK", container, config).env("CNI_NETNS", pod.path())
    }

    /// Sets or replaces a variable of the environment: `CNI_ARGS`, `CNI_IFNAME`, `CNI_NETNS`, ...
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.program = self.program.env(name, value);
        self
    }

    /// Sends these bytes instead of the config.
    #[must_use]
    pub fn input(mut self, text: impl Into<String>) -> Self {
        self.program = self.program.input(text);
        self
    }

    /// Runs the plugin under another program: `strace …`, `timeout -s KILL 1`.
    #[must_use]
    pub fn under(mut self, line: &str) -> Self {
        self.program = self.program.under(line);
        self
    }

    /// Has a shell run this line and become the plugin: `exec 2>&-`, `ulimit -n 32`.
    #[must_use]
    pub fn after(mut self, line: &str) -> Self {
        self.program = self.program.after(line);
        self
    }

    /// The program behind, to start in the background or to time.
    pub fn into_program(self) -> Program {
        self.program
    }

    /// Makes the call. Panics when standard output is neither empty nor exactly one JSON document.
    #[track_caller]
    pub fn run(self) -> Reply {
        let output = self.program.run();
        let document = if output.stdout.trim().is_empty() { Value::Null } else { output.json() };
        Reply { output, document }
    }
}

impl Reply {
    /// The result of a call that succeeded (null where the verb has none); panics when it failed.
    #[track_caller]
    pub fn ok(self) -> Value {
        self.output.ok();
        self.document
    }

    /// The error of a call that failed with this code: exit status 1, one error document. Panics otherwise.
    #[track_caller]
    pub fn error(self, code: u64) -> Value {
        assert!(
            self.output.status == 1 && self.document["code"] == code,
            "error {code} and exit status 1 were expected: {}",
            self.output
        );
        self.document
    }
}
