//! Attachments that sriov-cni made before railhead took its place on the node.
//!
//! sriov-cni keeps the config and the VF's original state in `/var/lib/cni/sriov/CONTAINER-IFNAME`
//! (`SriovNetConf` in its pkg/types/types.go), and the namespace's path in `pci/DEVICE` beside it.
//! The first DEL for such an attachment makes a [`Record`] of them, and goes on as any other.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use conf::cni::{CniArgs, Error};
use conf::plugin::PluginName;
use conf::plugin::sriov::SriovConf;
use conf::{LinkState, Mac, OnOff, PciAddress, ResetOnRelease, VfIndex};
use conf::{VlanId, VlanProto, VlanQos};
use ipam::AttachmentKey;
use ipam::nv_ipam::store_error;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Host, addresses, wish};
use crate::attachment::{FORMAT, HostLink, Ipam, Record, State};
use crate::delegate::SearchPath;
use crate::kernel::vf::{VfChange, VfConfig};
use crate::nv_ipam::cookie_at;
use crate::protocol::Call;
use crate::transaction;

const DIRECTORY: &str = "/var/lib/cni/sriov";

/// Takes over the attachment of `key`, if sriov-cni made it; says whether there is a record now.
///
/// A file from before the last boot describes what is no more, and goes.
///
/// # Errors
/// Those of the store.
pub(super) fn import(
    host: &Host,
    call: &Call,
    key: &AttachmentKey,
    netns: Option<&Path>,
) -> Result<bool, Error> {
    let directory = host.root.join(DIRECTORY);
    let file = directory.join(format!("{}-{}", key.container, key.ifname));
    let Ok(text) = fs::read(&file) else { return Ok(false) };
    let cached = match serde_json::from_slice::<Cached>(&text) {
        Ok(cached) => cached,
        Err(cause) => {
            call.log.warning(&format_args!("{} is ignored: {cause}", file.display()));
            return Ok(false);
        }
    };
    let allocated = directory.join("pci").join(cached.device.to_string());
    let record = if is_of_this_boot(&file) {
        record(host, call, key, &cached, &text, path_in(&allocated).as_deref().or(netns))?
    } else {
        None
    };
    let imported = match record {
        Some(record) => transaction::write(&host.store, |txn| {
            // Ours by now, for another container: then only the files are left of the old one.
            if txn.claim_vf(record.vf, key).map_err(store_error)?.is_err() {
                return Ok(false);
            }
            txn.put_attachment(key, &record).map_err(store_error)?;
            Ok(true)
        })?,
        None => false,
    };
    call.log.info(&format_args!("took {key} over from sriov-cni: {imported}"));
    for path in [&file, &allocated] {
        // What stays is looked at again by a DEL for the same container, which never comes.
        fs::remove_file(path).ok();
    }
    Ok(imported)
}

/// The file, as far as it says how the VF was and what was changed. Go writes the keys so.
#[derive(Deserialize)]
struct Cached {
    #[serde(rename = "deviceID")]
    device: PciAddress,
    #[serde(rename = "OrigVfState")]
    original: Original,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Original {
    #[serde(rename = "HostIFName")]
    host_ifname: String,
    spoof_chk: bool,
    #[serde(default)]
    trust: bool,
    #[serde(rename = "AdminMAC")]
    admin_mac: Option<Mac>,
    #[serde(rename = "EffectiveMAC", default, deserialize_with = "mac_or_nothing")]
    effective_mac: Option<Mac>,
    vlan: i64,
    #[serde(rename = "VlanQoS")]
    vlan_qos: i64,
    #[serde(default)]
    vlan_proto: u32,
    min_tx_rate: u32,
    max_tx_rate: u32,
    link_state: u32,
    #[serde(rename = "MTU", default)]
    mtu: u32,
}

/// A VF without a netdev has an empty text for its address.
fn mac_or_nothing<'de, D: serde::Deserializer<'de>>(text: D) -> Result<Option<Mac>, D::Error> {
    Ok(String::deserialize(text)?.parse().ok())
}

fn record(
    host: &Host,
    call: &Call,
    key: &AttachmentKey,
    cached: &Cached,
    text: &[u8],
    netns: Option<&Path>,
) -> Result<Option<Record>, Error> {
    let vf = cached.device;
    let Some(function) = host.sysfs.function_while_stuck(vf)? else { return Ok(None) };
    let (Some(incarnation), Some(pf), Some(driver)) =
        (host.sysfs.incarnation(vf)?, function.physfn, function.driver)
    else {
        return Ok(None);
    };
    let Some(vf_index) = host.sysfs.vf_index(pf, vf)? else { return Ok(None) };
    let before = cached.original.by_pf(vf_index);
    let (change, ipam) = asked_for(text, &before);
    let link = (!driver.is_userspace()).then(|| cached.original.link());
    Ok(Some(Record {
        format: FORMAT,
        state: State::Attached,
        key: key.clone(),
        network: call.network.clone(),
        pod: None,
        netns: netns.map(Path::to_owned).unwrap_or_default(),
        // No namespace has the cookie 0.
        netns_cookie: netns.and_then(cookie_at).unwrap_or_default(),
        vf,
        incarnation,
        pf,
        vf_index,
        driver,
        link,
        before: Some(before),
        change,
        mtu: None,
        ipam: memory(call, ipam),
        device_info: None,
        reset: ResetOnRelease::default(),
        fence: None,
    }))
}

/// What the config asked for. The file holds it as it came, but for the MAC, which may have come
/// from elsewhere and stands under another key.
fn asked_for(text: &[u8], before: &VfConfig) -> (VfChange, Option<PluginName>) {
    let document: Map<String, Value> = serde_json::from_slice(text).unwrap_or_default();
    match SriovConf::read(&document, &CniArgs::default()) {
        Ok(checked) => (wish::change(&checked.conf, before), checked.conf.ipam),
        Err(_) => (VfChange::default(), None),
    }
}

fn memory(call: &Call, ipam: Option<PluginName>) -> Ipam {
    let Some(plugin) = ipam else { return Ipam::None };
    match addresses::foreign(&plugin, &[SearchPath::of(call)]) {
        Ok(None) => Ipam::Own,
        _ => Ipam::Foreign(addresses::memory(plugin, call)),
    }
}

impl Original {
    fn by_pf(&self, index: VfIndex) -> VfConfig {
        const AD: u32 = 0x88a8;
        let fresh = wish::unread(index);
        VfConfig {
            mac: self.admin_mac.unwrap_or(Mac::ZERO),
            vlan: VlanId::try_from(self.vlan).unwrap_or(fresh.vlan),
            qos: VlanQos::try_from(self.vlan_qos).unwrap_or(fresh.qos),
            proto: if self.vlan_proto == AD { VlanProto::Ad } else { VlanProto::Q },
            min_tx_rate: self.min_tx_rate,
            max_tx_rate: self.max_tx_rate,
            spoofchk: Some(OnOff::from(self.spoof_chk)),
            trust: Some(OnOff::from(self.trust)),
            // IFLA_VF_LINK_STATE_*
            link_state: Some(match self.link_state {
                1 => LinkState::Enable,
                2 => LinkState::Disable,
                _ => LinkState::Auto,
            }),
            ..fresh
        }
    }

