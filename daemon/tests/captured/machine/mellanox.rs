//! NVIDIA NICs (`mlx5_core`) as their sysfs shows them.

use std::os::unix::fs::symlink;

use super::Machine;

/// A model with one link layer.
pub(crate) struct Model {
    device: &'static str,
    vf_device: &'static str,
    /// PCI class: Ethernet or InfiniBand controller.
    class: &'static str,
    /// `ARPHRD_*`.
    hardware: &'static str,
    address: &'static str,
    mtu: &'static str,
    speed: &'static str,
}

/// ConnectX-6 Dx: Ethernet.
pub(crate) const CONNECTX_6_DX: Model = Model {
    device: "101d",
    vf_device: "101e",
    class: "0x020000",
    hardware: "1",
    address: "b8:ce:f6:00:00:01",
    mtu: "1500",
    speed: "100000",
};

/// ConnectX-6 with an InfiniBand link: the netdev is IPoIB's, with an address of 20 octets.
pub(crate) const CONNECTX_6_IB: Model = Model {
    device: "101b",
    vf_device: "101c",
    class: "0x020700",
    hardware: "32",
    address: "00:00:10:49:fe:80:00:00:00:00:00:00:b8:ce:f6:03:00:00:00:01",
    mtu: "4092",
    speed: "200000",
};

impl Machine {
    /// Adds a PF on bus `bus` whose firmware allows eight VFs, with `vfs` VFs that have no driver
    /// yet. The VFs follow on the PF at once; PF and VFs have one driver.
    pub(crate) fn mellanox(&self, model: &Model, bus: u8, name: &str, vfs: u16) {
        let pf = format!("0000:{bus:02x}:00.0");
        self.mellanox_function(model, &pf, model.device, Some(name));
        for (file, value) in [
            ("sriov_totalvfs", "8".to_owned()),
            ("sriov_numvfs", vfs.to_string()),
            ("sriov_drivers_autoprobe", "1".to_owned()),
            ("sriov_offset", "2".to_owned()),
            ("sriov_stride", "1".to_owned()),
            ("sriov_vf_device", model.vf_device.to_owned()),
        ] {
            self.write(&format!("sys/bus/pci/devices/{pf}/{file}"), &format!("{value}\n"));
        }
        for (file, value) in [
            ("ifindex", "4"),
            ("mtu", model.mtu),
            ("flags", "0x1003"),
            ("address", model.address),
            ("operstate", "up"),
            ("type", model.hardware),
            ("speed", model.speed),
        ] {
            self.write(&format!("sys/class/net/{name}/{file}"), &format!("{value}\n"));
        }
        for index in 0..vfs {
            let (device, function) = ((2 + index) / 8, (2 + index) % 8);
            let vf = format!("0000:{bus:02x}:{device:02x}.{function}");
            self.mellanox_function(model, &vf, model.vf_device, None);
            let devices = self.path("sys/bus/pci/devices");
            symlink(format!("../{vf}"), devices.join(&pf).join(format!("virtfn{index}"))).unwrap();
            symlink(format!("../{pf}"), devices.join(&vf).join("physfn")).unwrap();
        }
    }

    fn mellanox_function(&self, model: &Model, at: &str, device: &str, netdev: Option<&str>) {
        self.function(at, device, netdev.map(|_| "mlx5_core"), netdev);
        self.write(&format!("sys/bus/pci/devices/{at}/vendor"), "0x15b3\n");
        self.write(&format!("sys/bus/pci/devices/{at}/class"), &format!("{}\n", model.class));
        self.write(&format!("sys/bus/pci/devices/{at}/numa_node"), "1\n");
    }
}
