//! Whom `doctor` finds to make VFs, or take them, besides railhead: the file is named wherever it
//! lies, and nobody is blamed for a comment, a condition or a file that is masked.

use std::fs;
use std::os::unix::fs::symlink;

use crate::doctor::well;
use crate::machine::Machine;

const NUMVFS: &str = "/sys/class/net/enp1s0/device/sriov_numvfs";

/// What `doctor` says of that check.
fn told(machine: &Machine, check: &str) -> String {
    let out = machine.railhead(&["doctor"]).out;
    let mut shown = false;
    let lines = out.lines().filter(|line| {
        // The lines below a finding begin with a blank.
        shown = if line.starts_with(' ') { shown } else { line.contains(check) };
        shown
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn whoever_makes_vfs_is_named() {
    let echo = format!("echo 4 > {NUMVFS}\n");
    let unit = format!("[Service]\nType=oneshot\nExecStart=/bin/sh -c \"echo 4 > {NUMVFS}\"\n");
    let link = "[Match]\nPermanentMACAddress=b4:96:91:00:00:07\n\n[SR-IOV]\nVirtualFunction=1\n";
    let start = "[Service]\nExecStart=/opt/site/vfs.sh enp1s0\n";
    let script = format!("#!/bin/sh\n{echo}");
    let cases: &[(&str, &str, &str)] = &[
        ("etc/systemd/network/10-a.link", link, ""),
        ("usr/lib/systemd/network/10-a.link", link, ""),
        ("etc/systemd/network/10-a.link.d/vfs.conf", "[Link]\nSR-IOVVirtualFunctions=2\n", ""),
        ("run/systemd/network/10-a.network", "[SR-IOV]\nVirtualFunction=0\nMACSpoofCheck=no\n", ""),
        ("etc/systemd/system/vfs.service", &unit, ""),
        ("usr/lib/systemd/system/vfs@.service", &unit, ""),
        ("run/systemd/system/vfs.service", &unit, ""),
        ("etc/systemd/system/network.service.d/10-vfs.conf", &unit, ""),
        ("etc/systemd/system/site.service", start, "opt/site/vfs.sh"),
        ("etc/rc.local", &echo, ""),
        ("etc/rc.d/rc.local", &echo, ""),
        ("etc/tmpfiles.d/vfs.conf", &format!("w {NUMVFS} - - - - 4\n"), ""),
        ("etc/sysfs.conf", "class/net/enp1s0/device/sriov_numvfs = 4\n", ""),
        ("etc/sysfs.d/vfs.conf", "class/net/enp1s0/device/sriov_numvfs = 4\n", ""),
        ("etc/network/interfaces", &format!("iface enp1s0 inet manual\n  up {echo}"), ""),
        ("etc/network/interfaces.d/enp1s0", &format!("  pre-up {echo}"), ""),
        ("etc/network/if-up.d/vfs", &script, ""),
        ("etc/crontab", &format!("@reboot root {echo}"), ""),
        ("etc/cron.d/vfs", "@reboot root /opt/site/vfs.sh\n", "opt/site/vfs.sh"),
        ("var/spool/cron/crontabs/root", &format!("@reboot {echo}"), ""),
        ("etc/nmstate/vfs.yml", "interfaces:\n- ethernet: {sr-iov: {total-vfs: 4}}\n", ""),
        ("etc/NetworkManager/dispatcher.d/50-vfs", &script, ""),
        ("run/NetworkManager/system-connections/a", "[sriov]\ntotal-vfs=4\n", ""),
        ("etc/modprobe.d/igb.conf", "options igb max_vfs=4\n", ""),
        ("run/modprobe.d/igb.conf", "options mlx4_core num_vfs=4\n", ""),
        ("usr/lib/udev/rules.d/60-a.rules", "ATTR{device/sriov_numvfs}=\"4\"\n", ""),
        ("etc/udev/rules.d/60-a.rules", "RUN+=\"/opt/site/vfs.sh\"\n", "opt/site/vfs.sh"),
        ("etc/netplan/50.yaml", "network: {ethernets: {v0: {link: enp1s0}, enp1s0: {}}}\n", ""),
        ("etc/cloud/cloud.cfg.d/99.cfg", &format!("bootcmd:\n- {echo}"), ""),
        ("etc/tuned/site/tuned.conf", &format!("[sysfs]\n{NUMVFS}=4\n"), ""),
        ("proc/cmdline", "quiet intel_iommu=on igb.max_vfs=4\n", ""),
    ];
    for (path, text, started) in cases {
        let machine = well();
        machine.write(path, text);
        if !started.is_empty() {
            assert_eq!(told(&machine, "vf-makers"), "", "{path}: there is no script yet");
            machine.write(started, &script);
        }
        let told = told(&machine, "vf-makers");
        assert!(told.contains(&format!("/{path}")), "{path}: {told}");
        assert!(told.contains(&format!("/{started}")), "{path}: {told}");
    }
}

#[test]
fn nobody_is_blamed_for_a_comment_or_a_condition() {
    let cases: &[(&str, &str)] = &[
        (
            "etc/systemd/network/10-a.link",
            "[Match]\nOriginalName=*\n#[SR-IOV]\n[Link]\nMTUBytes=9000\n",
        ),
        (
            "etc/systemd/system/a.service",
            "[Unit]\nConditionPathExists=/sys/class/net/a/device/sriov_numvfs\n[Service]\nExecStart=/bin/true\n",
        ),
        (
            "etc/rc.local",
            "#!/bin/sh\n# echo 4 > /sys/class/net/enp1s0/device/sriov_numvfs\nexit 0\n",
        ),
        ("etc/crontab", "* * * * * root cat /sys/class/net/enp1s0/device/sriov_numvfs\n"),
        ("etc/tmpfiles.d/a.conf", "#w /sys/class/net/enp1s0/device/sriov_numvfs - - - - 4\n"),
        ("etc/udev/rules.d/60-a.rules", "ATTR{device/sriov_numvfs}==\"0\", ENV{A}=\"b\"\n"),
        ("etc/netplan/50.yaml", "network: {vlans: {a.5: {id: 5, link: enp1s0}}}\n"),
        ("etc/modprobe.d/igb.conf", "# options igb max_vfs=4\n"),
        ("etc/nmstate/a.applied", "total-vfs: 4\n"),
    ];
    for (path, text) in cases {
        let machine = well();
        machine.write(path, text);
        assert_eq!(told(&machine, "vf-makers"), "", "{path}");
    }
}

#[test]
fn a_file_that_is_masked_makes_nothing() {
    let machine = well();
    let unit = format!("[Service]\nExecStart=/bin/sh -c 'echo 4 > {NUMVFS}'\n");
    machine.write("usr/lib/systemd/system/vfs.service", &unit);
    assert!(told(&machine, "vf-makers").contains("/usr/lib/systemd/system/vfs.service"));
    symlink("/dev/null", machine.path("etc/systemd/system/vfs.service")).unwrap();
    assert_eq!(told(&machine, "vf-makers"), "");
    fs::remove_file(machine.path("etc/systemd/system/vfs.service")).unwrap();
    machine.write("run/systemd/system/vfs.service", "[Service]\nExecStart=/bin/true\n");
    assert_eq!(told(&machine, "vf-makers"), "");
}

/// Somebody may have put a pipe where a script is looked for.
#[test]
fn nothing_is_waited_for() {
    let machine = well();
    let path = machine.path("etc/cron.d/pipe");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(told(&machine, "vf-makers"), "");
}

#[test]
fn the_network_file_counts_in_whatever_directory_it_is() {
    let ours = "[Match]\nProperty=RAILHEAD_VF=1\n\n[Link]\nUnmanaged=yes\n";
    let packaged = || {
        let machine = well();
        fs::remove_file(machine.path("etc/systemd/network/00-railhead.network")).unwrap();
        fs::rename(
            machine.path("etc/udev/rules.d/10-railhead.rules"),
            machine.path("10-railhead.rules"),
        )
        .unwrap();
        machine
    };
    for (rules, network) in [("usr/lib", "usr/lib"), ("lib", "run"), ("run", "usr/local/lib")] {
        let machine = packaged();
        machine.write(&format!("{rules}/udev/rules.d/10-railhead.rules"), "#\n");
        assert!(told(&machine, "networkd").contains("50.network"), "{network}: not yet");
        machine.write(&format!("{network}/systemd/network/00-railhead.network"), ours);
        assert_eq!(told(&machine, "networkd"), "", "{network}");
        // One of the same name in a higher place counts instead.
        let place = "etc/systemd/network/00-railhead.network";
        symlink("/dev/null", machine.path(place)).unwrap();
        let masked = told(&machine, "networkd");
        assert!(masked.contains(&format!("sudo rm /{place}")), "{network}: {masked}");
        fs::remove_file(machine.path(place)).unwrap();
        machine.write("etc/systemd/network/00-first.network", "[Match]\nName=en* eth*\n");
        let first = told(&machine, "networkd");
        assert!(first.contains("/etc/systemd/network/00-first.network"), "{network}: {first}");
        assert!(!first.contains("50.network"), "{network}: {first}");
    }
}
