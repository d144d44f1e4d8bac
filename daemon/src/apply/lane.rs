//! One lane: its steps in order, VFs side by side, each intent in the journal first.

use std::time::{Duration, Instant};

use super::error::StepError;
use super::kernel::Kernel;
use super::locks::Locks;
use super::progress::Progress;
use super::{Done, Failure, Job, LaneOutcome};
use crate::chain::Chain;
use crate::journal::files::JournalError;
use crate::journal::{Entry, Owner};
use crate::model::State;
use crate::plan::{Action, Lane, Step};

/// VFs of one PF that are bound at once: probing is mostly waiting for the device.
const SIDE_BY_SIDE: usize = 8;

/// Does the steps of `lane`.
pub(super) fn run(job: Job<'_>, lane: &Lane, progress: &Progress) -> LaneOutcome {
    let mut run = Run::new(job, lane, progress);
    let mut steps = lane.steps.as_slice();
    while let Some(first) = steps.first() {
        let length = batch(steps);
        let (batch, rest) = steps.split_at(length);
        if job.stop.is_asked() {
            run.skip(batch, "left out, since railhead is asked to end");
        } else if run.is_stopped(first) {
            run.skip(batch, "left out, since an earlier step failed");
        } else {
            run.batch(batch);
        }
        steps = rest;
    }
    progress.end();
    run.outcome
}

/// How many steps from the first on are done side by side.
fn batch(steps: &[Step]) -> usize {
    let binds = steps.iter().take_while(|step| matches!(step.action, Action::Bind { .. }));
    binds.take(SIDE_BY_SIDE).count().max(1)
}

struct Run<'a> {
    job: Job<'a>,
    kernel: Kernel<'a>,
    /// The PF as the steps so far left it, with its journal entry; none for a PF that is gone.
    state: Option<State>,
    owners: Vec<Owner>,
    progress: &'a Progress,
    outcome: LaneOutcome,
    /// The entry as the journal has it.
    written: Option<Entry>,
    /// What keeps all later steps from being done.
    stopped: Option<Stopped>,
}

/// How much of a lane is not to be done any more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stopped {
    /// Everything but putting autoprobe back.
    ButAutoprobe,
    /// Everything: the driver hangs, and whatever touches the PF would hang as well.
    All,
}

impl<'a> Run<'a> {
    fn new(job: Job<'a>, lane: &'a Lane, progress: &'a Progress) -> Self {
        let entry = job.ownership.get(&lane.pf);
        let state = job.snapshot.pfs.get(&lane.pf).map(|pf| State::of(job.snapshot, pf, entry));
        Self {
            job,
            kernel: Kernel::new(job, lane.pf),
            state,
            owners: job.owners.get(&lane.pf).cloned().unwrap_or_default(),
            progress,
            outcome: LaneOutcome::default(),
            written: entry.cloned(),
            stopped: None,
        }
    }

    fn is_stopped(&self, step: &Step) -> bool {
        match self.stopped {
            // What was not undone must stay in the journal.
            None => step.action == Action::Forget && !self.outcome.failures.is_empty(),
            Some(Stopped::ButAutoprobe) => !self.puts_autoprobe_back(step),
            Some(Stopped::All) => true,
        }
    }

    fn puts_autoprobe_back(&self, step: &Step) -> bool {
        let entry = self.state.as_ref().and_then(|state| state.entry.as_ref());
        let record = entry.and_then(|entry| entry.autoprobe);
        record.is_some_and(|record| step.action == Action::SetAutoprobe { on: record.old })
    }

    fn skip(&mut self, steps: &[Step], why: &str) {
        self.outcome.skipped += steps.len();
        for step in steps {
            self.progress.failed(step, &why);
        }
    }

    /// Does steps side by side; most batches have one.
    fn batch(&mut self, steps: &[Step]) {
        // A VF's failure is its own: its later steps are left out, those of other VFs are not.
        let (steps, skipped): (Vec<&Step>, Vec<&Step>) =
            steps.iter().partition(|step| !self.outcome.failed(step.action.vf()));
        for step in skipped {
            self.skip(std::slice::from_ref(step), "left out, since an earlier step failed");
        }
        let locks = match self.prepare(&steps) {
            Ok(locks) => locks,
            Err(error) => return self.one_by_one(&steps, &error),
        };
        for (step, result) in steps.iter().zip(self.execute(&steps)) {
            match result {
                Ok(took) => self.settle(step, took),
                Err(error) => self.fail(step, &error),
            }
        }
        // When this fails the intents are still there, which say that something may have been done.
        if let Err(error) = self.save() {
            tracing::warn!("{}", Chain(&error));
        }
        drop(locks);
    }

    /// After steps could not begin together: each on its own, so that only those fail that are in
    /// the way.
    fn one_by_one(&mut self, steps: &[&Step], error: &StepError) {
        match steps {
            [step] => self.fail(step, error),
            steps => steps.iter().for_each(|step| self.batch(std::slice::from_ref(step))),
        }
    }

    /// Takes the locks that the steps need, looks whether they still disturb nobody, and records
    /// what is going to be done.
    fn prepare(&mut self, steps: &[&Step]) -> Result<Locks, StepError> {
        let locks = Locks::take(self.job, self.state.as_ref().map(|state| &state.pf), steps)?;
        if let Some(state) = &mut self.state {
            for step in steps {
                state.intended(&step.action, &self.owners);
            }
        }
        self.save()?;
        Ok(locks)
    }

    fn execute(&self, steps: &[&Step]) -> Vec<Result<Duration, StepError>> {
        let one = |step: &Step| {
            self.progress.begin(step);
            let begun = Instant::now();
            let result = self.kernel.execute(&step.action, self.state.as_ref());
            let took = begun.elapsed();
            match &result {
                Ok(()) => self.progress.done(step, took),
                Err(error) => self.progress.failed(step, &Chain(error)),
            }
            result.map(|()| took)
        };
        if let [step] = steps {
            return vec![one(step)];
        }
        std::thread::scope(|scope| {
            let threads: Vec<_> = steps.iter().map(|step| scope.spawn(move || one(step))).collect();
            let joined = threads.into_iter().map(|thread| thread.join());
            joined.map(|result| result.unwrap_or(Err(StepError::Defect))).collect()
        })
    }

    fn settle(&mut self, step: &Step, took: Duration) {
        self.outcome.done.push(Done { action: step.action.clone(), took });
        if let Some(state) = &mut self.state {
            state.after(&step.action, &self.owners);
        }
    }

    fn fail(&mut self, step: &Step, error: &StepError) {
        if error.is_hung() {
            self.stopped = Some(Stopped::All);
        } else if is_foundation(&step.action) && self.stopped.is_none() {
            self.stopped = Some(Stopped::ButAutoprobe);
        }
        self.outcome.failures.push(Failure {
            step: step.clone(),
            reason: error.reason().to_owned(),
            message: Chain(error).to_string(),
        });
    }

    /// Writes the journal's entry where it is another by now.
    fn save(&mut self) -> Result<(), JournalError> {
        let Some(State { pf, entry: Some(entry), .. }) = &self.state else { return Ok(()) };
        if self.written.as_ref() != Some(entry) {
            self.job.host.journal().write(pf.address, entry)?;
            self.written = Some(entry.clone());
        }
        Ok(())
    }
}

/// Whether everything after it stands on it.
fn is_foundation(action: &Action) -> bool {
    matches!(action, Action::SetNumVfs { .. } | Action::SetAutoprobe { on: false })
}
