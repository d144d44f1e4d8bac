//! `status.allocations`: blocks that somebody has dealt to nodes already, as NVIDIA's controller
//! writes them.
//!
//! A node goes on with the block that it has there, and leaves those of the others alone. As the
//! status is a report and no wish, an entry that makes no sense is warned about and left out; it
//! does not make the pool invalid.

use std::collections::BTreeSet;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{CidrPool, IpPool, rules};
use crate::address::number;
use crate::violation::{quoted, shown};
use crate::{AddressRange, NodeName, Violation, Violations};

/// A block that a node has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allocation {
    /// The node.
    pub node: NodeName,
    /// All of the block's addresses: of a CIDRPool the whole prefix.
    pub range: AddressRange,
}

/// That many entries are warned about; nobody reads more.
const TOLD: usize = 20;

const AT: &str = "status.allocations";

impl IpPool {
    /// The pool with what `status` says was dealt of it.
    pub(crate) fn with_status(self, status: Option<&Value>, warnings: &mut Vec<Violation>) -> Self {
        let hosts = AddressRange::hosts_of(self.subnet);
        let size = u128::from(self.per_node_block_size.get());
        let allocations = entries(status, warnings, |entry, broken| {
            let range = entry.ends(self.subnet, broken)?;
            let offset = number(range.first()).checked_sub(number(hosts.first()));
            let whole = offset.is_some_and(|offset| offset.is_multiple_of(size))
                && range.len_minus_one() == size - 1
                && range.last() <= hosts.last();
            let rule = format!(
                "must be a block of the pool: {size} addresses, the first of them {} or a \
                 multiple of {size} after it",
                hosts.first()
            );
            broken.require(whole, &entry.path, range, rule);
            whole.then_some(range)
        });
        Self { allocations, ..self }
    }
}

impl CidrPool {
    /// The pool with what `status` says was dealt of it.
    pub(crate) fn with_status(self, status: Option<&Value>, warnings: &mut Vec<Violation>) -> Self {
        let allocations = entries(status, warnings, |entry, broken| {
            let (path, text) = entry.text("prefix", broken)?;
            let prefix = rules::prefix(&path, text, broken)?;
            let whole = prefix.ip() == prefix.network()
                && prefix.prefix() == self.per_node_prefix
                && self.cidr.contains(prefix.ip());
            let rule = format!("must be a /{} in {}", self.per_node_prefix, self.cidr);
            broken.require(whole, path, quoted(text), rule);
            whole.then(|| AddressRange::of_network(prefix))
        });
        Self { allocations, ..self }
    }
}

/// One of the list.
struct Entry<'a> {
    path: String,
    value: &'a Value,
}

impl<'a> Entry<'a> {
    /// The text of a field, and its path.
    fn text(&self, field: &str, broken: &mut Violations) -> Option<(String, &'a str)> {
        let path = format!("{}.{field}", self.path);
        match self.value.get(field) {
            Some(Value::String(text)) => Some((path, text)),
            None | Some(Value::Null) => {
                broken.given::<()>(None, &path);
                None
            }
            Some(other) => {
                broken.push(Violation::new(path, shown(other), "must be a text"));
                None
            }
        }
    }

    fn node(&self, broken: &mut Violations) -> Option<NodeName> {
        let (path, text) = self.text("nodeName", broken)?;
        broken.parse(path, text)
    }

    /// From `startIP` to `endIP`, both in `subnet`.
    fn ends(&self, subnet: IpNetwork, broken: &mut Violations) -> Option<AddressRange> {
        let mut end = |field| {
            let (path, text) = self.text(field, broken)?;
            rules::address_in(Some(subnet), &path, text, broken)
        };
        let (first, last) = (end("startIP"), end("endIP"));
        let (first, last) = (first?, last?);
        let range = AddressRange::new(first, last);
        let path = format!("{}.endIP", self.path);
        broken.require(range.is_some(), path, last, format!("must not be below startIP, {first}"));
        range
    }
}

/// What `read` makes of each entry; of two for one node or one block the first counts.
fn entries(
    status: Option<&Value>,
    warnings: &mut Vec<Violation>,
    read: impl Fn(&Entry<'_>, &mut Violations) -> Option<AddressRange>,
) -> Vec<Allocation> {
    let list = match status.and_then(|status| status.get("allocations")) {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Array(list)) => list,
        Some(other) => {
            warnings.push(Violation::new(AT, shown(other), "must be a list; nothing is adopted"));
            return Vec::new();
        }
    };
    let mut broken = Violations::default();
    let (mut nodes, mut blocks) = (BTreeSet::new(), BTreeSet::new());
    let mut out = Vec::with_capacity(list.len());
    for (at, value) in list.iter().enumerate() {
        let entry = Entry { path: format!("{AT}[{at}]"), value };
        let (node, range) = (entry.node(&mut broken), read(&entry, &mut broken));
        let (Some(node), Some(range)) = (node, range) else { continue };
        let is_news = !nodes.contains(&node) && !blocks.contains(&range);
        let rule = "must not be of a node or a block that another entry has";
        broken.require(is_news, &entry.path, format_args!("{node} {range}"), rule);
        if is_news {
            nodes.insert(node.clone());
            blocks.insert(range);
            out.push(Allocation { node, range });
        }
    }
    let more = broken.0.len().saturating_sub(TOLD);
    warnings.extend(broken.0.into_iter().take(TOLD).map(|violation| Violation {
        rule: format!("{}; this entry is not adopted", violation.rule),
        ..violation
    }));
    if more > 0 {
        let rule = format!("{more} more mistakes; these were the first");
        warnings.push(Violation::new(AT, "", rule));
    }
    out
}

#[cfg(test)]
mod tests;
