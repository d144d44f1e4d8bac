//! Progress of an apply: a bar per PF on a terminal, else a line per step.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use conf::PciAddress;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::apply::Event;

/// Shows events on standard error, which leaves standard output to the result.
pub(in crate::cli) struct Show {
    labels: BTreeMap<PciAddress, String>,
    bars: Option<Bars>,
}

struct Bars {
    all: MultiProgress,
    by_pf: BTreeMap<PciAddress, ProgressBar>,
}

impl Show {
    pub(in crate::cli) fn on_stderr() -> Self {
        let bars = io::stderr()
            .is_terminal()
            .then(|| Bars { all: MultiProgress::new(), by_pf: BTreeMap::new() });
        Self { labels: BTreeMap::new(), bars }
    }

    pub(in crate::cli) fn event(&mut self, event: &Event) {
        if let Event::Lane { pf, label, .. } = event {
            self.labels.insert(*pf, label.clone());
        }
        match &mut self.bars {
            Some(bars) => bars.event(event),
            None => self.line(event),
        }
    }

    fn line(&self, event: &Event) {
        let line = match event {
            Event::Done { pf, step, micros } => {
                let took = Duration::from_micros(*micros);
                format!("{}: {step}: done in {took:.1?}", self.label(*pf))
            }
            Event::Failed { pf, step, why } => format!("{}: {step}: {why}", self.label(*pf)),
            Event::Lane { .. } | Event::Begin { .. } | Event::End { .. } => return,
        };
        // With nobody there to read it, it is lost.
        writeln!(io::stderr(), "{line}").ok();
    }

    fn label(&self, pf: PciAddress) -> String {
        self.labels.get(&pf).cloned().unwrap_or_else(|| pf.to_string())
    }
}

impl Bars {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Lane { pf, label, steps } => {
                let length = u64::try_from(*steps).unwrap_or(u64::MAX);
                let bar = self.all.add(ProgressBar::new(length).with_style(style()));
                bar.set_prefix(label.clone());
                self.by_pf.insert(*pf, bar);
            }
            Event::Begin { pf, step } => self.on(*pf, |bar| bar.set_message(step.clone())),
            Event::Done { pf, .. } => self.on(*pf, |bar| bar.inc(1)),
            Event::Failed { pf, step, why } => self.on(*pf, |bar| {
                bar.inc(1);
                bar.suspend(|| writeln!(io::stderr(), "{}: {step}: {why}", bar.prefix())).ok();
            }),
            Event::End { pf } => self.on(*pf, |bar| bar.finish_with_message("")),
        }
    }

    fn on(&self, pf: PciAddress, change: impl FnOnce(&ProgressBar)) {
        if let Some(bar) = self.by_pf.get(&pf) {
            change(bar);
        }
    }
}

fn style() -> ProgressStyle {
    let template = "{prefix:<15} {bar:24} {pos:>3}/{len} {elapsed} {msg}";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
