//! A captured machine: the files that railhead looks at, in a directory of their own.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub(crate) mod mellanox;
pub(crate) mod virtio;

/// A machine with Intel 82576 NICs.
pub(crate) struct Machine {
    directory: tempfile::TempDir,
}

/// What a run of `railhead` came to.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let machine = Self { directory: tempfile::tempdir().unwrap() };
        fs::create_dir_all(machine.path("sys/bus/pci/devices")).unwrap();
        machine.write("etc/railhead/railhead.yaml", "nodeName: lab\n");
        machine
    }

    pub(crate) fn root(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn objects(&self, name: &str, content: &str) {
        self.write(&format!("etc/railhead/objects/{name}"), content);
    }

    /// Adds a PF on bus `bus` with `vfs` VFs bound to igbvf.
    pub(crate) fn igb(&self, bus: u8, name: &str, vfs: u16) {
        let pf = format!("0000:{bus:02x}:00.0");
        self.function(&pf, "10c9", Some("igb"), Some(name));
        for (file, value) in [
            ("sriov_totalvfs", "7".to_owned()),
            ("sriov_numvfs", vfs.to_string()),
            ("sriov_drivers_autoprobe", "1".to_owned()),
            ("sriov_offset", "128".to_owned()),
            ("sriov_stride", "2".to_owned()),
            ("sriov_vf_device", "10ca".to_owned()),
        ] {
            self.write(&format!("sys/bus/pci/devices/{pf}/{file}"), &format!("{value}\n"));
        }
        self.netdev(name, bus, 1500, true);
        for index in 0..vfs {
            let vf = format!("0000:{bus:02x}:1{:x}.{}", index / 4, index % 4 * 2);
            let netdev = format!("{name}v{index}");
            self.function(&vf, "10ca", Some("igbvf"), Some(&netdev));
            self.netdev(&netdev, bus + 10 + u8::try_from(index).unwrap(), 1500, false);
            let devices = self.path("sys/bus/pci/devices");
            symlink(format!("../{vf}"), devices.join(&pf).join(format!("virtfn{index}"))).unwrap();
            symlink(format!("../{pf}"), devices.join(&vf).join("physfn")).unwrap();
        }
    }

    /// Adds a function with a netdev of that name.
    pub(crate) fn function(
        &self,
        address: &str,
        device: &str,
        driver: Option<&str>,
        netdev: Option<&str>,
    ) {
        let at = |file: &str| format!("sys/bus/pci/devices/{address}/{file}");
        self.write(&at("vendor"), "0x8086\n");
        self.write(&at("device"), &format!("0x{device}\n"));
        self.write(&at("class"), "0x020000\n");
        self.write(&at("numa_node"), "-1\n");
        self.write(&at("driver_override"), "(null)\n");
        self.write(&at("modalias"), "pci:v00008086d000010CAsv*\n");
        if let Some(driver) = driver {
            fs::create_dir_all(self.path(&format!("sys/bus/pci/drivers/{driver}"))).unwrap();
            symlink(format!("../../drivers/{driver}"), self.path(&at("driver"))).unwrap();
        }
        if let Some(netdev) = netdev {
            fs::create_dir_all(self.path(&at(&format!("net/{netdev}")))).unwrap();
        }
    }

    /// Adds a NIC without SR-IOV, of which `ids` are vendor and device.
    pub(crate) fn nic(&self, address: &str, ids: &str, driver: &str, name: &str) {
        let (vendor, device) = ids.split_once(':').unwrap();
        self.function(address, device, Some(driver), Some(name));
        self.write(&format!("sys/bus/pci/devices/{address}/vendor"), &format!("0x{vendor}\n"));
        self.netdev(name, 77, 1500, true);
    }

    /// Gives a function one more netdev, which is the port `port` of the switch `switch`.
    pub(crate) fn port(&self, function: &str, name: &str, index: u8, port: &str, switch: &str) {
        let net = format!("sys/bus/pci/devices/{function}/net/{name}");
        fs::create_dir_all(self.path(&net)).unwrap();
        self.netdev(name, index, 1500, true);
        self.write(&format!("sys/class/net/{name}/phys_port_name"), &format!("{port}\n"));
        self.write(&format!("sys/class/net/{name}/phys_switch_id"), &format!("{switch}\n"));
    }

    /// Gives a function an IOMMU group.
    pub(crate) fn iommu_group(&self, address: &str, group: u32) {
        let groups = self.path(&format!("sys/kernel/iommu_groups/{group}"));
        fs::create_dir_all(groups).unwrap();
        let link = self.path(&format!("sys/bus/pci/devices/{address}/iommu_group"));
        symlink(format!("../../../../kernel/iommu_groups/{group}"), link).unwrap();
    }

    pub(crate) fn netdev(&self, name: &str, index: u8, mtu: u32, up: bool) {
        for (file, value) in [
            ("ifindex", index.to_string()),
            ("mtu", mtu.to_string()),
            ("flags", if up { "0x1003" } else { "0x1002" }.to_owned()),
            ("address", format!("52:54:00:00:00:{index:02x}")),
            ("operstate", if up { "up" } else { "down" }.to_owned()),
            ("type", "1".to_owned()),
            ("speed", if up { "1000" } else { "-1" }.to_owned()),
        ] {
            self.write(&format!("sys/class/net/{name}/{file}"), &format!("{value}\n"));
        }
    }

    /// Runs `railhead` on it.
    pub(crate) fn railhead(&self, arguments: &[&str]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_railhead"))
            .arg("--root")
            .arg(self.root())
            .args(arguments)
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        self.ran(&output)
    }

    /// Runs `railhead` on the dump in `file`.
    pub(crate) fn replay(&self, file: &str, arguments: &[&str]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_railhead"))
            .args(["--replay", file])
            .args(arguments)
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        self.ran(&output)
    }

    fn ran(&self, output: &Output) -> Ran {
        let root = self.root().to_str().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().replace(root, "");
        Ran {
            code: output.status.code().unwrap(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    /// Takes from everybody but the owner what the umask of who runs the tests may have left.
    pub(crate) fn as_installed(&self) {
        let mut left = vec![self.root().to_owned()];
        while let Some(path) = left.pop() {
            if path.is_symlink() {
                continue;
            }
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            fs::set_permissions(&path, Permissions::from_mode(mode & !0o022)).unwrap();
            if path.is_dir() {
                left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
        }
    }

    /// Every file with its content and every link with its target, to see what a run changed.
    pub(crate) fn contents(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        let mut directories = vec![self.root().to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_symlink() {
                    let target = fs::read_link(&path).unwrap();
                    found.push((path, target.into_os_string().into_encoded_bytes()));
                } else if path.is_dir() {
                    directories.push(path);
                } else {
                    let content = fs::read(&path).unwrap();
                    found.push((path, content));
                }
            }
        }
        found.sort();
        found
    }
}

/// A policy for VFs of some PFs.
pub(crate) fn policy(name: &str, pfs: &str, num_vfs: u32, more: &str) -> String {
    format!(
        "apiVersion: sriovnetwork.openshift.io/v1
kind: SriovNetworkNodePolicy
metadata: {{name: {name}}}
spec:
  nodeSelector: {{}}
  resourceName: {name}
  numVfs: {num_vfs}
  nicSelector: {{pfNames: [{pfs}]}}
{more}"
    )
}

/// A pool that every node gets eight addresses of.
pub(crate) fn ip_pool(name: &str, subnet: &str) -> String {
    format!(
        "apiVersion: nv-ipam.nvidia.com/v1alpha1
kind: IPPool
metadata: {{name: {name}}}
spec: {{subnet: {subnet}, perNodeBlockSize: 8}}
"
    )
}
