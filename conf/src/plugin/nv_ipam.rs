//! The config of the `nv-ipam` plugin: which pools, and which address of them.
//!
//! ```text
//! pools       args.cni.poolNames > ipam.poolName > nv-ipam.conf poolName > the network's name
//! their kind  args.cni.poolType  > ipam.poolType > nv-ipam.conf poolType > ippool
//! addresses   runtimeConfig.ips  > args.cni.ips  > CNI_ARGS IP           > any
//! ```
//!
//! The keys are those of NVIDIA's plugin. What configures its daemon (`daemonSocket`,
//! `daemonCallTimeoutSeconds`) is checked by its type and otherwise ignored: there is no daemon to
//! call. Keys are matched without regard to case, as Go matches them.

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::fields::Fields;
use crate::block::{PoolKind, PoolRef};
use crate::cni::{CniArgs, Code, Error, keys};
use crate::{NetworkName, PoolName, Violation};

/// What an attachment asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NvIpamConf {
    /// The pools, one or two, all of one kind, in the order of the result's addresses.
    pub pools: Vec<PoolRef>,
    /// Which address of each.
    pub request: Requested,
}

/// Which addresses are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requested {
    /// The next free one of each pool.
    Any,
    /// These, at most one of each pool; the next free one of a pool that none belongs to.
    Addresses(Vec<IpAddr>),
    /// Of each pool the one this far from the first address of the node's block.
    Index(u32),
    /// Of each pool the gateway.
    Gateway,
}

/// A config, and what is odd about it without being wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The config.
    pub conf: NvIpamConf,
    /// One sentence each, for the log.
    pub warnings: Vec<String>,
}

/// Where `nv-ipam.conf` is unless `ipam.confDir` says otherwise.
pub const CONF_DIR: &str = "/etc/cni/net.d/nv-ipam.d";

/// The name of the file with the node's defaults.
pub const CONF_FILE: &str = "nv-ipam.conf";

/// Keys of `ipam`, and of the file.
const KEYS: [&str; 9] = [
    "type",
    "poolName",
    "poolType",
    "forcePoolName",
    "daemonSocket",
    "daemonCallTimeoutSeconds",
    "confDir",
    "logFile",
    "logLevel",
];

/// Keys of `args.cni`.
const ARGS_KEYS: [&str; 5] =
    ["ips", "poolNames", "poolType", "allocateDefaultGateway", "allocateIPWithIndex"];

/// The most pools, and so addresses, of one interface.
const MOST_POOLS: usize = 2;

impl NvIpamConf {
    /// The directory of `nv-ipam.conf`, for the caller to read.
    ///
    /// # Errors
    /// Code 7 when `ipam.confDir` is no absolute path.
    pub fn conf_dir(conf: &Value) -> Result<String, Error> {
        let ipam = folded(conf.get("ipam"), &KEYS, &mut Vec::new());
        let mut fields = Fields::new(&ipam, "ipam.");
        let directory = fields.text("confDir").unwrap_or(CONF_DIR);
        if !directory.starts_with('/') || directory.contains('\0') {
            fields.refuse("confDir", "must be an absolute path");
        }
        fields.finish()?;
        Ok(directory.to_owned())
    }

    /// Checks the config that came on stdin, the content of `nv-ipam.conf` if there is one, and
    /// CNI_ARGS.
    ///
    /// # Errors
    /// Code 7 with every broken rule; code 4 when it is CNI_ARGS that breaks one.
    pub fn read(
        network: &NetworkName,
        conf: &Value,
        file: Option<&Value>,
        args: &CniArgs,
    ) -> Result<Checked, Error> {
        if !conf.get("ipam").is_some_and(Value::is_object) {
            let violation = Violation::new("ipam", "", "must be an object with the key type");
            return Err(invalid(&violation));
        }
        let mut warnings = Vec::new();
        match Self::read_with(network, conf, file, args, &mut warnings) {
            Ok(conf) => Ok(Checked { conf, warnings }),
            Err(error) => Err(error.hinted(&warnings)),
        }
    }

