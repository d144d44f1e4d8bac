//! A plugin that panics still answers with a CNI error, and only with that.
//!
//! The test runs itself once more as the plugin, so that the hook meets a real process.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test tells by panicking")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use cni::protocol::{self, Added, Call, Plugin};
use conf::cni::{AddResult, Error};
use ipam::AttachmentKey;
use serde_json::Value;

struct Panicking;

impl Plugin for Panicking {
    const NAME: &'static str = "panicking";

    fn add(&self, _: &Call, _: &AttachmentKey, _: &Path) -> Result<Added, Error> {
        // On another thread, as inside a namespace: the process ends all the same.
        std::thread::spawn(|| panic!("out of\n\"cheese\"")).join().unwrap();
        Ok(Added { result: AddResult::default(), is_repeated: false })
    }

    fn del(&self, _: &Call, _: &AttachmentKey, _: Option<&Path>) -> Result<(), Error> {
        Ok(())
    }

    fn check(&self, _: &Call, _: &AttachmentKey, _: &Path, _: &AddResult) -> Result<(), Error> {
        Ok(())
    }

    fn status(&self, _: &Call) -> Result<(), Error> {
        Ok(())
    }

    fn gc(&self, _: &Call, _: &BTreeSet<AttachmentKey>) -> Result<(), Error> {
        Ok(())
    }
}

fn main() -> ExitCode {
    if std::env::var_os("CNI_COMMAND").is_some() {
        return protocol::serve(&Panicking);
    }
    let directory = tempfile::tempdir().unwrap();
    let stdin = directory.path().join("config");
    std::fs::write(&stdin, r#"{"cniVersion":"1.0.0","name":"n"}"#).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .envs([
            ("CNI_COMMAND", "ADD"),
            ("CNI_CONTAINERID", "c"),
            ("CNI_NETNS", "/nowhere"),
            ("CNI_IFNAME", "net1"),
            ("CNI_PATH", "/nowhere"),
        ])
        .stdin(Stdio::from(std::fs::File::open(&stdin).unwrap()))
        .output()
        .unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["code"], 999);
    let msg = document["msg"].as_str().unwrap();
    assert!(msg.contains("the plugin panicked") && msg.contains("cheese"), "{msg}");
    assert_eq!(output.status.code(), Some(1));
    ExitCode::SUCCESS
}
