//! `railhead doctor`: each of its findings, provoked on a machine that is otherwise well.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

use crate::machine::Machine;

const RELEASE: &str = "6.12.95";
const NET: &str = "apiVersion: sriovnetwork.openshift.io/v1
kind: SriovNetworkNodePolicy
metadata: {name: net}
spec: {nodeSelector: {}, resourceName: net, numVfs: 2, deviceType: vfio-pci, nicSelector: {pfNames: [enp1s0]}}
";

/// A machine on which everything is as it should be.
pub(crate) fn well() -> Machine {
    let machine = Machine::new();
    machine.igb(1, "enp1s0", 0);
    machine.objects("net.yaml", NET);
    machine.write("proc/sys/kernel/osrelease", &format!("{RELEASE}\n"));
    machine.write("proc/self/status", "Name:\trailhead\nCapEff:\t000001ffffffffff\n");
    machine.write("proc/cpuinfo", "vendor_id\t: GenuineIntel\n");
    machine.write("proc/cmdline", "quiet intel_iommu=on\n");
    machine.write("boot/config-6.12.95", "CONFIG_PCI_IOV=y\nCONFIG_NET_NS=y\nCONFIG_VFIO_PCI=m\n");
    machine.write("lib/modules/6.12.95/modules.dep", "kernel/vfio-pci.ko.xz: kernel/vfio.ko.xz\n");
    machine.write(
        "lib/modules/6.12.95/modules.alias",
        "alias pci:v00008086d000010CAsv*sd*bc*sc*i* igbvf\n",
    );
    machine.write("sys/class/iommu/dmar0/name", "");
    plugin(
        &machine,
        env!("CARGO_PKG_VERSION"),
        if cfg!(target_arch = "aarch64") { 183 } else { 62 },
    );
    for name in ["sriov", "nv-ipam"] {
        symlink("railhead-cni", machine.path(&format!("opt/cni/bin/{name}"))).unwrap();
    }
    fs::create_dir_all(machine.path("run/systemd/system")).unwrap();
    machine.write("usr/local/bin/railhead", "");
    fs::create_dir_all(machine.path("etc/systemd/system/multi-user.target.wants")).unwrap();
    for unit in ["railhead.service", "railhead-boot.service"] {
        let text = "[Service]\nExecStart=/usr/local/bin/railhead daemon\n";
        machine.write(&format!("etc/systemd/system/{unit}"), text);
        let link = machine.path(&format!("etc/systemd/system/multi-user.target.wants/{unit}"));
        symlink(format!("../{unit}"), link).unwrap();
    }
    machine.write("run/NetworkManager/pid", "");
    machine.write("run/systemd/netif/state", "");
    machine.write("etc/systemd/network/50.network", "[Match]\nName=en*\n\n[Network]\nDHCP=yes\n");
    let rules = include_str!("../../../systemd/railhead.rules");
    machine.write("etc/udev/rules.d/10-railhead.rules", rules);
    machine.write("etc/systemd/network/00-railhead.network", "[Link]\nUnmanaged=yes\n");
    machine.write("var/lib/railhead/last-good.json", "{\"version\": 1, \"objects\": []}\n");
    machine.as_installed();
    mode(&machine, "var/lib/railhead", 0o700);
    machine
}

