//! The machine: QEMU with emulated 82576 cards ("igb"), the one SR-IOV NIC that QEMU has.
//!
//! No KVM: a build machine rarely has one that works, and timing must not depend on where the tests run. The
//! first serial port is the console, to a file; the second is the line on which the guest tells its events and gets
//! answers.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::kernel::Kernel;
use super::qmp::{self, Qmp};
use super::rig::{Kind, Rig};
use super::{console, disk, place};
use crate::guest::debian;
use crate::protocol::{Answer, Event};

/// How many slots for cards there are. Whatever is in them is plugged into one network switch.
const SLOTS: u8 = 3;

/// How many of them have a card when the machine is switched on.
const CARDS: u8 = 2;

/// Memory in MiB: two thirds are free.
const MEMORY: u32 = 1024;

/// How long the machine may take to take in a card or to let go of one: a guest waits for five seconds after the
/// slot's button was pressed, in case it is pressed again.
const PLUGGING: Duration = Duration::from_secs(60);

/// A machine that runs.
#[derive(Debug)]
pub(super) struct Machine {
    qemu: Child,
    lines: Receiver<String>,
    answers: ChildStdin,
    directory: PathBuf,
    console: PathBuf,
    complaints: PathBuf,
    deadline: Instant,
}

/// How a machine came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// It powered off.
    Off,
    /// The kernel said something that it does not survive.
    Crashed(String),
    /// QEMU itself died, with these last words: no fault of the guest.
    Broken(String),
    /// It did not end in time.
    Late,
}

/// What comes from the machine.
#[derive(Debug)]
pub(super) enum Word {
    /// An event.
    Event(Event),
    /// A line that is no event.
    Garbled(String),
    /// The time is come until which to listen.
    Due,
    /// Nothing more.
    End(End),
}

impl Machine {
    /// Boots, with these arguments for the kernel besides. The machine has to come to an end within `limit`.
    pub(super) fn boot(rig: &Rig, limit: Duration, arguments: &[String]) -> Result<Self> {
        let complaints = rig.complaints();
        let file =
            File::create(&complaints).with_context(|| format!("make {}", complaints.display()))?;
        let mut command = qemu(rig, arguments)?;
        command.args(["-display", "none", "-monitor", "none"]);
        let console = format!("file,id=console,append=on,path={}", rig.console().display());
        command.args(["-chardev", &console, "-serial", "chardev:console", "-serial", "stdio"]);
        command.arg("-qmp").arg(format!("unix:{},server=on,wait=off", qmp::SOCKET));
        let mut qemu = command
            .current_dir(rig.directory())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .context("start QEMU")?;
        let output = qemu.stdout.take().context("QEMU's output is piped")?;
        let answers = qemu.stdin.take().context("QEMU's input is piped")?;
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                if send.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        let (directory, console) = (rig.directory().to_owned(), rig.console());
        let deadline = Instant::now() + limit;
        Ok(Self { qemu, lines, answers, directory, console, complaints, deadline })
    }

    /// From now on it may take so long.
    pub(super) fn allow(&mut self, limit: Duration) {
        self.deadline = Instant::now() + limit;
    }

    /// Waits for what comes next, or until it is due.
    pub(super) fn listen(&mut self, due: Option<Instant>) -> Word {
        loop {
            let now = Instant::now();
            if due.is_some_and(|due| due <= now) {
                return Word::Due;
            }
            let glance = now + Duration::from_millis(500);
            let until = due.map_or(glance, |due| due.min(glance));
            match self.lines.recv_timeout(until - now) {
                Ok(line) => return word(line),
                Err(RecvTimeoutError::Disconnected) => {
                    return Word::End(self.ended());
                }
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(line) = console::crash(&self.console) {
                        return Word::End(End::Crashed(line));
                    }
                    if Instant::now() > self.deadline {
                        return Word::End(End::Late);
                    }
                }
            }
        }
    }

    /// Cuts the power: QEMU is gone when this returns, whatever it was doing. Gives what was still on the line.
    pub(super) fn cut_power(&mut self) -> Result<Vec<Word>> {
        self.qemu.kill().context("kill QEMU")?;
        self.qemu.wait().context("wait for QEMU")?;
        Ok(self.lines.iter().map(word).collect())
    }

    /// Answers the guest's request.
    pub(super) fn answer(&mut self, answer: &Answer) -> Result<()> {
        let mut line = serde_json::to_string(answer)?;
        line.push('\n');
        self.answers.write_all(line.as_bytes()).context("answer the guest")
    }

    /// Plugs a new card into a slot.
    pub(super) fn plug(&self, slot: u8) -> Result<()> {
        let mut arguments = json!({});
        for (name, value) in card(slot) {
            arguments[name] = value.into();
        }
        Qmp::open(&self.directory, PLUGGING)?.execute("device_add", arguments)
    }

    /// Presses the button of a slot, and waits until the guest has let go of the card.
    pub(super) fn unplug(&self, slot: u8) -> Result<()> {
        let id = card_id(slot);
        let mut qmp = Qmp::open(&self.directory, PLUGGING)?;
        qmp.execute("device_del", json!({"id": id}))?;
        qmp.wait_for("DEVICE_DELETED", &id)
    }

    /// Why the lines ended: QEMU is gone, or about to go.
    fn ended(&mut self) -> End {
        if let Some(line) = console::crash(&self.console) {
            return End::Crashed(line);
        }
        match self.qemu.wait() {
            Ok(status) if status.success() => End::Off,
            Ok(status) => End::Broken(format!("{status}: {}", self.complaint())),
            Err(error) => End::Broken(error.to_string()),
        }
    }

    /// The last that QEMU complained of.
    fn complaint(&self) -> String {
        let said = std::fs::read_to_string(&self.complaints).unwrap_or_default();
        said.lines().next_back().unwrap_or("without a word").to_owned()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It has powered off by itself unless something went wrong.
        drop(self.qemu.kill());
        drop(self.qemu.wait());
    }
}

