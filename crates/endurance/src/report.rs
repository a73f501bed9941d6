//! The result of an ordeal, as text and as JSON.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::fault::Fault;
use crate::judge::Judgement;
use crate::measures::{Durations, Micros};
use crate::trouble::Diary;

/// How long after its continuation a paused owner's orders may still be found taken over because of the pause.
const PAUSE_AFTERMATH: Micros = 5_000_000;

/// The result. `Display` is a text for readers; [`Report::json`] is for programs.
#[derive(Debug)]
pub struct Report {
    pub(crate) seed: u64,
    pub(crate) replicas: usize,
    pub(crate) store: &'static str,
    pub(crate) seconds: f64,
    pub(crate) tail_seconds: f64,
    pub(crate) orders: usize,
    pub(crate) ends: BTreeMap<String, usize>,
    pub(crate) answers: BTreeMap<&'static str, usize>,
    pub(crate) faults: BTreeMap<Fault, usize>,
    pub(crate) connections_cut: u64,
    pub(crate) take_overs: usize,
    /// Orders that were parked, and that the operator resumed.
    pub(crate) resumed: usize,
    /// Signals in the histories.
    pub(crate) signals: usize,
    /// Events that a client of `GET /api/events` was told, at one process after the other.
    pub(crate) events_told: u64,
    /// How long after its time each pause ended.
    pub(crate) pauses_late: Durations,
    /// Take-over times by fault: first those while the store was undisturbed, then all.
    pub(crate) latencies: BTreeMap<Fault, (Durations, Durations)>,
    pub(crate) restarts: BTreeMap<Fault, Durations>,
    /// Paused owners whose orders were taken over, and those of them that logged it when they continued.
    pub(crate) zombies: (usize, usize),
    /// How long each failover of the database took, from the former primary's end to the first event at its successor.
    pub(crate) failovers: Durations,
    /// Former primaries that came back as if nothing had been.
    pub(crate) comebacks: usize,
    /// How often all processes were upgraded, one after the other, and how often they were downgraded.
    pub(crate) waves: (usize, usize),
    /// Connections to a former primary that the processes refused.
    pub(crate) refused: u64,
    /// The violations, each with all that is known about its order. A good run has none.
    pub violations: Vec<String>,
}

impl Report {
    /// Adds the effects of the faults on the processes.
    pub(crate) fn measure(&mut self, diary: &Diary, verdict: &Judgement) {
        self.signals = verdict.signals;
        self.pauses_late = verdict.pauses_late.clone();
        self.take_overs = verdict.taken_over.values().map(Vec::len).sum();
        let disturbed = |from: Micros, to: Micros| {
            diary.disturbances.iter().any(|(begun, ended)| *begun <= to && from <= *ended)
        };
        for departure in &diary.departures {
            let until = match departure.fault {
                Fault::Pause => departure.back + PAUSE_AFTERMATH,
                _ => Micros::MAX,
            };
            let (quiet, all) = self.latencies.entry(departure.fault).or_default();
            let mut first_after_the_restart: Option<Micros> = None;
            let mut taken_from_the_paused = false;
            for at in next_owners(&verdict.taken_over, &departure.owned, departure.at, until) {
                let latency = at - departure.at;
                all.add(latency);
                if !disturbed(departure.at, at) {
                    quiet.add(latency);
                }
                taken_from_the_paused |= at <= departure.back;
                if at >= departure.back {
                    first_after_the_restart = Some(first_after_the_restart.map_or(at, |first| first.min(at)));
                }
            }
            match departure.fault {
                Fault::Pause if taken_from_the_paused => {
                    self.zombies.0 += 1;
                    self.zombies.1 += usize::from(departure.said_so);
                }
                // A process with a new name waits for the lease of the former one, as any other process does.
                Fault::Pause | Fault::Replace => {}
                fault => {
                    if let Some(at) = first_after_the_restart
                        && !disturbed(departure.back, at)
                    {
                        self.restarts.entry(fault).or_default().add(at - departure.back);
                    }
                }
            }
        }
    }

