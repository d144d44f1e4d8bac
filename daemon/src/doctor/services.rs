//! The services: whether they start at boot, and what they start.

use super::{Finding, Machine};

const UNITS: [(&str, &str); 2] = [
    ("railhead.service", "drift is not repaired, and new policies wait for `railhead apply`"),
    ("railhead-boot.service", "VFs come back after pods have started, or not at all"),
];

pub(super) fn examine(machine: &Machine) -> Vec<Finding> {
    if !machine.has("run/systemd/system") {
        return Vec::new();
    }
    let check = "services";
    let mut findings = Vec::new();
    for (unit, why) in UNITS {
        let places = ["etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"];
        let text = places.iter().find_map(|place| machine.text(&format!("{place}/{unit}")));
        let Some(text) = text else {
            findings.push(
                Finding::warning(check, format!("{unit} is not installed"), why)
                    .mend("make install"),
            );
            continue;
        };
        let program = text
            .lines()
            .find_map(|line| line.strip_prefix("ExecStart=/"))
            .and_then(|line| line.split_whitespace().next());
        if let Some(program) = program.filter(|program| !machine.has(program)) {
            let what = format!("{unit} starts /{program}, which is not there");
            findings.push(Finding::error(check, what, why).mend("make install"));
        }
        let link = machine.path(&format!("etc/systemd/system/multi-user.target.wants/{unit}"));
        if !link.is_symlink() {
            findings.push(
                Finding::warning(check, format!("{unit} is not enabled"), why)
                    .mend(format!("sudo systemctl enable --now {unit}")),
            );
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(check, "enabled"));
    }
    findings
}