    fn read_with(
        network: &NetworkName,
        conf: &Value,
        file: Option<&Value>,
        args: &CniArgs,
        warnings: &mut Vec<String>,
    ) -> Result<Self, Error> {
        let ipam = folded(conf.get("ipam"), &KEYS, warnings);
        let defaults = folded(file, &KEYS, warnings);
        let no_map = Map::new();
        let config = conf.as_object().unwrap_or(&no_map);
        let mut top = Fields::new(config, "");
        // Others share these, so unknown keys are theirs.
        let mut shared = |key, known| {
            top.object(key);
            folded(config.get(key), known, &mut Vec::new())
        };
        let runtime = shared("runtimeConfig", &["ips"]);
        let args_object = shared("args", &["cni"]);
        let mut outer_args = Fields::new(&args_object, "args.");
        outer_args.object("cni");
        let cni = folded(args_object.get("cni"), &ARGS_KEYS, &mut Vec::new());

        let mut sources = Sources {
            runtime: Fields::new(&runtime, "runtimeConfig."),
            cni: Fields::new(&cni, "args.cni."),
            ipam: Fields::new(&ipam, "ipam."),
            file: Fields::new(&defaults, "nv-ipam.conf "),
        };
        if file.is_some_and(|file| !file.is_object()) {
            sources.file.refuse("", "must be a JSON object");
        }
        sources.check_ignored();
        let pools = sources.pools(network);
        let request = sources.request(pools.len(), args)?;
        top.absorb(outer_args);
        sources.finish_into(&mut top);
        top.finish()?;
        Ok(Self { pools, request })
    }
}

/// Where keys come from, the strongest first.
struct Sources<'a> {
    runtime: Fields<'a>,
    cni: Fields<'a>,
    ipam: Fields<'a>,
    file: Fields<'a>,
}

impl Sources<'_> {
    /// Keys without effect here are still checked: a config that NVIDIA's plugin refuses should
    /// not seem to work.
    fn check_ignored(&mut self) {
        for fields in [&mut self.ipam, &mut self.file] {
            for key in ["daemonSocket", "confDir", "logFile", "logLevel"] {
                fields.text(key);
            }
            if fields.number::<i64>("daemonCallTimeoutSeconds").is_some_and(|seconds| seconds < 0) {
                fields.refuse("daemonCallTimeoutSeconds", "must be a number of seconds");
            }
        }
    }

    fn pools(&mut self, network: &NetworkName) -> Vec<PoolRef> {
        let of_args = self.cni.parse::<PoolKind>("poolType");
        let of_ipam = self.ipam.parse::<PoolKind>("poolType");
        let of_file = self.file.parse::<PoolKind>("poolType");
        let kind = of_args.or(of_ipam).or(of_file).unwrap_or(PoolKind::IpPool);

        let of_args = names_of_array(&mut self.cni);
        let of_ipam = names_of_text(&mut self.ipam);
        let of_file = names_of_text(&mut self.file);
        let forced =
            [boolean(&mut self.ipam, "forcePoolName"), boolean(&mut self.file, "forcePoolName")]
                .into_iter()
                .flatten()
                .next();
        let names = of_args.or(of_ipam).or(of_file).unwrap_or_else(|| {
            if forced == Some(true) {
                self.ipam.refuse("poolName", "must be set, since forcePoolName is");
            }
            match network.as_str().parse() {
                Ok(name) => vec![name],
                Err(rule) => {
                    let rule = format!("is missing, and the network's name {network} {rule}");
                    self.ipam.refuse("poolName", rule);
                    Vec::new()
                }
            }
        });
        names.into_iter().map(|name| PoolRef { kind, name }).collect()
    }

    fn request(&mut self, pools: usize, args: &CniArgs) -> Result<Requested, Error> {
        let of_runtime = addresses(&mut self.runtime);
        let of_args = addresses(&mut self.cni);
        let of_environment = addresses_of_environment(args)?;
        let (key, ips) = [
            ("runtimeConfig.ips", of_runtime),
            ("args.cni.ips", of_args),
            ("CNI_ARGS IP", of_environment),
        ]
        .into_iter()
        .find(|(_, ips)| !ips.is_empty())
        .unwrap_or_default();
        let index = self.cni.number::<i64>("allocateIPWithIndex").and_then(|index| {
            let fits = u32::try_from(index);
            if fits.is_err() {
                self.cni.refuse("allocateIPWithIndex", "must be between 0 and 4294967295");
            }
            fits.ok()
        });
        let gateway = boolean(&mut self.cni, "allocateDefaultGateway") == Some(true);

        const EXCLUSIVE: &str = "must not be combined with another way to ask for an address";
        if gateway && index.is_some() {
            self.cni.refuse("allocateIPWithIndex", EXCLUSIVE);
        }
        if gateway && !ips.is_empty() {
            self.cni.refuse("allocateDefaultGateway", EXCLUSIVE);
        }
        if index.is_some() && !ips.is_empty() {
            self.cni.refuse("allocateIPWithIndex", EXCLUSIVE);
        }
        if ips.len() > pools.max(1) {
            let rule = format!("must not ask for {} addresses of {pools} pools", ips.len());
            return Err(invalid(&Violation::new(key, "", rule)));
        }
        Ok(match index {
            Some(index) => Requested::Index(index),
            None if gateway => Requested::Gateway,
            None if ips.is_empty() => Requested::Any,
            None => Requested::Addresses(ips),
        })
    }

    fn finish_into<'a>(self, fields: &mut Fields<'a>) {
        for source in [self.runtime, self.cni, self.ipam, self.file] {
            fields.absorb(source);
        }
    }
}

