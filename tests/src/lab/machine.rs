//! The machine: QEMU with emulated 82576 cards ("igb"), the one SR-IOV NIC that QEMU has.
//!
//! No KVM: a build machine rarely has one that works, and timing must not depend on where the tests run. The
//! first serial port is the console, to a file; the second is the line on which the guest tells its events.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::console;
use super::kernel::Kernel;
use crate::protocol::Event;

/// How many cards there are. They are plugged into one switch.
const CARDS: u32 = 2;

/// Memory in MiB: two thirds are free.
const MEMORY: u32 = 1024;

/// A machine that runs.
#[derive(Debug)]
pub struct Machine {
    qemu: Child,
    lines: Receiver<String>,
    console: PathBuf,
    complaints: PathBuf,
    deadline: Instant,
}

/// How a machine came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
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
pub enum Word {
    /// An event.
    Event(Event),
    /// A line that is no event.
    Garbled(String),
    /// Nothing more.
    End(End),
}

impl Machine {
    /// Boots with this initramfs. Keeps the console's output in `directory`.
    ///
    /// # Errors
    /// When QEMU cannot be started.
    pub fn boot(directory: &Path, image: &Path, limit: Duration) -> Result<Self> {
        let console = directory.join("console.txt");
        let complaints = directory.join("qemu.txt");
        let file =
            File::create(&complaints).with_context(|| format!("make {}", complaints.display()))?;
        let mut command = qemu(image)?;
        command.args(["-display", "none", "-monitor", "none"]);
        command.arg("-serial").arg(format!("file:{}", console.display()));
        command.args(["-serial", "stdio"]);
        let mut qemu = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .context("start QEMU")?;
        let output = qemu.stdout.take().context("QEMU's output is piped")?;
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                if send.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        Ok(Self { qemu, lines, console, complaints, deadline: Instant::now() + limit })
    }

    /// Waits for what comes next.
    pub fn listen(&mut self) -> Word {
        loop {
            match self.lines.recv_timeout(Duration::from_millis(500)) {
                Ok(line) => {
                    return match serde_json::from_str(&line) {
                        Ok(event) => Word::Event(event),
                        Err(_) => Word::Garbled(line),
                    };
                }
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

/// Gives the terminal to a machine, until it powers off.
///
/// # Errors
/// When QEMU cannot be started.
pub fn interact(image: &Path) -> Result<()> {
    let mut command = qemu(image)?;
    command.args(["-display", "none", "-serial", "mon:stdio", "-serial", "file:/dev/null"]);
    // QEMU warns on standard error of what is meant to be so; what it says counts only when it fails.
    let child = command.stderr(Stdio::piped()).spawn().context("start QEMU")?;
    let output = child.wait_with_output().context("wait for QEMU")?;
    ensure!(output.status.success(), "QEMU: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// QEMU with everything but its serial ports.
fn qemu(image: &Path) -> Result<Command> {
    let kernel = Kernel::find()?;
    // QEMU dies with us, whatever ends us.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "qemu-system-x86_64"]);
    // One thread for both processors. With one each, an access to a BAR races with the other's removal of the VF
    // that it belongs to, and QEMU dies: "iotlb_to_section: Assertion `section_index < d->map.sections_nb' failed".
    command.args(["-machine", "q35", "-accel", "tcg,thread=single", "-smp", "2"]);
    command.args(["-m", &MEMORY.to_string(), "-no-reboot", "-nic", "none"]);
    command.args(["-device", "intel-iommu"]);
    for card in 1..=CARDS {
        command.args(["-device", &format!("pcie-root-port,id=port{card},slot={card}")]);
        command.args(["-netdev", &format!("hubport,hubid=0,id=net{card}")]);
        command.args([
            "-device",
            &format!("igb,bus=port{card},netdev=net{card},mac=52:54:00:00:00:{card:02x}"),
        ]);
    }
    command.arg("-kernel").arg(kernel.image()).arg("-initrd").arg(image);
    command.args(["-append", &kernel_arguments()]);
    Ok(command)
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
