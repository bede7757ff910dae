//! Measurements of a row: one run, and several runs combined with the band that they span.

use crate::measure::{Entry, quantile};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Measurements of a row in one run, in seconds per unit.
#[derive(Default)]
pub struct Figures {
    pub ours: Option<f64>,
    pub peers: BTreeMap<String, f64>,
    /// Interquartile range of our bursts over their median.
    pub spread: f64,
    /// Entries with wrong results, which are not timed.
    pub wrong: Vec<String>,
    /// Peers that are not installed on this machine.
    pub missing: Vec<String>,
    /// The driver behind the figures, if relevant.
    pub renderer: Option<String>,
}

impl Figures {
    /// The medians in seconds; `Goals::report` converts them into the row's unit.
    pub fn of(entries: &[Entry], wrong: Vec<String>) -> Figures {
        let mut peers: BTreeMap<_, _> = entries.iter().map(|e| (e.name.clone(), e.median())).collect();
        let ours = peers.remove("ours");
        let spread = entries.iter().find(|e| e.name == "ours").map_or(0.0, Entry::spread);
        Figures { ours, peers, spread, wrong, ..Figures::default() }
    }

    /// A figure without peers that is measured once a run.
    pub fn single(ours: f64, wrong: Vec<String>) -> Figures {
        Figures { ours: Some(ours), wrong, ..Figures::default() }
    }

    /// The same with other units.
    pub fn converted(mut self, unit: impl Fn(f64) -> f64) -> Figures {
        self.ours = self.ours.map(&unit);
        self.peers.values_mut().for_each(|value| *value = unit(*value));
        self
    }
}

/// The least and the greatest figure of several runs.
#[derive(Serialize, Clone, Copy)]
pub struct Band {
    pub low: f64,
    pub high: f64,
}

/// The runs of a row.
#[derive(Default)]
pub struct Runs(Vec<Figures>);

impl Runs {
    /// All runs that have figures; the error is the reason of the first if none has.
    pub fn new(runs: Vec<Result<Figures, String>>) -> Result<Runs, String> {
        let mut reason = None;
        let mut measured = Vec::new();
        for run in runs {
            match run {
                Ok(figures) => measured.push(figures),
                Err(error) => reason = reason.or(Some(error)),
            }
        }
        match reason {
            Some(reason) if measured.is_empty() => Err(reason),
            _ => Ok(Runs(measured)),
        }
    }

    pub fn converted(self, unit: impl Fn(f64) -> f64) -> Runs {
        Runs(self.0.into_iter().map(|run| run.converted(&unit)).collect())
    }

    /// The single runs.
    pub fn each(&self) -> &[Figures] {
        &self.0
    }

    /// The medians over the runs.
    pub fn combined(&self) -> Figures {
        let middle = |values: Vec<f64>| (!values.is_empty()).then(|| quantile(&values, 0.5));
        let names: BTreeSet<&String> = self.0.iter().flat_map(|run| run.peers.keys()).collect();
        let values = |name: &String| self.0.iter().filter_map(|run| run.peers.get(name).copied()).collect();
        let peers =
            names.into_iter().filter_map(|name| Some((name.clone(), middle(values(name))?))).collect();
        let once = |of: &dyn Fn(&Figures) -> Vec<String>| -> Vec<String> {
            self.0.iter().flat_map(of).collect::<BTreeSet<_>>().into_iter().collect()
        };
        Figures {
            ours: middle(self.ours()),
            peers,
            spread: middle(self.0.iter().map(|run| run.spread).collect()).unwrap_or(0.0),
            wrong: once(&|run| run.wrong.clone()),
            missing: once(&|run| run.missing.clone()),
            renderer: self.0.iter().find_map(|run| run.renderer.clone()),
        }
    }

    /// The band of our figure, if there are several runs.
    pub fn band(&self) -> Option<Band> {
        let ours = self.ours();
        (ours.len() > 1).then(|| Band { low: quantile(&ours, 0.0), high: quantile(&ours, 1.0) })
    }

    fn ours(&self) -> Vec<f64> {
        self.0.iter().filter_map(|run| run.ours).collect()
    }
}
