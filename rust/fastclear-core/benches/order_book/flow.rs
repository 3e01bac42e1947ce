//! A flow as every contestant gets it, the stopwatch, and the race.

use std::io::Write;

use crate::workloads::{Ask, Columns, Step, Tally, Workload, owner, steps};

/// What a contestant did in a round: seconds, and its trades.
pub type Round = (f64, Tally);

/// Somebody who obeys a flow, and is called once a round.
pub struct Contestant<'a> {
    pub name: String,
    pub run: Box<dyn FnMut() -> Round + 'a>,
}

/// A workload, made.
pub struct Flow {
    pub workload: &'static Workload,
    /// What is in the book before the clock runs.
    pub preload: Vec<Step>,
    pub timed: Vec<Step>,
    /// What trades, before the clock runs and after.
    pub made: Tally,
    pub before: Columns,
    pub columns: Columns,
}

impl Flow {
    pub fn of(workload: &'static Workload) -> Self {
        let (preload, timed, made) = steps(workload);
        assert_eq!((made.trades, made.hash), (workload.trades, workload.hash), "{:#x}", made.hash);
        let (before, columns) = (Columns::of(&preload, workload), Columns::of(&timed, workload));
        Self { workload, preload, timed, made, before, columns }
    }

    pub fn has_many_books(&self) -> bool {
        self.preload.iter().any(|step| step.book > 0)
    }

    /// Rows of whether the clock runs, what is asked for, id, side, price, quantity and participant.
    pub fn write(&self, folder: &str) {
        let mut bytes = Vec::new();
        for (timed, step) in self.preload.iter().map(|step| (0, step)).chain(self.timed.iter().map(|step| (1, step))) {
            let ask = match step.ask {
                Ask::Add => 0,
                Ask::Cancel => 1,
                Ask::Replace => 2,
                Ask::Ioc => 3,
            };
            let (id, side, price) = (i64::from(step.id), i64::from(step.side), i64::from(step.price));
            for value in [timed, ask, id, side, price, i64::from(step.quantity), i64::from(owner(step))] {
                bytes.extend(value.to_le_bytes());
            }
        }
        let path = std::path::Path::new(folder).join(self.workload.name);
        std::fs::File::create(path).unwrap().write_all(&bytes).unwrap();
    }
}

/// Time that this thread has run for, in seconds.
pub fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

/// Lets all obey a flow in turns, checks that they trade the same, and says what each took.
pub fn race(flow: &Flow, mut all: Vec<Contestant<'_>>, rounds: usize, json: bool) {
    let mut taken = vec![0.0; all.len()];
    let count = all.len();
    for round in 0..rounds {
        for nth in 0..count {
            // Another one is first in every round, and finds memory that is new.
            let nth = (nth + round) % count;
            let (seconds, tally) = (all[nth].run)();
            assert_eq!(tally, flow.made, "{}: {}", flow.workload.name, all[nth].name);
            taken[nth] += seconds;
        }
    }
    // The clock goes in steps of some milliseconds, which a mean evens out.
    let each = |seconds: f64| seconds / rounds as f64 / flow.timed.len() as f64 * 1e9;
    let ours = taken.first().copied().unwrap_or(f64::NAN);
    if !json {
        println!("{}, ns a command, and how many times as long as the first:", flow.workload.name);
    }
    for (contestant, &seconds) in all.iter().zip(&taken) {
        said(flow, &contestant.name, each(seconds), seconds / ours, json);
    }
}

/// One figure.
pub fn said(flow: &Flow, name: &str, ns: f64, times: f64, json: bool) {
    let workload = flow.workload.name;
    if json {
        println!("{{\"workload\": \"{workload}\", \"who\": \"{name}\", \"ns\": {ns:.3}}}");
    } else {
        println!("    {name:<32} {ns:>8.1} {times:>8.2}");
    }
}
