//! All that is told at one scrape, and its text.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use conf::PciAddress;
use conf::printable::Printable;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeGaugeValue, EncodeMetric as _, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::family::{self, Family};
use super::held::Holder;
use super::seen::Use;
use super::{Counts, Held, Seen, SeenPf, SeenVf, Traffic};

/// All that is told at one scrape.
#[derive(Debug, Clone)]
pub struct Exposition {
    /// When the daemon started.
    pub started: SystemTime,
    /// What was counted since.
    pub counts: Counts,
    /// What the last pass saw.
    pub seen: Arc<Seen>,
    /// How long the pass has run that runs now.
    pub running: Option<Duration>,
    /// What containers hold; `None` when it could not be read.
    pub held: Option<Arc<Held>>,
    /// What VFs have sent and received; `None` when it could not be read.
    pub traffic: Option<Arc<Traffic>>,
}

/// The language of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The text format of Prometheus, version 0.0.4.
    Prometheus,
}

impl Format {
    /// What an answer in it is labelled with.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

impl Exposition {
    /// The text.
    pub fn text(self, format: Format) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(match format {
            Format::OpenMetrics => text,
            Format::Prometheus => prometheus(&text),
        })
    }

    fn pf_vfs(&self) -> impl Iterator<Item = (&SeenPf, &SeenVf)> {
        self.seen.pfs.iter().flat_map(|pf| pf.vfs.iter().map(move |vf| (pf, vf)))
    }

    /// Who has a VF: plugins tell nobody, so that their records are newer than the last pass.
    fn used(&self, vf: &SeenVf) -> Use {
        match &self.held {
            Some(held) if held.vfs.contains_key(&vf.address) => Use::Attached,
            Some(_) if vf.used == Use::Attached => Use::Free,
            _ => vf.used,
        }
    }

    fn holder(&self, vf: PciAddress) -> Option<&Holder> {
        self.held.as_ref()?.vfs.get(&vf)?.as_ref()
    }
}

/// In Prometheus' older format a counter is called like its samples, and the end is the end.
fn prometheus(text: &str) -> String {
    let mut all: String = text.trim_end_matches("# EOF\n").to_owned();
    for family in family::all().filter(|family| matches!(family.kind, MetricType::Counter)) {
        for word in ["HELP", "TYPE"] {
            let name = family.name;
            all = all.replace(&format!("\n# {word} {name} "), &format!("\n# {word} {name}_total "));
        }
    }
    all
}

impl Collector for Exposition {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        self.daemon(&mut page)?;
        self.work(&mut page)?;
        self.pfs(&mut page)?;
        self.holdings(&mut page)?;
        self.traffic(&mut page)
    }
}

impl Exposition {
    fn daemon(&self, page: &mut Page<'_>) -> fmt::Result {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        page.gauges(family::BUILD_INFO, [([("version", version)], 1u64)])?;
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        page.gauge(family::START_TIME, started.as_secs_f64())?;
        page.gauge(family::IN_FORCE, u64::from(self.seen.in_force))?;
        page.gauge(family::PAUSED, u64::from(self.seen.paused))?;
        let conditions = self.seen.conditions.iter().map(|(about, reason, holds)| {
            ([("type", about.clone()), ("reason", reason.clone())], u64::from(*holds))
        });
        page.gauges(family::CONDITION, conditions)?;
        let parts = [
            ("holdings", self.held.is_some()),
            ("traffic", self.traffic.as_ref().is_some_and(|traffic| traffic.complete)),
        ];
        let parts = parts.map(|(part, read)| ([("part", part.to_owned())], u64::from(read)));
        page.gauges(family::COLLECTED, parts)
    }

    fn work(&self, page: &mut Page<'_>) -> fmt::Result {
        let counts = &self.counts;
        if let Some(at) = self.seen.at {
            page.gauge(family::LAST_PASS, at.seconds())?;
        }
        page.gauge(family::PASS_RUNNING, self.running.unwrap_or_default().as_secs_f64())?;
        let passes = counts.passes.iter().map(|(result, count)| ([("result", *result)], *count));
        page.counters(family::PASSES, passes)?;
        counts.pass_time.encode(page.family(family::PASS_TIME)?)?;
        let planned = self.seen.planned.iter();
        page.gauges(family::PLANNED, planned.map(|(kind, count)| ([("action", *kind)], *count)))?;
        let steps = counts
            .steps
            .iter()
            .map(|((kind, result), count)| ([("action", *kind), ("result", *result)], *count));
        page.counters(family::STEPS, steps)?;
        let mut times = page.family(family::STEP_TIME)?;
        for (kind, time) in &counts.step_times {
            time.encode(times.encode_family(&[("action", *kind)])?)?;
        }
        let errors =
            counts.errors.iter().map(|(reason, count)| ([("reason", reason.as_str())], *count));
        page.counters(family::ERRORS, errors)
    }

