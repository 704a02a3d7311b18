//! What the handlers of a drill process say that they did (`src/bin/drill.rs`), read from its file.
use std::{collections::HashMap, fs, path::PathBuf, time::SystemTime};
use uuid::Uuid;

/// A journal that its process may still be writing.
pub struct Journal {
    file: PathBuf,
    /// When the process died or was frozen.
    cuts: Vec<u128>,
}

/// One run of a job by a handler. Times are nanoseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub job: Uuid,
    pub start: u128,
    /// None while it goes on.
    pub end: Option<u128>,
}

impl Journal {
    pub fn new(file: PathBuf) -> Self {
        Self { file, cuts: vec![] }
    }

    /// The process is dead or frozen from now on: the runs that go on count as over.
    pub fn cut(&mut self) {
        self.cuts.push(nanoseconds(SystemTime::now()));
    }

    /// The same for a process that took itself down at a moment that nobody saw: it did nothing after its last note that matters.
    pub fn cut_at_last_note(&mut self) {
        self.cuts.extend(self.notes().last().map(|(.., at)| *at));
    }

    /// What was noted: what, of which job, under which claim, when.
    pub fn notes(&self) -> Vec<(String, Uuid, Uuid, u128)> {
        // The process may not have begun it, and a killed one may have left half a line.
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        text.split_inclusive('\n').filter_map(note).collect()
    }

    /// How often something was noted.
    pub fn count(&self, what: &str) -> usize {
        self.notes().iter().filter(|(said, ..)| said == what).count()
    }

    pub fn runs(&self) -> Vec<Run> {
        let mut runs: HashMap<Uuid, Run> = HashMap::new();
        for (what, job, token, at) in self.notes() {
            let begun = Run {
                job,
                start: at,
                end: None,
            };
            let run = runs.entry(token).or_insert(begun);
            if what == "end" {
                run.end = Some(at);
            }
        }
        runs.into_values().map(|run| self.cut_off(run)).collect()
    }

    /// A run that was going on when the process was cut ended then, at the latest.
    fn cut_off(&self, run: Run) -> Run {
        let cut = self.cuts.iter().copied().find(|cut| *cut >= run.start);
        let end = match (run.end, cut) {
            (Some(end), Some(cut)) => Some(end.min(cut)),
            (end, cut) => end.or(cut),
        };
        Run { end, ..run }
    }
}

fn note(line: &str) -> Option<(String, Uuid, Uuid, u128)> {
    let mut words = line.strip_suffix('\n')?.split(' ');
    Some((
        words.next()?.to_owned(),
        words.next()?.parse().ok()?,
        words.next()?.parse().ok()?,
        words.next()?.parse().ok()?,
    ))
}

pub fn nanoseconds(time: SystemTime) -> u128 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos()
}