    fn link(&self) -> HostLink {
        HostLink {
            index: 0,
            name: self.host_ifname.clone(),
            altnames: None,
            mac: self.effective_mac,
            permanent_mac: None,
            mtu: self.mtu,
            up: false,
            promisc: false,
            allmulti: false,
            settings: None,
            tuning: None,
            tuned: None,
        }
    }
}

/// The path that a file holds.
fn path_in(file: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(file).ok()?;
    let path = PathBuf::from(text.trim());
    path.is_absolute().then_some(path)
}

/// Whether the file was written since the machine started.
fn is_of_this_boot(file: &Path) -> bool {
    let written = fs::metadata(file).and_then(|metadata| metadata.modified());
    let (Ok(written), Ok(uptime)) = (written, transaction::now()) else { return false };
    let started = SystemTime::now().checked_sub(uptime.since_start());
    started.is_some_and(|started| written >= started)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As sriov-cni 2.10 writes it, shortened by keys that do not matter here.
    fn file() -> Value {
        json!({
            "cniVersion": "0.3.1", "name": "net", "type": "sriov", "ipam": {"type": "host-local"}, "dns": {},
            "OrigVfState": {
                "HostIFName": "eth1", "SpoofChk": true, "Trust": false, "AdminMAC": "00:00:00:00:00:00",
                "EffectiveMAC": "02:00:00:00:00:09", "Vlan": 0, "VlanQoS": 0, "VlanProto": 33024,
                "MinTxRate": 0, "MaxTxRate": 0, "LinkState": 0, "MTU": 1500,
            },
            "Master": "enp1s0", "MAC": "02:11:22:33:44:55", "MTU": null, "vlan": 100, "vlanQoS": 0,
            "vlanProto": "802.1q", "deviceID": "0000:01:10.0", "VFID": 0, "min_tx_rate": null,
            "max_tx_rate": null, "trust": "on", "runtimeConfig": {},
        })
    }

    #[test]
    fn what_was_and_what_was_asked_for() {
        let cached: Cached = serde_json::from_value(file()).unwrap();
        assert_eq!(cached.device.to_string(), "0000:01:10.0");
        let before = cached.original.by_pf(VfIndex(0));
        assert_eq!(before, VfConfig { index: VfIndex(0), ..wish::unread(VfIndex(0)) });
        let link = cached.original.link();
        assert_eq!((link.name.as_str(), link.mtu, link.altnames), ("eth1", 1500, None));
        let (change, ipam) = asked_for(file().to_string().as_bytes(), &before);
        assert_eq!(change.to_string(), "mac 02:11:22:33:44:55, vlan 100 qos 0 802.1q, trust on");
        assert_eq!(ipam.unwrap().as_str(), "host-local");
    }

    #[test]
    fn older_files_lack_some_of_it() {
        let mut older = file();
        let state = older["OrigVfState"].as_object_mut().unwrap();
        for key in ["Trust", "VlanProto", "MTU"] {
            state.remove(key);
        }
        state.insert("EffectiveMAC".to_owned(), json!(""));
        let cached: Cached = serde_json::from_value(older).unwrap();
        assert_eq!(cached.original.link().mac, None);
        assert_eq!(cached.original.by_pf(VfIndex(0)).proto, VlanProto::Q);
    }

    #[test]
    fn rubbish_is_no_attachment() {
        for text in ["", "{", "{}", r#"{"deviceID":"../x","OrigVfState":{}}"#] {
            assert!(serde_json::from_str::<Cached>(text).is_err(), "{text}");
        }
    }
}
