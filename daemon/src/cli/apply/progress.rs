//! Progress of an apply: a bar per PF on a terminal, else a line per step.

use std::collections::BTreeMap;
use std::time::Duration;

use conf::PciAddress;
use conf::printable::Printable;
use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::apply::Event;

/// How often bars are drawn in a second, at most.
const PACE: u8 = 20;

/// Shows events on standard error, which leaves standard output to the result. What the daemon
/// passes on is of others' making: all of it is made [printable](Printable).
pub(in crate::cli) struct Show {
    labels: BTreeMap<PciAddress, String>,
    term: Term,
    bars: Option<Bars>,
}

struct Bars {
    all: MultiProgress,
    by_pf: BTreeMap<PciAddress, ProgressBar>,
}

impl Show {
    pub(in crate::cli) fn on_stderr() -> Self {
        Self::on(Term::buffered_stderr())
    }

    fn on(term: Term) -> Self {
        let bars = term.is_term().then(|| {
            let target = ProgressDrawTarget::term(term.clone(), PACE);
            Bars { all: MultiProgress::with_draw_target(target), by_pf: BTreeMap::new() }
        });
        Self { labels: BTreeMap::new(), term, bars }
    }

    pub(in crate::cli) fn event(&mut self, event: &Event) {
        if let Event::Lane { pf, label, .. } = event {
            self.labels.insert(*pf, Printable(label).to_string());
        }
        let line = self.line(event);
        match &mut self.bars {
            Some(bars) => {
                if let Event::Failed { .. } = event {
                    // The bars are out of the way, so that nothing of theirs is held or asked for
                    // while the line is written; the next event draws them below it.
                    bars.all.clear().ok();
                    write(&self.term, line.as_deref());
                }
                bars.event(event);
            }
            None => write(&self.term, line.as_deref()),
        }
    }

    fn line(&self, event: &Event) -> Option<String> {
        let line = match event {
            Event::Done { pf, step, micros } => {
                let took = Duration::from_micros(*micros);
                format!("{}: {step}: done in {took:.1?}", self.label(*pf))
            }
            Event::Failed { pf, step, why } => format!("{}: {step}: {why}", self.label(*pf)),
            Event::Lane { .. } | Event::Begin { .. } | Event::End { .. } => return None,
        };
        Some(Printable(line).to_string())
    }

    fn label(&self, pf: PciAddress) -> String {
        self.labels.get(&pf).cloned().unwrap_or_else(|| pf.to_string())
    }
}

/// With nobody there to read it, it is lost.
fn write(term: &Term, line: Option<&str>) {
    if let Some(line) = line {
        term.write_line(line).and_then(|()| term.flush()).ok();
    }
}

impl Bars {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Lane { pf, label, steps } => {
                let length = u64::try_from(*steps).unwrap_or(u64::MAX);
                let bar = self.all.add(ProgressBar::new(length).with_style(style()));
                bar.set_prefix(Printable(label).to_string());
                self.by_pf.insert(*pf, bar);
            }
            Event::Begin { pf, step } => {
                self.on(*pf, |bar| bar.set_message(Printable(step).to_string()));
            }
            Event::Done { pf, .. } | Event::Failed { pf, .. } => self.on(*pf, |bar| bar.inc(1)),
            Event::End { pf } => self.on(*pf, |bar| bar.finish_with_message("")),
        }
    }

    fn on(&self, pf: PciAddress, change: impl FnOnce(&ProgressBar)) {
        if let Some(bar) = self.by_pf.get(&pf) {
            change(bar);
        }
    }
}

/// What is too wide for the terminal is cut off, not wrapped.
fn style() -> ProgressStyle {
    let template = "{prefix:<15} {bar:24} {pos:>3}/{len} {elapsed} {wide_msg}";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests;
