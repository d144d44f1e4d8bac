//! What one ADD asks for, complete before anything is touched.

use std::time::Duration;

use conf::NetworkName;
use conf::cni::{CniArgs, Code, Error};
use conf::plugin::nv_ipam::{CONF_FILE, NvIpamConf};
use serde_json::Value;

use super::allocation::{Allocation, Granted};
use super::error::{allocate_error, file_error};
use super::target::{self, Target};
use crate::allocate::{Identity, allocate};
use crate::clock::BootTime;
use crate::lease::PodRef;
use crate::paths::Root;
use crate::store::WriteTxn;
use crate::{cooldown, durable};

/// A checked request: config and blocks are read, no lock is held, nothing is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub(super) targets: Vec<Target>,
    pub(super) identity: Identity,
    cooldown: Duration,
    warnings: Vec<String>,
}

impl Request {
    /// Reads the config from stdin, `nv-ipam.conf`, CNI_ARGS and this node's blocks.
    ///
    /// The pod of `identity` is taken from CNI_ARGS.
    ///
    /// # Errors
    /// 7 for a config or wish that breaks a rule, 4 for CNI_ARGS that do, 11 when this node has no
    /// block of a pool, 5 when a file cannot be read.
    pub fn prepare(
        root: &Root,
        conf: &Value,
        args: &CniArgs,
        identity: Identity,
    ) -> Result<Self, Error> {
        let (conf, warnings) = read_conf(root, &identity.network, conf, args)?;
        let prepared = Self::of(root, &conf).map_err(|error| error.hinted(&warnings));
        let (targets, cooldown) = prepared?;
        let identity = Identity { pod: pod(args), ..identity };
        Ok(Self { targets, identity, cooldown, warnings })
    }

    fn of(root: &Root, conf: &NvIpamConf) -> Result<(Vec<Target>, Duration), Error> {
        let blocks = conf
            .pools
            .iter()
            .map(|pool| target::load(root, pool))
            .collect::<Result<Vec<_>, Error>>()?;
        let targets = target::choose(blocks, &conf.request)?;
        Ok((targets, cooldown::load(root).map_err(|error| file_error(&error))?))
    }

    /// What is odd about the config without being wrong; one sentence each, for the log.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Leases one address of each pool, or none. Asked again for the same attachment, it gives
    /// the same addresses.
    ///
    /// # Errors
    /// 11 when there is nothing to give out now, when the address asked for is held, or when the
    /// store is full or was damaged; 5 when it failed. The transaction must then be aborted.
    pub fn allocate(&self, txn: &mut WriteTxn<'_>, now: BootTime) -> Result<Allocation, Error> {
        let granted = self.targets.iter().map(|target| {
            let (block, wish) = (&target.block, target.wish);
            allocate(txn, block, wish, &self.identity, now, self.cooldown)
                .map(|grant| Granted::new(target, grant))
                .map_err(allocate_error)
        });
        Ok(Allocation { granted: granted.collect::<Result<_, Error>>()? })
    }
}

/// The checked config and its warnings.
pub(super) fn read_conf(
    root: &Root,
    network: &NetworkName,
    conf: &Value,
    args: &CniArgs,
) -> Result<(NvIpamConf, Vec<String>), Error> {
    let path = root.join(&NvIpamConf::conf_dir(conf)?).join(CONF_FILE);
    let file: Option<Value> = durable::read_optional(&path)
        .map_err(|error| file_error(&error))?
        .map(|bytes| serde_json::from_slice(&bytes))
        .transpose()
        .map_err(|error| {
            Error::new(Code::InvalidConfig, format!("read {}: {error}", path.display()))
        })?;
    let checked = NvIpamConf::read(network, conf, file.as_ref(), args)?;
    Ok((checked.conf, checked.warnings))
}

/// The pod that the runtime names. Callers without pods name none, and that is fine.
fn pod(args: &CniArgs) -> Option<PodRef> {
    let text = |key| args.get(key).unwrap_or_default().to_owned();
    let name = args.get("K8S_POD_NAME").filter(|name| !name.is_empty())?;
    Some(PodRef {
        namespace: text("K8S_POD_NAMESPACE"),
        name: name.to_owned(),
        uid: text("K8S_POD_UID"),
    })
}