/// What a line says.
fn word(line: String) -> Word {
    match serde_json::from_str(&line) {
        Ok(event) => Word::Event(event),
        Err(_) => Word::Garbled(line),
    }
}

/// Gives the terminal to a machine, until it powers off.
pub(super) fn interact(rig: &Rig) -> Result<()> {
    let mut command = qemu(rig, &[])?;
    command.args(["-display", "none", "-serial", "mon:stdio", "-serial", "file:/dev/null"]);
    // QEMU warns on standard error of what is meant to be so; what it says counts only when it fails.
    let child = command.stderr(Stdio::piped()).spawn().context("start QEMU")?;
    let output = child.wait_with_output().context("wait for QEMU")?;
    ensure!(output.status.success(), "QEMU: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// QEMU with everything but its serial ports; the kernel gets these arguments after the usual ones.
fn qemu(rig: &Rig, arguments: &[String]) -> Result<Command> {
    let kernel = Kernel::find()?;
    // QEMU dies with us, whatever ends us.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "qemu-system-x86_64"]);
    // One thread for both processors. With one each, an access to a BAR races with the other's removal of the VF
    // that it belongs to, and QEMU dies: "iotlb_to_section: Assertion `section_index < d->map.sections_nb' failed".
    command.args(["-machine", "q35", "-accel", "tcg,thread=single", "-smp", "2"]);
    // An emulated machine has nothing to make random numbers from, so that programs in Go wait for them for minutes.
    command.args(["-cpu", "qemu64,+rdrand"]);
    command.args(["-m", &MEMORY.to_string(), "-no-reboot", "-nic", "none"]);
    command.args(["-device", "intel-iommu"]);
    for slot in 1..=SLOTS {
        command.args(["-device", &format!("pcie-root-port,id=port{slot},slot={slot}")]);
        command.args(["-netdev", &format!("hubport,hubid=0,id=net{slot}")]);
    }
    for slot in 1..=CARDS {
        let words = card(slot).map(|(name, value)| format!("{name}={value}"));
        command.args(["-device", &words.join(",")]);
    }
    command.args(["-drive", &disk::drive(&rig.disk())]);
    let mut arguments = arguments.to_vec();
    if rig.kind() == Kind::Debian {
        command.args(["-drive", &disk::system(&place::debian())]);
        arguments.extend(["cgroup_no_v1=all", debian::ARGUMENT].map(str::to_owned));
    }
    command.arg("-kernel").arg(kernel.image()).arg("-initrd").arg(rig.initramfs());
    command.args(["-append", &format!("{} {}", kernel_arguments(), arguments.join(" "))]);
    Ok(command)
}

/// The card of a slot, as QEMU describes it.
fn card(slot: u8) -> [(&'static str, String); 5] {
    [
        ("driver", "igb".to_owned()),
        ("id", card_id(slot)),
        ("bus", format!("port{slot}")),
        ("netdev", format!("net{slot}")),
        ("mac", format!("52:54:00:00:00:{slot:02x}")),
    ]
}

fn card_id(slot: u8) -> String {
    format!("card{slot}")
}

fn kernel_arguments() -> String {
    [
        "console=ttyS0",
        "quiet",
        // The machine ends at a panic, instead of waiting for somebody to look at it.
        "panic=-1",
        "oops=panic",
        "intel_iommu=on",
        // On a busy host the timer's first ticks come too late for the kernel's test of them, and it panics.
        "no_timer_check",
        // Emulated processors have nothing to leak, and the workarounds are slow.
        "mitigations=off",
        // The time stamp counter of an emulated processor on a busy host can be 40 times too fast.
        "clocksource=hpet",
        // QEMU sometimes loses a timer interrupt of a processor that is about to sleep. A periodic tick makes up for
        // it with the next one; a tickless kernel waits for the lost one for ever, and so do its sleepers.
        "nohz=off",
        "highres=off",
        // A busy host is no lockup.
        "watchdog_thresh=60",
        // Handed to init as its environment.
        "PATH=/bin:/sbin",
        "HOME=/root",
    ]
    .join(" ")
}
