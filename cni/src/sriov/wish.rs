//! What the config asks for.

use conf::cni::{Code, Error};
use conf::plugin::sriov::SriovConf;
use conf::{LinkState, OnOff, PciAddress, VfIndex};
use ipam::PodRef;

use crate::kernel::vf::{VfChange, VfConfig};
use crate::protocol::Call;

/// The config of one ADD or CHECK, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) conf: SriovConf,
    /// The VF.
    pub(super) vf: PciAddress,
    /// The pod, as the runtime told.
    pub(super) pod: Option<PodRef>,
}

impl Wish {
    /// Reads the config; what is odd without being wrong goes to the log.
    ///
    /// # Errors
    /// Code 7 for a key that breaks a rule or a missing device, code 4 for CNI_ARGS.
    pub(super) fn read(call: &Call) -> Result<Self, Error> {
        let args = call.args()?;
        let checked = SriovConf::read(&call.config, &args)?;
        for warning in &checked.warnings {
            call.hint(warning);
        }
        let text = |key| args.get(key).unwrap_or_default().to_owned();
        let pod = args.get("K8S_POD_NAME").filter(|name| !name.is_empty()).map(|name| PodRef {
            namespace: text("K8S_POD_NAMESPACE"),
            name: name.to_owned(),
            uid: text("K8S_POD_UID"),
        });
        let vf = checked.conf.device(&args)?;
        Ok(Self { conf: checked.conf, vf, pod })
    }

    /// Whether the PF has a part in it.
    pub(super) fn concerns_pf(&self) -> bool {
        !self.change(&unread(VfIndex(0))).is_empty()
    }

    /// What is asked for of the VF as its PF has it.
    pub(super) fn change(&self, now: &VfConfig) -> VfChange {
        change(&self.conf, now)
    }

    /// Refuses an MTU that the link cannot have, before it is moved.
    pub(super) fn check_mtu(&self, least: u32, most: u32) -> Result<(), Error> {
        let Some(mtu) = self.conf.mtu else { return Ok(()) };
        // 0: the driver does not say.
        if mtu.get() >= least && (most == 0 || mtu.get() <= most) {
            return Ok(());
        }
        Err(Error::new(
            Code::InvalidConfig,
            format!(
                "invalid config: mtu: {mtu}: must be between {least} and {most}, which the driver \
                 of VF {} allows",
                self.vf
            ),
        ))
    }
}

/// What a config asks for of the VF as its PF has it. Of the two rates, which the kernel only takes
/// together, one that is not asked for stays as it is.
pub(super) fn change(conf: &SriovConf, now: &VfConfig) -> VfChange {
    let rate = conf.min_tx_rate.is_some() || conf.max_tx_rate.is_some();
    VfChange {
        mac: conf.mac,
        vlan: conf.vlan.map(|vlan| (vlan.id, vlan.qos, vlan.proto)),
        rate: rate.then(|| {
            let (least, most) = now.rate();
            (conf.min_tx_rate.unwrap_or(least), conf.max_tx_rate.unwrap_or(most))
        }),
        spoofchk: conf.spoofchk,
        link_state: conf.link_state,
        trust: conf.trust,
        ..VfChange::default()
    }
}

/// A VF as it is when its PF has just made it; stands in for one whose state cannot be read
/// because there are too many VFs for one message.
pub(super) fn unread(index: VfIndex) -> VfConfig {
    VfConfig {
        spoofchk: Some(OnOff::On),
        trust: Some(OnOff::Off),
        link_state: Some(LinkState::Auto),
        ..VfConfig::unset(index)
    }
}