    fn pfs(&self, page: &mut Page<'_>) -> fmt::Result {
        let pfs = &self.seen.pfs;
        let drift = pfs.iter().filter_map(|pf| {
            Some(([("pf", pf.label.as_str())], self.counts.drift.of(pf.address)?))
        });
        page.counters(family::DRIFT_SEEN, drift.clone().map(|(pf, times)| (pf, times.seen)))?;
        page.counters(family::DRIFT_REPAIRED, drift.map(|(pf, times)| (pf, times.repaired)))?;
        let blocked = pfs.iter().flat_map(|pf| {
            let reasons = pf.blocked.iter();
            reasons.map(|reason| ([("pf", pf.label.as_str()), ("reason", *reason)], 1u64))
        });
        page.gauges(family::BLOCKED, blocked)?;
        let wanted =
            pfs.iter().filter_map(|pf| Some(([("pf", pf.label.as_str())], u64::from(pf.wanted?))));
        page.gauges(family::VFS_WANTED, wanted)?;
        let vfs = pfs.iter().flat_map(|pf| {
            let mut by_use: BTreeMap<Use, u64> = BTreeMap::new();
            for vf in &pf.vfs {
                *by_use.entry(self.used(vf)).or_default() += 1;
            }
            Use::ALL.map(|(used, word)| {
                let count = by_use.get(&used).copied().unwrap_or_default();
                ([("pf", pf.label.as_str()), ("state", word)], count)
            })
        });
        page.gauges(family::VFS, vfs)
    }

    fn holdings(&self, page: &mut Page<'_>) -> fmt::Result {
        let held = self.held.as_deref();
        let attachments = held.into_iter().flat_map(|held| held.attachments);
        page.gauges(
            family::ATTACHMENTS,
            attachments.map(|(state, count)| ([("state", state)], count)),
        )?;
        let pools = held.into_iter().flat_map(|held| &held.pools).flat_map(|(pool, addresses)| {
            let pool = pool.to_string();
            let states = [
                ("used", addresses.used),
                ("cooling", addresses.cooling),
                ("free", addresses.free),
            ];
            states.map(|(state, count)| {
                ([("pool", pool.clone()), ("state", state.to_owned())], count)
            })
        });
        page.gauges(family::POOL_ADDRESSES, pools)?;
        let devices = self.pf_vfs().filter_map(|(_, vf)| {
            let holder = self.holder(vf.address)?;
            let pod = holder.pod.as_ref()?;
            let labels = [
                ("pciAddr", vf.address.to_string()),
                ("dev_type", vf.resource.clone().unwrap_or_default()),
                ("namespace", pod.namespace.clone()),
                ("pod", pod.name.clone()),
                ("interface", holder.interface.to_string()),
                ("network", holder.network.to_string()),
            ];
            Some((labels, 1u64))
        });
        page.gauges(family::POD_DEVICE, devices)
    }

    fn traffic(&self, page: &mut Page<'_>) -> fmt::Result {
        for (family, counter) in family::TRAFFIC {
            let samples = self.pf_vfs().filter_map(|(pf, vf)| {
                let stats = self.traffic.as_ref()?.pfs.get(&pf.address)?.get(&vf.index)?;
                let numa_node = pf.numa_node.map(|node| node.to_string());
                let labels = [
                    ("pf", pf.label.clone()),
                    ("vf", vf.index.to_string()),
                    ("pciAddr", vf.address.to_string()),
                    ("numa_node", numa_node.unwrap_or_default()),
                ];
                Some((labels, counter(stats)))
            });
            page.gauges(*family, samples)?;
        }
        Ok(())
    }
}

/// Labels of a sample. A pod's name comes from elsewhere, and who reads them may be a terminal.
fn labelled<V: fmt::Display, const N: usize>(
    labels: [(&'static str, V); N],
) -> [(&'static str, String); N] {
    labels.map(|(label, value)| (label, Printable(value).to_string()))
}

/// Where families are written, one after the other.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn family(&mut self, family: Family) -> Result<MetricEncoder<'_>, fmt::Error> {
        self.0.encode_descriptor(family.name, family.help, None, family.kind)
    }

    fn gauge(&mut self, family: Family, value: impl EncodeGaugeValue) -> fmt::Result {
        self.family(family)?.encode_gauge(&value)
    }

    fn gauges<V: fmt::Display, const N: usize>(
        &mut self,
        family: Family,
        samples: impl IntoIterator<Item = ([(&'static str, V); N], impl EncodeGaugeValue)>,
    ) -> fmt::Result {
        let mut page = self.family(family)?;
        for (labels, value) in samples {
            page.encode_family(&labelled(labels))?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn counters<V: fmt::Display, const N: usize>(
        &mut self,
        family: Family,
        samples: impl IntoIterator<Item = ([(&'static str, V); N], u64)>,
    ) -> fmt::Result {
        let mut page = self.family(family)?;
        for (labels, value) in samples {
            page.encode_family(&labelled(labels))?
                .encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