/// `poolName`: `"a"` or `"a,b"`.
fn names_of_text(fields: &mut Fields<'_>) -> Option<Vec<PoolName>> {
    let text = fields.text("poolName")?;
    Some(names(fields, "poolName", text.split(',').map(str::trim)))
}

/// `poolNames`: `["a", "b"]`.
fn names_of_array(fields: &mut Fields<'_>) -> Option<Vec<PoolName>> {
    let texts = texts(fields, "poolNames")?;
    (!texts.is_empty()).then(|| names(fields, "poolNames", texts.into_iter()))
}

fn names<'a>(
    fields: &mut Fields<'_>,
    key: &str,
    texts: impl Iterator<Item = &'a str>,
) -> Vec<PoolName> {
    let mut names: Vec<PoolName> = Vec::new();
    // One more than allowed is enough to be refused.
    for text in texts.take(MOST_POOLS + 1) {
        match text.parse() {
            Ok(name) if names.contains(&name) => {
                fields.refuse(key, format!("must not name {text} twice"));
            }
            Ok(name) => names.push(name),
            Err(rule) => fields.refuse(key, format!("{text:?} is no pool's name, which {rule}")),
        }
    }
    if names.len() > MOST_POOLS {
        fields.refuse(key, format!("must not name more than {MOST_POOLS} pools"));
    }
    names
}

/// `ips`: addresses with or without a prefix length, which has no meaning here: it is the pool's.
fn addresses(fields: &mut Fields<'_>) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    // As with pools, of which there is one for each.
    for text in texts(fields, "ips").unwrap_or_default().into_iter().take(MOST_POOLS + 1) {
        match address(text) {
            Some(address) if addresses.contains(&address) => {
                fields.refuse("ips", format!("must not ask for {address} twice"));
            }
            Some(address) => addresses.push(address),
            None => fields.refuse("ips", format!("{text:?} must be an IP address")),
        }
    }
    addresses
}

/// `IP=` of CNI_ARGS. Multus writes a list with commas.
fn addresses_of_environment(args: &CniArgs) -> Result<Vec<IpAddr>, Error> {
    let texts = args.get("IP").unwrap_or_default();
    let texts = texts.split(',').map(str::trim).filter(|text| !text.is_empty());
    texts
        .map(|text| {
            address(text).ok_or_else(|| {
                let violation = Violation::new("CNI_ARGS IP", text, "must be an IP address");
                Error::new(Code::InvalidEnvironment, violation.to_string())
            })
        })
        .collect()
}

/// An address; `::ffff:10.0.0.1` is `10.0.0.1`, as it is to Go.
fn address(text: &str) -> Option<IpAddr> {
    let (address, length) = match text.split_once('/') {
        None => (text, None),
        Some((address, length)) => (address, Some(length)),
    };
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let fits = |length: &str| length.parse::<u8>().is_ok_and(|length| length <= most);
    length.is_none_or(fits).then(|| address.to_canonical())
}

/// The array of texts at `key`.
fn texts<'a>(fields: &mut Fields<'a>, key: &str) -> Option<Vec<&'a str>> {
    let value = fields.value(key)?;
    let texts = value.as_array().and_then(|items| items.iter().map(Value::as_str).collect());
    if texts.is_none() {
        fields.refuse(key, "must be a list of strings");
    }
    texts
}

fn boolean(fields: &mut Fields<'_>, key: &str) -> Option<bool> {
    let value = fields.value(key)?;
    if !value.is_boolean() {
        fields.refuse(key, "must be true or false");
    }
    value.as_bool()
}

/// The object with its keys in their proper spelling; empty when there is none.
fn folded(
    value: Option<&Value>,
    known: &[&'static str],
    warnings: &mut Vec<String>,
) -> Map<String, Value> {
    let mut object = value.and_then(Value::as_object).cloned().unwrap_or_default();
    warnings.extend(keys::fold(&mut object, known).iter().map(ToString::to_string));
    object
}

fn invalid(violation: &Violation) -> Error {
    Error::new(Code::InvalidConfig, format!("invalid config: {violation}"))
}

#[cfg(test)]
mod tests;