    /// The same as JSON.
    pub fn json(&self) -> Value {
        let latencies: BTreeMap<_, _> = self
            .latencies
            .iter()
            .map(|(fault, (quiet, all))| {
                (fault.to_string(), json!({ "store_well": figures(quiet), "all": figures(all) }))
            })
            .collect();
        let restarts: BTreeMap<_, _> =
            self.restarts.iter().map(|(fault, durations)| (fault.to_string(), figures(durations))).collect();
        let faults: BTreeMap<_, _> = self.faults.iter().map(|(fault, n)| (fault.to_string(), n)).collect();
        json!({
            "seed": self.seed,
            "replicas": self.replicas,
            "store": self.store,
            "seconds": self.seconds,
            "tail_seconds": self.tail_seconds,
            "orders": self.orders,
            "ends": self.ends,
            "answers": self.answers,
            "faults": faults,
            "connections_cut": self.connections_cut,
            "take_overs": self.take_overs,
            "resumed": self.resumed,
            "signals": self.signals,
            "events_told": self.events_told,
            "pause_late_seconds": figures(&self.pauses_late),
            "take_over_seconds": latencies,
            "restart_to_progress_seconds": restarts,
            "paused_owners_taken_over": self.zombies.0,
            "paused_owners_that_said_so": self.zombies.1,
            "failover_to_progress_seconds": figures(&self.failovers),
            "former_primaries_back": self.comebacks,
            "former_primaries_refused": self.refused,
            "upgrades_of_all": self.waves.0,
            "downgrades_of_all": self.waves.1,
            "violations": self.violations,
        })
    }
}

/// The time when each of `owned` got its next owner, if that was between `from` and `until`.
fn next_owners<'a>(
    taken_over: &'a HashMap<Uuid, Vec<Micros>>,
    owned: &'a [Uuid],
    from: Micros,
    until: Micros,
) -> impl Iterator<Item = Micros> + 'a {
    owned.iter().filter_map(move |saga| {
        taken_over.get(saga)?.iter().copied().find(|at| *at >= from).filter(|at| *at <= until)
    })
}

fn figures(durations: &Durations) -> Value {
    json!({
        "n": durations.len(),
        "p50": durations.percentile(50),
        "p99": durations.percentile(99),
        "max": durations.max(),
    })
}

/// `n`, p50, p99 and max in one line.
struct ReportLine<'a>(&'a Durations);

impl fmt::Display for ReportLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n={:<6}", self.0.len())?;
        for (name, of_hundred) in [("p50", 50), ("p99", 99), ("max", 100)] {
            match self.0.percentile(of_hundred) {
                Some(seconds) => write!(f, " {name} {seconds:>7.3} s")?,
                None => write!(f, " {name}       -  ")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} orders on {} with {} process(es), {:.0} s under faults and {:.1} s without, seed {}",
            self.orders, self.store, self.replicas, self.seconds, self.tail_seconds, self.seed
        )?;
        writeln!(f, "ends: {:?}", self.ends)?;
        writeln!(f, "answers: {:?}", self.answers)?;
        writeln!(f, "faults: {}", self.faults.values().sum::<usize>())?;
        for (fault, times) in &self.faults {
            writeln!(f, "    {fault:<14} {times}")?;
        }
        writeln!(f, "database connections cut in use: {}", self.connections_cut)?;
        writeln!(f, "take-overs of orders: {}", self.take_overs)?;
        writeln!(f, "orders that were parked after three of these, and brought on: {}", self.resumed)?;
        writeln!(f, "signals kept: {}", self.signals)?;
        writeln!(f, "events told: {}", self.events_told)?;
        writeln!(f, "from a pause's time to its end: {}", ReportLine(&self.pauses_late))?;
        writeln!(f, "from the owner's end (or pause) to the next owner's `taken_over`:")?;
        for (fault, (quiet, all)) in &self.latencies {
            writeln!(f, "    {fault:<14} store well: {}", ReportLine(quiet))?;
            writeln!(f, "    {fault:<14} all:        {}", ReportLine(all))?;
        }
        writeln!(f, "from a process's start to the first event of an order that was there, store well:")?;
        for (fault, durations) in &self.restarts {
            writeln!(f, "    {fault:<14} {}", ReportLine(durations))?;
        }
        let (taken, said) = self.zombies;
        writeln!(
            f,
            "paused owners whose orders were taken over: {taken}; said so when they woke up: {said}"
        )?;
        if self.failovers.len() > 0 {
            writeln!(
                f,
                "from the primary's end to the first event at its successor: {}",
                ReportLine(&self.failovers)
            )?;
            writeln!(
                f,
                "former primaries that came back writable: {}; connections to them that were refused: {}",
                self.comebacks, self.refused
            )?;
        }
        if self.waves.0 > 0 {
            let (up, down) = self.waves;
            writeln!(f, "all processes upgraded, one after the other: {up} times; downgraded: {down} times")?;
        }
        for violation in &self.violations {
            writeln!(f, "VIOLATION {violation}")?;
        }
        write!(f, "violations: {}", self.violations.len())
    }
}
