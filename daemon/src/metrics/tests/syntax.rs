//! The two text formats, strictly: what a collector refuses is refused here.
//!
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/> and
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::collections::{BTreeMap, BTreeSet};

use crate::metrics::Format;

/// A family as its head tells of it.
struct Head {
    name: String,
    kind: String,
}

/// Panics unless `text` is in `format`. Gives the names of the families, as OpenMetrics has them.
#[track_caller]
pub(crate) fn check(text: &str, format: Format) -> BTreeSet<String> {
    let body = match format {
        Format::OpenMetrics => text.strip_suffix("# EOF\n").expect("an end"),
        Format::Prometheus => text,
    };
    assert!(body.ends_with('\n') && !body.contains("\r") && !body.contains("\n\n"), "lines");
    let mut families = BTreeSet::new();
    let mut series = BTreeSet::new();
    let mut buckets: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut head: Option<Head> = None;
    let mut help: Option<String> = None;
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, text) = rest.split_once(' ').expect("a help text");
            assert!(!text.is_empty() && !text.contains('\\'), "{line}");
            help = Some(name.to_owned());
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            assert_eq!(help.take().as_deref(), Some(name), "its help comes first: {line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(is_name(name), "{line}");
            let family = match (format, kind) {
                (Format::Prometheus, "counter") => name.strip_suffix("_total").expect("_total"),
                _ => name,
            };
            assert!(families.insert(family.to_owned()), "twice: {line}");
            head = Some(Head { name: name.to_owned(), kind: kind.to_owned() });
        } else {
            assert!(!line.starts_with('#'), "{line}");
            let head = head.as_ref().expect("a family");
            let (name, labels, value) = sample(line);
            let suffix = name.strip_prefix(&head.name).unwrap_or_else(|| panic!("astray: {line}"));
            let allowed: &[&str] = match (head.kind.as_str(), format) {
                ("counter", Format::OpenMetrics) => &["_total"],
                ("histogram", _) => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            assert!(allowed.contains(&suffix), "{line}");
            assert!(head.kind == "gauge" || value >= 0.0, "{line}");
            assert!(series.insert(format!("{name}{labels:?}")), "twice: {line}");
            if head.kind == "histogram" && suffix != "_sum" {
                let rest: Vec<_> = labels.iter().filter(|(key, _)| key != "le").collect();
                let of = buckets.entry(format!("{}{rest:?}", head.name)).or_default();
                of.push(value);
                let last = labels.iter().find(|(key, _)| key == "le").map(|(_, le)| le.as_str());
                if last == Some("+Inf") {
                    // The count comes first, then the buckets up to the last.
                    let count = of.remove(0);
                    assert!(
                        of.is_sorted() && of.last() == Some(&count),
                        "{line}: {of:?} of {count}"
                    );
                }
            }
        }
    }
    assert!(help.is_none(), "a help without a type");
    families
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(plain)
}

/// The name, the labels and the value of a sample.
fn sample(line: &str) -> (&str, Vec<(String, String)>, f64) {
    let at = line.find(['{', ' ']).unwrap_or_else(|| panic!("no value: {line}"));
    let (name, mut rest) = line.split_at(at);
    assert!(is_name(name), "{line}");
    let mut labels: Vec<(String, String)> = Vec::new();
    if let Some(mut inside) = rest.strip_prefix('{') {
        loop {
            let (key, after) = inside.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            assert!(is_name(key) && !labels.iter().any(|(known, _)| known == key), "{line}");
            let (value, after) = quoted(after).unwrap_or_else(|| panic!("{line}"));
            labels.push((key.to_owned(), value));
            if let Some(after) = after.strip_prefix('}') {
                rest = after;
                break;
            }
            inside = after.strip_prefix(',').unwrap_or_else(|| panic!("{line}"));
        }
    }
    let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("no value: {line}"));
    assert!(!value.contains(' '), "no timestamps, no exemplars: {line}");
    (name, labels, value.parse().unwrap_or_else(|_| panic!("no number: {line}")))
}

/// A label's value up to its closing quote, and what comes behind.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                plain @ ('"' | '\\') => plain,
                _ => return None,
            }),
            plain => value.push(plain),
        }
    }
    None
}
