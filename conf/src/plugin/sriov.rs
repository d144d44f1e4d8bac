//! The config of the `sriov` plugin: every key of sriov-cni, checked, `mtu` and
//! `resetOnRelease`. Where logs go is
//! read by [`super::log`], for all plugins alike.
//!
//! ```text
//! runtimeConfig.mac       >  CNI_ARGS MAC  >  mac
//! runtimeConfig.deviceID  >  deviceID      >  pciBusID
//! ```
//!
//! A key that is absent, null or an empty text leaves its attribute as it is.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::fields::Fields;
use super::name::PluginName;
use crate::cni::{CniArgs, Code, Dns, Error, keys};
use crate::{LinkState, Mac, Mtu, OnOff, PciAddress, ResetOnRelease, Violation};
use crate::{VlanId, VlanProto, VlanQos};

/// What an attachment is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SriovConf {
    /// The VF. Absent in configs for verbs that attach nothing; see [`SriovConf::device`].
    pub device_id: Option<PciAddress>,
    /// The VF's VLAN; id 0 clears one that is set.
    pub vlan: Option<Vlan>,
    /// The MAC, both administrative and in the container.
    pub mac: Option<Mac>,
    /// Whether the NIC drops frames with another source MAC.
    pub spoofchk: Option<OnOff>,
    /// Whether the VF may change its MAC, be promiscuous and so on.
    pub trust: Option<OnOff>,
    /// Whether the VF's link follows the PF's.
    pub link_state: Option<LinkState>,
    /// Guaranteed transmit rate in Mbit/s; 0 for none.
    pub min_tx_rate: Option<u32>,
    /// Highest transmit rate in Mbit/s; 0 for no limit.
    pub max_tx_rate: Option<u32>,
    /// MTU in the container.
    pub mtu: Option<Mtu>,
    /// Whether the VF's driver is bound anew when the VF is given back.
    pub reset_on_release: ResetOnRelease,
    /// Who gives addresses; absent for none.
    pub ipam: Option<PluginName>,
    /// Name service, passed on to the result.
    pub dns: Dns,
    /// Where to describe the device for tools that read device-info files, if nobody else did.
    pub device_info_file: Option<PathBuf>,
}

/// The VLAN of a VF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vlan {
    /// Its id; 0 for untagged.
    pub id: VlanId,
    /// Its priority.
    pub qos: VlanQos,
    /// Its tag protocol.
    pub proto: VlanProto,
}

/// A config, and what is odd about it without being wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The config.
    pub conf: SriovConf,
    /// One sentence each, for the log.
    pub warnings: Vec<String>,
}

/// The plugin's own name.
const NAME: &str = "sriov";

/// Keys of the config beside [`keys::SHARED`], in their proper spelling.
const KEYS: [&str; 12] = [
    "pciBusID",
    "vlan",
    "vlanQoS",
    "vlanProto",
    "mac",
    "spoofchk",
    "trust",
    "link_state",
    "min_tx_rate",
    "max_tx_rate",
    "mtu",
    "resetOnRelease",
];

/// Keys of `runtimeConfig` that mean something here.
const RUNTIME_KEYS: [&str; 4] = ["mac", "ips", "deviceID", "CNIDeviceInfoFile"];

/// Keys of CNI_ARGS that runtimes, Multus and IPAM plugins use; others need `IgnoreUnknown=1`.
const ARGS: [&str; 6] =
    ["MAC", "IP", "K8S_POD_NAMESPACE", "K8S_POD_NAME", "K8S_POD_INFRA_CONTAINER_ID", "K8S_POD_UID"];

impl SriovConf {
    /// Reads and checks the config that came on stdin, and CNI_ARGS.
    ///
    /// # Errors
    /// Code 7 naming every key that breaks a rule, its value and the rule; code 4 for CNI_ARGS.
    pub fn read(document: &Map<String, Value>, args: &CniArgs) -> Result<Checked, Error> {
        args.expect_only(&ARGS)?;
        let mut document = document.clone();
        let known = [keys::SHARED.as_slice(), &KEYS].concat();
        let mut warnings: Vec<String> =
            keys::fold(&mut document, &known).iter().map(ToString::to_string).collect();
        match Self::read_folded(&document, args, &mut warnings) {
            Ok(conf) => Ok(Checked { conf, warnings }),
            Err(error) => Err(error.hinted(&warnings)),
        }
    }