/// A plugins' binary of that version, for that processor.
fn plugin(machine: &Machine, version: &str, processor: u8) {
    let header = ["\x7fELF", &"\0".repeat(14)].concat() + &char::from(processor % 128).to_string();
    let mut content = header.into_bytes();
    content[18] = processor;
    content.extend(format!("\0railhead-cni install DIR\0railhead-cni {version}\n").bytes());
    let path = machine.path("opt/cni/bin/railhead-cni");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

fn mode(machine: &Machine, path: &str, mode: u32) {
    fs::set_permissions(machine.path(path), Permissions::from_mode(mode)).unwrap();
}

fn remove(machine: &Machine, path: &str) {
    let path = machine.path(path);
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
}

fn no_iommu(machine: &Machine) {
    remove(machine, "sys/class/iommu");
    machine.write("sys/firmware/acpi/tables/DMAR", "");
    machine.write("proc/cmdline", "quiet\n");
}

fn mellanox(machine: &Machine) {
    machine.write("sys/bus/pci/devices/0000:01:00.0/vendor", "0x15b3\n");
    machine.objects("net.yaml", &NET.replace("numVfs: 2", "numVfs: 64"));
}

type Provoke = fn(&Machine);

const PROVOCATIONS: &[(&str, Provoke)] = &[
    ("an old kernel", |machine| machine.write("proc/sys/kernel/osrelease", "5.4.0-150-generic\n")),
    ("an ordinary user", |machine| {
        machine.write("proc/self/status", "CapEff:\t0000000000000000\n");
    }),
    ("a kernel without SR-IOV", |machine| {
        machine.write(
            "boot/config-6.12.95",
            "# CONFIG_PCI_IOV is not set\nCONFIG_NET_NS=y\nCONFIG_VFIO_PCI=m\n",
        );
    }),
    ("no vfio-pci", |machine| machine.write("lib/modules/6.12.95/modules.dep", "")),
    ("a VF driver kept out", |machine| {
        machine.write("etc/modprobe.d/virt.conf", "# not ours\nblacklist igbvf\n");
    }),
    ("no IOMMU, nobody asks", |machine| {
        no_iommu(machine);
        machine.objects("net.yaml", &NET.replace("vfio-pci", "netdevice"));
    }),
    ("no IOMMU, grubby", |machine| {
        no_iommu(machine);
        machine.write("usr/sbin/grubby", "");
    }),
    ("no IOMMU, update-grub", |machine| {
        no_iommu(machine);
        machine.write("usr/sbin/update-grub", "");
    }),
    ("no IOMMU, kernelstub", |machine| {
        no_iommu(machine);
        machine.write("usr/bin/kernelstub", "");
    }),
    ("no IOMMU, rpm-ostree", |machine| {
        no_iommu(machine);
        machine.write("run/ostree-booted", "");
        machine.write("usr/bin/rpm-ostree", "");
    }),
    ("no IOMMU, off in the firmware", |machine| {
        no_iommu(machine);
        remove(machine, "sys/firmware/acpi/tables/DMAR");
    }),
    ("no IOMMU, switched off, AMD", |machine| {
        no_iommu(machine);
        machine.write("proc/cpuinfo", "vendor_id\t: AuthenticAMD\n");
        machine.write("proc/cmdline", "quiet amd_iommu=off\n");
        machine.write("usr/sbin/grubby", "");
    }),
    ("an mlx5 firmware with fewer VFs", mellanox),
    ("an mlx5 firmware without SR-IOV", |machine| {
        mellanox(machine);
        machine.write("sys/bus/pci/devices/0000:01:00.0/sriov_totalvfs", "0\n");
    }),
    ("more VFs than an Intel card has", |machine| {
        machine.objects("net.yaml", &NET.replace("numVfs: 2", "numVfs: 8"));
    }),
    ("no memory for VFs", |machine| {
        let bar = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n";
        let vf_bar = "0x0000000000000000 0x000000000003ffff 0x0000000000140204\n";
        let text = [bar.repeat(7), vf_bar.to_owned(), bar.repeat(5)].concat();
        machine.write("sys/bus/pci/devices/0000:01:00.0/resource", &text);
    }),
    ("no memory for VFs, as newer kernels show it", |machine| {
        let bar = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n";
        machine.write("sys/bus/pci/devices/0000:01:00.0/resource", &bar.repeat(13));
    }),
    ("memory for the first BAR of VFs alone", |machine| {
        let bar = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n";
        let first = "0x00000000fe7e0000 0x00000000fe7fffff 0x000000000014220c\n";
        let text = [bar.repeat(7), first.to_owned(), bar.repeat(5)].concat();
        machine.write("sys/bus/pci/devices/0000:01:00.0/resource", &text);
        let mut config = vec![0_u8; 4096];
        // The capability, VF BAR 0, VF BAR 3: both for 64 bits.
        config[0x100] = 0x10;
        (config[0x124], config[0x130]) = (0x0c, 0x0c);
        fs::write(machine.path("sys/bus/pci/devices/0000:01:00.0/config"), config).unwrap();
    }),
    ("no NIC", |machine| {
        remove(machine, "sys/bus/pci/devices/0000:01:00.0");
        remove(machine, "etc/railhead/objects/net.yaml");
    }),
    ("the operator's daemon", |machine| {
        machine.write("proc/77/cmdline", "anybody may call themselves as they like\0");
        let program = "/usr/bin/sriov-network-config-daemon (deleted)";
        symlink(program, machine.path("proc/77/exe")).unwrap();
        machine.write("proc/77/status", &status_of("0\t0\t0\t0", "000001ffffffffff"));
        fs::create_dir(machine.path("proc/77/ns")).unwrap();
        symlink("user:[4026531837]", machine.path("proc/77/ns/user")).unwrap();
        // A process of somebody who calls theirs so.
        machine.write("proc/66/status", &status_of("1000\t1000\t1000\t1000", "0"));
        symlink(program, machine.path("proc/66/exe")).unwrap();
    }),
    ("the operator's files", |machine| {
        machine.write("etc/udev/rules.d/10-nm-disable-0000:01:00.0.rules", "");
        machine.write("etc/systemd/system/sriov-config.service", "");
        machine.write("etc/modprobe.d/sriov_network_operator_modules_config.conf", "");
    }),
    ("others who make VFs", |machine| {
        machine.write("etc/udev/rules.d/50-vfs.rules", "ATTR{device/sriov_numvfs}=\"4\"\n");
        machine.write("etc/netplan/50.yaml", "virtual-function-count: 4\n# none\n");
    }),
    ("a rule that renames everything", |machine| {
        machine.write(
            "etc/udev/rules.d/70-net.rules",
            "SUBSYSTEM==\"net\", ACTION==\"add\", NAME=\"lan%n\"\n",
        );
    }),
    ("network managers that nobody keeps from VFs", |machine| {
        remove(machine, "etc/udev/rules.d/10-railhead.rules");
    }),
    ("no plugins", |machine| remove(machine, "opt/cni/bin")),
    ("a link that is somebody else's", |machine| {
        remove(machine, "opt/cni/bin/sriov");
        machine.write("opt/cni/bin/sriov", "upstream's");
        remove(machine, "opt/cni/bin/nv-ipam");
    }),
    ("a plugin of another version", |machine| {
        plugin(machine, "0.0.9", if cfg!(target_arch = "aarch64") { 183 } else { 62 });
    }),
    ("a plugin for another processor", |machine| plugin(machine, env!("CARGO_PKG_VERSION"), 40)),
    ("a plugin that is not executable", |machine| {
        mode(machine, "opt/cni/bin/railhead-cni", 0o644);
    }),
    ("a runtime that looks elsewhere", |machine| {
        machine.write(
            "etc/containerd/config.toml",
            "[plugins.'io.containerd.cri.v1.runtime'.cni]\n  bin_dirs = ['/usr/lib/cni']\n",
        );
        fs::create_dir_all(machine.path("usr/lib/cni")).unwrap();
    }),
    ("objects that anybody may write", |machine| mode(machine, "etc/railhead/objects", 0o777)),
    ("a clock that went back", |machine| {
        let file =
            File::options().write(true).open(machine.path("var/lib/railhead/last-good.json"));
        let later = SystemTime::now() + Duration::from_secs(100 * 24 * 3600 + 3600);
        file.unwrap().set_modified(later).unwrap();
    }),
    ("a service that is not enabled, and one that starts nothing", |machine| {
        remove(machine, "etc/systemd/system/multi-user.target.wants/railhead-boot.service");
        remove(machine, "usr/local/bin/railhead");
    }),
    ("no services", |machine| {
        remove(machine, "etc/systemd/system/railhead.service");
        remove(machine, "etc/systemd/system/railhead-boot.service");
    }),
    ("a damaged store", |machine| {
        machine.write("run/railhead/store/state.mdb", "no store at all");
        mode(machine, "run/railhead", 0o700);
    }),
    ("a store that was set aside", |machine| {
        machine.write("run/railhead/store/state.mdb.damaged-1", "");
        mode(machine, "run/railhead", 0o700);
    }),
    ("an object that breaks rules", |machine| {
        machine.objects("net.yaml", &NET.replace("enp1s0", "'enp1s0#3-1'"));
    }),
    ("an unknown setting", |machine| {
        machine.write("etc/railhead/railhead.yaml", "nodeName: lab\nnodeNmae: lab\n");
    }),
    ("no settings", |machine| machine.write("etc/railhead/railhead.yaml", "nodeName: [\n")),
];

#[test]
fn a_machine_that_is_well() {
    let ran = well().railhead(&["doctor"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    insta::assert_snapshot!(ran.out.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
}

#[test]
fn each_finding_says_what_why_and_how_to_mend_it() {
    let mut all = String::new();
    for (name, provoke) in PROVOCATIONS {
        let machine = well();
        provoke(&machine);
        let before = machine.contents();
        let ran = machine.railhead(&["doctor"]);
        assert!(machine.contents() == before, "{name}: doctor changes nothing");
        let mut shown = false;
        all.push_str(&format!("{name} (exit status {}):\n", ran.code));
        for line in ran.out.lines().skip(1) {
            // The lines below a finding begin with a blank.
            shown = if line.starts_with(' ') { shown } else { !line.starts_with("ok") };
            if shown {
                all.push_str(&format!("  {}\n", line));
            }
        }
    }
    insta::assert_snapshot!(all.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
}

#[test]
fn as_json() {
    let machine = well();
    remove(&machine, "opt/cni/bin/sriov");
    let ran = machine.railhead(&["doctor", "-o", "json"]);
    assert_eq!(ran.code, 1);
    let found: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let wrong: Vec<&serde_json::Value> = found["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["level"] != "ok")
        .collect();
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert_eq!(wrong[0]["check"], "plugin-links");
    assert_eq!(wrong[0]["what"], "/opt/cni/bin/sriov is missing");
    assert!(wrong[0]["mend"][0].as_str().unwrap().starts_with("sudo railhead-cni install"));
}

/// As much of `/proc/PID/status` as every kernel writes.
fn status_of(users: &str, capabilities: &str) -> String {
    format!(
        "Name:\tx\nState:\tS (sleeping)\nTgid:\t7\nPid:\t7\nPPid:\t1\nTracerPid:\t0\nUid:\t{users}\n\
         Gid:\t0\t0\t0\t0\nFDSize:\t64\nGroups:\t \nThreads:\t1\nSigQ:\t0/9\nSigPnd:\t0\nShdPnd:\t0\n\
         SigBlk:\t0\nSigIgn:\t0\nSigCgt:\t0\nCapInh:\t0\nCapPrm:\t0\nCapEff:\t{capabilities}\n"
    )
}
