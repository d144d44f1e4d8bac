use std::fs;

use super::*;
use crate::source::{Files, SourceFile};

const MINUTE: Duration = Duration::from_secs(60);

/// A host whose objects in force are a pool `old`.
struct Bed {
    directory: tempfile::TempDir,
    host: Host,
}

impl Bed {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let host = Host::at(directory.path());
        let bed = Self { directory, host };
        bed.object("old");
        let objects = bed.present();
        source::save_last_good(bed.host.root(), &objects).unwrap();
        bed
    }

    fn object(&self, name: &str) {
        let objects = self.host.root().objects();
        fs::create_dir_all(&objects).unwrap();
        fs::write(objects.join(format!("{name}.yaml")), pool(name)).unwrap();
    }

    fn present(&self) -> Objects {
        Directory::at(self.host.root().objects()).read().unwrap()
    }

    fn begin(&self, time: Duration) {
        let before = source::load_last_good(self.host.root()).unwrap();
        begin(&self.host, "eve".to_owned(), time, StoredObjects::of(&before)).unwrap();
    }

    /// As `apply -f --confirm` does.
    fn replace(&self, time: Duration, name: &str) {
        self.begin(time);
        let new = self.directory.path().join("new");
        fs::create_dir_all(&new).unwrap();
        fs::write(new.join("a.yaml"), pool(name)).unwrap();
        source::replace(self.host.root(), &Files::named(&new).unwrap()).unwrap();
    }

    /// The state, and the names of the objects in force.
    fn look(&self) -> (Option<State>, Vec<String>) {
        let (state, objects) = match look(&self.host).unwrap() {
            None => (None, self.present()),
            Some((tried, None)) => (Some(tried.state), self.present()),
            Some((tried, Some(before))) => (Some(tried.state), before),
        };
        (state, objects.known.iter().map(|known| known.at.name.clone()).collect())
    }

    fn record(&self) -> std::path::PathBuf {
        path(self.host.root())
    }
}

fn pool(name: &str) -> String {
    format!(
        "apiVersion: nv-ipam.nvidia.com/v1alpha1\nkind: IPPool\nmetadata: {{name: {name}}}\n\
         spec: {{subnet: 10.1.0.0/24, perNodeBlockSize: 10}}\n"
    )
}

fn is(state: State, names: &[&str]) -> (Option<State>, Vec<String>) {
    (Some(state), names.iter().map(|name| (*name).to_owned()).collect())
}

fn only(name: &str) -> (Option<State>, Vec<String>) {
    (None, vec![name.to_owned()])
}

#[test]
fn what_is_confirmed_stays() {
    let bed = Bed::new();
    assert_eq!(confirm(&bed.host).unwrap(), Confirmed::Nothing);
    bed.replace(MINUTE, "new");
    assert_eq!(bed.look(), is(State::Waiting, &["new"]));
    assert_eq!(settle(&bed.host).unwrap(), None);
    assert_eq!(bed.look(), is(State::Waiting, &["new"]), "nothing to settle yet");
    assert_eq!(confirm(&bed.host).unwrap(), Confirmed::Kept);
    assert_eq!(bed.look(), only("new"));
}

#[test]
fn what_is_not_confirmed_goes_and_its_files_with_it() {
    let bed = Bed::new();
    bed.replace(MINUTE, "new");
    fs::write(bed.host.root().objects().join("README"), "mine").unwrap();
    assert_eq!(end_in(&bed.host, Duration::ZERO).unwrap().unwrap().left, Duration::ZERO);
    // Before anything was written.
    assert_eq!(bed.look(), is(State::Over, &["old"]));
    assert_eq!(confirm(&bed.host).unwrap(), Confirmed::TooLate);
    assert_eq!(end_in(&bed.host, MINUTE).unwrap(), None, "nor can it be prolonged");
    assert_eq!(settle(&bed.host).unwrap(), None);
    assert_eq!(bed.look(), only("old"));
    assert!(!bed.record().exists());
    let objects = bed.host.root().objects();
    assert!(objects.join("README").exists(), "what is no object stays where it is");
    let tried = Directory::at(objects.with_extension("previous")).read().unwrap();
    assert_eq!(tried.known[0].at.name, "new", "to be tried again");
}

/// Another boot may have another clock: its time since the start says nothing.
#[test]
fn no_trial_outlives_the_boot() {
    let bed = Bed::new();
    bed.replace(MINUTE, "new");
    let record = fs::read_to_string(bed.record()).unwrap();
    let boot = bed.host.now().unwrap().boot.to_string();
    assert!(record.contains(&boot), "{record}");
    let other = record.replace(&boot, "00000000-0000-4000-8000-000000000000");
    fs::write(bed.record(), other).unwrap();
    assert_eq!(bed.look(), is(State::Over, &["old"]));
}

