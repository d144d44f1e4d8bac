//! `railhead.yaml`: what the admin of one node decides.
//!
//! ```yaml
//! nodeName: worker-1            # directory mode; the host name when left out
//! nodeLabels: {rack: r1}        # directory mode
//! standalone: {host: 0, hosts: 2}
//! guard: {allow: [ens1f0, "0000:86:00.1"], addresses: [192.0.2.1]}
//! cooldownSeconds: 30
//! blockGraceSeconds: 300
//! metrics: {listen: "127.0.0.1:9810"}
//! ```

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::document::Fields;
use crate::name::{is_altname, is_label_key, is_label_value};
use crate::violation::quoted;
use crate::{NodeName, ParseError, PciAddress, Violation, Violations};

/// The settings of one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// The node's name in directory mode; `None` for the host name.
    pub node_name: Option<NodeName>,
    /// The node's labels in directory mode.
    pub node_labels: BTreeMap<String, String>,
    /// Which blocks of a pool may be this host's in directory mode.
    pub standalone: Standalone,
    /// What may be interrupted.
    pub guard: Guard,
    /// How long a freed address is not given out again, in seconds.
    pub cooldown_seconds: u32,
    /// How long a block stays this node's after its pool is gone or selects others, in seconds.
    pub block_grace_seconds: u32,
    /// Where metrics are served.
    pub metrics: Metrics,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            node_name: None,
            node_labels: BTreeMap::new(),
            standalone: Standalone::default(),
            guard: Guard::default(),
            cooldown_seconds: DEFAULT_COOLDOWN,
            block_grace_seconds: DEFAULT_BLOCK_GRACE,
            metrics: Metrics::default(),
        }
    }
}

/// How long a freed address is not given out again unless the admin says otherwise, in seconds:
/// longer than a neighbour entry stays fresh (`base_reachable_time`).
pub const DEFAULT_COOLDOWN: u32 = 30;

/// How long a block outlives its pool unless the admin says otherwise, in seconds: longer than it
/// takes to set a node up anew, or what labels it to restart.
pub const DEFAULT_BLOCK_GRACE: u32 = 300;

/// This host among the hosts that share pools with no arbiter between them; the only one by
/// default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Standalone {
    /// This host's number, from 0, below `hosts`.
    pub host: u32,
    /// How many hosts share the pools; not 0.
    pub hosts: u32,
}

impl Default for Standalone {
    fn default() -> Self {
        Self { host: 0, hosts: 1 }
    }
}

/// Where metrics are served besides the daemon's own socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Metrics {
    /// A loopback address with a port; `None` for none.
    pub listen: Option<SocketAddr>,
}

/// What the machine's own traffic depends on, and which NICs may be interrupted all the same.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Guard {
    /// PFs by name, altname or PCI address.
    pub allow: Vec<String>,
    /// Addresses that this machine must stay reachable by, or must stay able to reach, whatever
    /// its default route: its own, like the one that the API server knows it by, or another's,
    /// like the API server's.
    pub addresses: Vec<IpAddr>,
}

impl Guard {
    /// Whether the PF at `address`, which goes by `names`, may be interrupted.
    pub fn allows<'a>(
        &self,
        address: PciAddress,
        names: impl IntoIterator<Item = &'a str>,
    ) -> bool {
        let by_address = self.allow.iter().any(|entry| entry.parse() == Ok(address));
        by_address || names.into_iter().any(|name| self.allow.iter().any(|entry| entry == name))
    }
}

/// Reads `railhead.yaml`; the second of the pair are warnings (unknown keys). An empty document is
/// all defaults.
pub fn read(document: Value) -> Result<(Settings, Vec<Violation>), Violations> {
    let document = if document.is_null() { Value::Object(Default::default()) } else { document };
    let mut warnings = Vec::new();
    let settings = crate::document::read(document, "", FIELDS, &mut warnings, check)?;
    Ok((settings, warnings))
}

/// The keys.
const FIELDS: Fields<'static> = Fields {
    known: KEYS,
    // What must not be interrupted, the blocks that are other hosts', and what selectors look at.
    restricting: &["guard", "standalone", "nodeLabels"],
};

const KEYS: &[&str] = &[
    "nodeName",
    "nodeLabels",
    "standalone.host",
    "standalone.hosts",
    "guard.allow",
    "guard.addresses",
    "cooldownSeconds",
    "blockGraceSeconds",
    "metrics.listen",
];

/// The settings as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "an object")]
struct SettingsSpec {
    node_name: Option<String>,
    node_labels: BTreeMap<String, String>,
    standalone: Option<StandaloneSpec>,
    guard: GuardSpec,
    cooldown_seconds: Option<i64>,
    block_grace_seconds: Option<i64>,
    metrics: MetricsSpec,
}

/// `standalone`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an object")]
struct StandaloneSpec {
    host: Option<i64>,
    hosts: Option<i64>,
}

