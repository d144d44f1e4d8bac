//! What is told against what is written about it.

use std::collections::BTreeSet;

use super::family;

pub(super) mod syntax;

/// Whether `text` is a whole name in which metrics of ours, or those that we took over, begin.
fn is_ours(name: &str) -> bool {
    ["railhead_", "sriov_", "process_"].iter().any(|prefix| name.starts_with(prefix))
}

/// The names of metrics in `text`, as samples have them.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| is_ours(word)).map(str::to_owned).collect()
}

/// The names of all samples.
fn samples() -> BTreeSet<String> {
    use prometheus_client::metrics::MetricType;
    let names = family::all().flat_map(|family| {
        let suffixes: &[&str] = match family.kind {
            MetricType::Counter => &["_total"],
            MetricType::Histogram => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        suffixes.iter().map(move |suffix| format!("{}{suffix}", family.name))
    });
    names.collect()
}

/// A dashboard of names that nobody serves shows nothing, and nobody knows why.
#[test]
fn the_dashboard_asks_for_what_is_served() {
    let text = include_str!("../../../docs/grafana-dashboard.json");
    let dashboard: serde_json::Value = serde_json::from_str(text).unwrap();
    let mut asked = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let names = names(target["expr"].as_str().unwrap());
            assert!(!names.is_empty(), "{target}");
            asked.extend(names);
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        asked.extend(names(&variable["query"].to_string()));
    }
    let served = samples();
    let unknown: Vec<_> = asked.difference(&served).collect();
    assert!(unknown.is_empty(), "nobody serves {unknown:?}");
}

/// Every metric is in the documentation, by the name of its samples, and no other.
#[test]
fn the_documentation_names_what_is_served() {
    let page = include_str!("../../../docs/metrics.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let listed: BTreeSet<String> = rows
        .filter_map(|row| row.split_once('`'))
        .map(|(name, _)| name.split('{').next().unwrap().to_owned())
        .filter(|name| is_ours(name))
        .collect();
    let served: BTreeSet<String> = family::all()
        .map(|family| match family.kind {
            prometheus_client::metrics::MetricType::Counter => format!("{}_total", family.name),
            _ => family.name.to_owned(),
        })
        .collect();
    assert_eq!(listed, served);
}