/// Objects that were edited where they are: nobody has the files to go back to.
#[test]
fn what_cannot_be_put_back_is_refused_until_it_changes() {
    let bed = Bed::new();
    bed.begin(Duration::ZERO);
    bed.object("new");
    assert_eq!(settle(&bed.host).unwrap().unwrap().state, State::Refused);
    assert_eq!(bed.look(), is(State::Refused, &["old"]));
    assert_eq!(settle(&bed.host).unwrap().unwrap().state, State::Refused);
    assert_eq!(confirm(&bed.host).unwrap(), Confirmed::TooLate);

    let objects = bed.host.root().objects();
    let new = objects.join("new.yaml");
    fs::write(&new, format!("# a comment\n{}", pool("new"))).unwrap();
    assert_eq!(bed.look(), is(State::Refused, &["old"]), "it says the same");
    fs::write(&new, "kind: [\n").unwrap();
    assert_eq!(bed.look(), is(State::Refused, &["old"]), "it may say the same");
    fs::rename(&objects, objects.with_extension("away")).unwrap();
    fs::write(&objects, "no directory").unwrap();
    assert_eq!(bed.look(), is(State::Refused, &["old"]), "nobody knows what it says");
    fs::remove_file(&objects).unwrap();
    fs::rename(objects.with_extension("away"), &objects).unwrap();

    fs::rename(&new, objects.join("new.yaml~")).unwrap();
    bed.object("newer");
    let (state, names) = bed.look();
    assert_eq!(
        (state, names.as_slice()),
        (None, ["newer".to_owned(), "old".to_owned()].as_slice())
    );
    assert_eq!(settle(&bed.host).unwrap(), None);
    assert!(!bed.record().exists(), "it is of no use any more");
}

/// Of the crash between the record and the objects.
#[test]
fn what_never_came_is_not_refused() {
    let bed = Bed::new();
    bed.begin(Duration::ZERO);
    assert_eq!(settle(&bed.host).unwrap(), None);
    assert_eq!(bed.look(), only("old"));
}

/// An older set lies in `objects.previous`: putting that back would be something else again.
#[test]
fn only_the_set_before_is_put_back() {
    let bed = Bed::new();
    bed.replace(MINUTE, "new");
    let previous = bed.host.root().objects().with_extension("previous");
    fs::write(previous.join("a.yaml"), pool("older")).unwrap();
    end_in(&bed.host, Duration::ZERO).unwrap();
    assert_eq!(settle(&bed.host).unwrap().unwrap().state, State::Refused);
    assert_eq!(bed.look(), is(State::Refused, &["old"]));
}

#[test]
fn a_damaged_record_is_named_with_the_way_out() {
    let bed = Bed::new();
    for content in ["", "{", r#"{"version":1}"#] {
        fs::write(bed.record(), content).unwrap();
        for error in [look(&bed.host).map(drop), settle(&bed.host).map(drop)] {
            let error = error.unwrap_err().to_string();
            assert!(error.contains("/trial.json: ") && error.contains("remove it"), "{error}");
        }
    }
    bed.begin(MINUTE);
    let later = fs::read_to_string(bed.record()).unwrap().replace("\"version\":1", "\"version\":2");
    fs::write(bed.record(), later).unwrap();
    look(&bed.host).unwrap_err();
}

/// An older railhead may have written it.
#[test]
fn golden() {
    let file = SourceFile { path: "/etc/a.yaml".into(), content: pool("old").into() };
    let before = Objects::of_files(&[file]);
    let now = Moment {
        boot: "11111111-2222-4333-8444-555555555555".parse().unwrap(),
        time: BootTime::from_start(MINUTE),
    };
    let mut trial = Trial::new("eve".to_owned(), MINUTE, StoredObjects::of(&before), now);
    (trial.since, trial.until) = (1_700_000_000, 1_700_000_060);
    trial.refused = Some(StoredObjects::default());
    insta::assert_json_snapshot!(trial);
    let states = [State::Waiting, State::Over, State::Refused];
    let now = Moment { boot: trial.boot.clone(), time: BootTime::from_start(MINUTE) };
    let told = states.map(|state| Tried { state, ..trial.tried(&now) }.to_string());
    insta::assert_snapshot!("in_words", told.join("\n"));
}

/// A process that was stopped while it held the lock: nobody waits for it without end, whatever they
/// want of the trial, and all name it.
#[test]
fn a_lock_that_nobody_lets_go_of_is_told() {
    let bed = Bed::new();
    bed.begin(MINUTE);
    let held = File::open(bed.host.root().state()).unwrap();
    held.lock().unwrap();
    let own = format!("process {} (", std::process::id());
    let (host, before) = (&bed.host, || StoredObjects::of(&bed.present()));
    let before = before();
    std::thread::scope(|scope| {
        let waiting = [
            scope.spawn(|| look(host).map(drop)),
            scope.spawn(|| begin(host, "eve".to_owned(), MINUTE, before)),
            scope.spawn(|| end_in(host, MINUTE).map(drop)),
            scope.spawn(|| confirm(host).map(drop)),
            scope.spawn(|| forget(host.root())),
            scope.spawn(|| settle(host).map(drop)),
        ];
        for waiting in waiting {
            let error = waiting.join().unwrap().unwrap_err().to_string();
            assert!(error.contains(&own) && error.ends_with("or let it go on"), "{error}");
        }
    });
    drop(held);
    assert_eq!(confirm(host).unwrap(), Confirmed::Kept, "none of them changed anything");
}