    /// The same of a document whose keys have their proper spelling.
    fn read_folded(
        document: &Map<String, Value>,
        args: &CniArgs,
        warnings: &mut Vec<String>,
    ) -> Result<Self, Error> {
        let mut fields = Fields::new(document, "");

        let mut runtime_config = fields.object("runtimeConfig").cloned().unwrap_or_default();
        keys::fold(&mut runtime_config, &RUNTIME_KEYS);
        let mut runtime = Fields::new(&runtime_config, "runtimeConfig.");

        let device_id = device_id(&mut fields, &mut runtime, warnings);
        let mac = mac(&mut fields, &mut runtime, args)?;
        let ipam = ipam(&mut fields);
        if ipam.is_none() && runtime.value("ips").is_some() {
            warnings.push("runtimeConfig.ips is ignored: the config names no ipam".to_owned());
        }
        let (min_tx_rate, max_tx_rate) = rates(&mut fields);
        let conf = Self {
            device_id,
            vlan: vlan(&mut fields),
            mac,
            spoofchk: fields.parse("spoofchk"),
            trust: fields.parse("trust"),
            link_state: fields.parse("link_state"),
            min_tx_rate,
            max_tx_rate,
            mtu: fields.number("mtu"),
            reset_on_release: fields.parse("resetOnRelease").unwrap_or_default(),
            ipam,
            dns: dns(&mut fields),
            device_info_file: device_info_file(&mut runtime, warnings),
        };
        fields.absorb(runtime);
        fields.finish()?;
        Ok(conf)
    }

    /// The VF, which ADD cannot do without.
    ///
    /// # Errors
    /// Code 7, with the likely cause: without a device Multus calls plugins all the same.
    pub fn device(&self, args: &CniArgs) -> Result<PciAddress, Error> {
        self.device_id.ok_or_else(|| {
            let pod = match (args.get("K8S_POD_NAMESPACE"), args.get("K8S_POD_NAME")) {
                (Some(namespace), Some(name)) => format!(" for pod {namespace}/{name}"),
                _ => String::new(),
            };
            Error::new(
                Code::InvalidConfig,
                format!(
                    "invalid config: deviceID: is missing{pod}: must be the PCI address of a VF"
                ),
            )
            .details(
                "Multus fills it in when the NetworkAttachmentDefinition has the annotation \
                 k8s.v1.cni.cncf.io/resourceName and the pod requests that resource; other \
                 callers must set deviceID in the config or in runtimeConfig",
            )
        })
    }
}

fn device_id(
    fields: &mut Fields<'_>,
    runtime: &mut Fields<'_>,
    warnings: &mut Vec<String>,
) -> Option<PciAddress> {
    let named: Vec<(&str, PciAddress)> = [
        ("runtimeConfig.deviceID", runtime.parse("deviceID")),
        ("deviceID", fields.parse("deviceID")),
        ("pciBusID", fields.parse("pciBusID")),
    ]
    .into_iter()
    .filter_map(|(key, address)| Some((key, address?)))
    .collect();
    let (chosen_by, chosen) = *named.first()?;
    for (key, address) in &named {
        if *address != chosen {
            warnings.push(format!("{key} {address} is ignored: {chosen_by} says {chosen}"));
        }
    }
    Some(chosen)
}

/// All three sources are checked, so that a typing error in one never hides behind another.
fn mac(
    fields: &mut Fields<'_>,
    runtime: &mut Fields<'_>,
    args: &CniArgs,
) -> Result<Option<Mac>, Error> {
    const RULE: &str = "must be a unicast MAC address other than zero";
    let checked = |fields: &mut Fields<'_>| -> Option<Mac> {
        let mac: Mac = fields.parse("mac")?;
        if !mac.is_assignable() {
            fields.refuse("mac", RULE);
        }
        Some(mac)
    };
    let of_runtime = checked(runtime);
    let of_config = checked(fields);
    let of_args = match args.get("MAC").filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => {
            let refused = |rule: &dyn std::fmt::Display| {
                let violation = Violation::new("CNI_ARGS MAC", text, rule.to_string());
                Error::new(Code::InvalidEnvironment, violation.to_string())
            };
            let mac: Mac = text.parse().map_err(|cause| refused(&cause))?;
            if !mac.is_assignable() {
                return Err(refused(&RULE));
            }
            Some(mac)
        }
    };
    Ok(of_runtime.or(of_args).or(of_config))
}