/// `guard`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an object")]
struct GuardSpec {
    allow: Vec<String>,
    addresses: Vec<String>,
}

/// `metrics`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an object")]
struct MetricsSpec {
    listen: Option<String>,
}

/// The longest cooldown: a day.
const LONGEST_COOLDOWN: u32 = 86_400;

/// The longest grace of a block: a week.
const LONGEST_BLOCK_GRACE: u32 = 604_800;

fn check(spec: SettingsSpec) -> Result<Settings, Violations> {
    let mut broken = Violations::default();
    let defaults = Settings::default();
    let node_name =
        spec.node_name.and_then(|name| broken.keep(name.parse(), "nodeName", quoted(&name)));
    for (key, value) in &spec.node_labels {
        let path = crate::document::child("nodeLabels", key);
        broken.require(
            is_label_key(key),
            &path,
            "",
            "must be named like a label, like kubernetes.io/os",
        );
        broken.require(
            is_label_value(value),
            &path,
            quoted(value),
            "must be a label's value: up to 63 letters, digits, '-', '_' and '.', beginning and \
             ending with a letter or digit",
        );
    }
    let standalone = spec.standalone.and_then(|spec| standalone(&spec, &mut broken));
    for (at, entry) in spec.guard.allow.iter().enumerate() {
        broken.require(
            is_altname(entry),
            format!("guard.allow[{at}]"),
            quoted(entry),
            "must be the name or the PCI address of a PF",
        );
    }
    let addresses = spec.guard.addresses.iter().enumerate().filter_map(|(at, entry)| {
        broken.keep(guarded(entry), format!("guard.addresses[{at}]"), quoted(entry))
    });
    let addresses: Vec<IpAddr> = addresses.collect();
    let metrics = Metrics {
        listen: spec
            .metrics
            .listen
            .and_then(|text| broken.keep(loopback(&text), "metrics.listen", quoted(&text))),
    };
    let mut seconds = |number: Option<i64>, key: &str, most: u32| {
        let number = number?;
        let fits = u32::try_from(number).ok().filter(|seconds| *seconds <= most);
        let rule = || ParseError::new(format!("must be between 0 and {most}"));
        broken.keep(fits.ok_or_else(rule), key, number)
    };
    let cooldown = seconds(spec.cooldown_seconds, "cooldownSeconds", LONGEST_COOLDOWN);
    let block_grace = seconds(spec.block_grace_seconds, "blockGraceSeconds", LONGEST_BLOCK_GRACE);
    broken.into_result()?;
    Ok(Settings {
        node_name,
        node_labels: spec.node_labels,
        guard: Guard { allow: spec.guard.allow, addresses },
        // What breaks a rule has left a violation above.
        standalone: standalone.unwrap_or(defaults.standalone),
        cooldown_seconds: cooldown.unwrap_or(defaults.cooldown_seconds),
        block_grace_seconds: block_grace.unwrap_or(defaults.block_grace_seconds),
        metrics,
    })
}

/// An address that nobody reaches from another machine: whoever does learns the names of pods, and
/// need not say who they are.
fn loopback(text: &str) -> Result<SocketAddr, ParseError> {
    let address = text.parse::<SocketAddr>().ok();
    let fits = address.filter(|address| address.ip().is_loopback() && address.port() != 0);
    fits.ok_or_else(|| {
        ParseError::new(
            "must be a loopback address with a port, like 127.0.0.1:9810 or [::1]:9810; for other \
             machines put a proxy before it that knows who asks",
        )
    })
}

/// An address that a NIC can be found by.
fn guarded(text: &str) -> Result<IpAddr, ParseError> {
    let is_link_local = |address: IpAddr| match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    let leads_nowhere = |address: &IpAddr| {
        address.is_unspecified()
            || address.is_loopback()
            || address.is_multicast()
            || is_link_local(*address)
    };
    let address = text.parse().ok().filter(|address| !leads_nowhere(address));
    address.ok_or_else(|| {
        ParseError::new(
            "must be an IPv4 or IPv6 address of one host, without prefix, and not link-local",
        )
    })
}

fn standalone(spec: &StandaloneSpec, broken: &mut Violations) -> Option<Standalone> {
    let mut number = |key: &str, number: Option<i64>, least: u32| {
        let path = format!("standalone.{key}");
        let number = broken.given(number, &path)?;
        let fits = u32::try_from(number).ok().filter(|number| *number >= least);
        let rule = || ParseError::new(format!("must be between {least} and {}", u32::MAX));
        broken.keep(fits.ok_or_else(rule), path, number)
    };
    let host = number("host", spec.host, 0);
    let hosts = number("hosts", spec.hosts, 1);
    let (host, hosts) = (host?, hosts?);
    broken.require(
        host < hosts,
        "standalone.host",
        host,
        format!("must be below hosts, which is {hosts}; hosts are counted from 0"),
    );
    Some(Standalone { host, hosts })
}

#[cfg(test)]
mod tests;
