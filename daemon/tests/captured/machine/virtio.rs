//! virtio-net functions as their sysfs shows them: the netdev is that of the virtio device which the
//! function carries.

use std::fs;
use std::os::unix::fs::symlink;

use super::Machine;

impl Machine {
    /// Adds a PF on bus `bus` whose netdev is called `name`, with two VFs `nameV0` and `nameV1`.
    pub(crate) fn virtio(&self, bus: u8, name: &str) {
        let pf = format!("0000:{bus:02x}:00.3");
        self.virtio_function(&pf, 20, name);
        for (file, value) in [
            ("sriov_totalvfs", "16"),
            ("sriov_numvfs", "2"),
            ("sriov_drivers_autoprobe", "1"),
            ("sriov_offset", "9"),
            ("sriov_stride", "1"),
            ("sriov_vf_device", "1041"),
        ] {
            self.write(&format!("sys/bus/pci/devices/{pf}/{file}"), &format!("{value}\n"));
        }
        for index in 0..2_u8 {
            let vf = format!("0000:{bus:02x}:01.{}", 4 + index);
            self.virtio_function(&vf, 30 + index, &format!("{name}V{index}"));
            let devices = self.path("sys/bus/pci/devices");
            symlink(format!("../{vf}"), devices.join(&pf).join(format!("virtfn{index}"))).unwrap();
            symlink(format!("../{pf}"), devices.join(&vf).join("physfn")).unwrap();
        }
    }

    fn virtio_function(&self, address: &str, index: u8, netdev: &str) {
        self.function(address, "1041", Some("virtio-pci"), None);
        let at = format!("sys/bus/pci/devices/{address}");
        self.write(&format!("{at}/vendor"), "0x1af4\n");
        fs::create_dir_all(self.path(&format!("{at}/virtio{index}/net/{netdev}"))).unwrap();
        self.netdev(netdev, index, 1450, true);
    }
}