fn vlan(fields: &mut Fields<'_>) -> Option<Vlan> {
    let id: Option<VlanId> = fields.number("vlan");
    let qos: Option<VlanQos> = fields.number("vlanQoS");
    let proto: Option<VlanProto> = fields.parse("vlanProto");
    if fields.value("vlan").is_none() {
        for key in ["vlanQoS", "vlanProto"] {
            if fields.value(key).is_some_and(|value| value != "") {
                fields.refuse(key, "needs vlan to be set as well");
            }
        }
    }
    let id = id?;
    if id == VlanId::UNTAGGED {
        if qos.is_some_and(|qos| qos != VlanQos::LEAST) {
            fields.refuse("vlanQoS", "must be 0 with vlan 0, which means untagged");
        }
        if proto == Some(VlanProto::Ad) {
            fields.refuse("vlanProto", "must be 802.1q with vlan 0, which means untagged");
        }
    }
    Some(Vlan { id, qos: qos.unwrap_or(VlanQos::LEAST), proto: proto.unwrap_or_default() })
}

fn rates(fields: &mut Fields<'_>) -> (Option<u32>, Option<u32>) {
    let mut rate = |key: &str| {
        let number: Option<i64> = fields.number(key);
        let rate = number.and_then(|number| u32::try_from(number).ok());
        if number.is_some() && rate.is_none() {
            fields.refuse(key, "must be a rate in Mbit/s between 0 and 4294967295");
        }
        rate
    };
    let (least, most) = (rate("min_tx_rate"), rate("max_tx_rate"));
    if let (Some(least), Some(most)) = (least, most)
        && most != 0
        && least > most
    {
        fields.refuse("min_tx_rate", format!("must not be above max_tx_rate {most}"));
    }
    (least, most)
}

fn ipam(fields: &mut Fields<'_>) -> Option<PluginName> {
    let mut ipam = fields.object("ipam")?.clone();
    keys::fold(&mut ipam, &["type"]);
    let mut inner = Fields::new(&ipam, "ipam.");
    let name: Option<PluginName> = inner.parse("type");
    // It would be given this same config: processes without end.
    if name.as_ref().is_some_and(|name| name.as_str() == NAME) {
        inner.refuse("type", "must be a plugin for addresses, not this one");
    }
    fields.absorb(inner);
    name
}

fn dns(fields: &mut Fields<'_>) -> Dns {
    let Some(value) = fields.value("dns") else { return Dns::default() };
    serde::Deserialize::deserialize(value).unwrap_or_else(|cause| {
        fields.refuse("dns", format!("must be an object of name servers and domains: {cause}"));
        Dns::default()
    })
}

/// The directories that device-info files are in, by either name of `/run`.
const DEVICE_INFO: [&str; 2] =
    ["/var/run/k8s.cni.cncf.io/devinfo/cni/", "/run/k8s.cni.cncf.io/devinfo/cni/"];

/// A path that root will write to must not be anybody's choice: only a file right in the
/// directory that the device-info specification names is taken.
fn device_info_file(runtime: &mut Fields<'_>, warnings: &mut Vec<String>) -> Option<PathBuf> {
    let text = runtime.text("CNIDeviceInfoFile")?;
    let name = DEVICE_INFO.iter().find_map(|directory| text.strip_prefix(directory));
    let plain =
        |name: &str| !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
    if name.is_some_and(plain) {
        return Some(PathBuf::from(text));
    }
    warnings.push(format!(
        "runtimeConfig.CNIDeviceInfoFile {text:?} is ignored: must be a file in {}",
        DEVICE_INFO[0]
    ));
    None
}

#[cfg(test)]
mod tests;
