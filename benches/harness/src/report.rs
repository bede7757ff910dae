//! Rows, goals, and the three forms of the report: JSON, a Markdown table, a closing line.

use crate::measure::Entry;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A row of goals.json.
#[derive(Deserialize)]
pub struct Goals {
    pub name: String,
    pub unit: String,
    better: Better,
    what: String,
    goals: Vec<Goal>,
}

#[derive(Clone, Copy, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Better {
    Higher,
    Lower,
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(untagged)]
enum Goal {
    Ratio { versus: String, ratio: f64 },
    AtMost { at_most: f64 },
    AtLeast { at_least: f64 },
}

/// What was measured, in the row's unit.
pub struct Figures {
    pub ours: Option<f64>,
    pub peers: BTreeMap<String, f64>,
    pub spread: f64,
    /// Whose answers were wrong; they are not timed.
    pub wrong: Vec<String>,
}

impl Figures {
    /// In seconds; `Goals::report` turns them into the row's unit.
    pub fn of(entries: &[Entry], wrong: Vec<String>) -> Figures {
        let mut peers: BTreeMap<_, _> = entries.iter().map(|e| (e.name.clone(), e.median())).collect();
        let ours = peers.remove("ours");
        let spread = entries.iter().find(|e| e.name == "ours").map_or(0.0, Entry::spread);
        Figures { ours, peers, spread, wrong }
    }
}

#[derive(Serialize)]
pub struct Row {
    pub name: String,
    unit: String,
    better: Better,
    what: String,
    ours: Option<f64>,
    peers: BTreeMap<String, f64>,
    ratio_best_peer: Option<f64>,
    ratio_limit: Option<f64>,
    spread: f64,
    goals: Vec<Verdict>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    wrong: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_run: Option<String>,
}

/// A goal, what was reached of it, and whether that is enough.
#[derive(Serialize)]
struct Verdict {
    #[serde(flatten)]
    goal: Goal,
    reached: Option<f64>,
    met: Option<bool>,
}

/// The pseudo-code of the design is shown and has goals of its own, but is no library's answer.
const NO_PEER: [&str; 2] = ["limit.", "seed_"];

impl Goals {
    pub fn report(&self, figures: Result<Figures, String>) -> Row {
        let (figures, not_run) = match figures {
            Ok(figures) => (figures, None),
            Err(why) => (Figures::of(&[], Vec::new()), Some(why)),
        };
        let unit = |value: &f64| match self.unit.as_str() {
            "ns" => value * 1e9,
            "us" => value * 1e6,
            "updates/s" => 1.0 / value,
            _ => *value,
        };
        let ours = figures.ours.as_ref().map(unit);
        let peers: BTreeMap<_, _> = figures.peers.iter().map(|(n, v)| (n.clone(), unit(v))).collect();
        let best = |wanted: &dyn Fn(&str) -> bool| {
            let values = peers.iter().filter(|(name, _)| wanted(name)).map(|(_, value)| *value);
            values.reduce(|a, b| if (self.better == Better::Lower) == (a < b) { a } else { b })
        };
        let ratio = |other: Option<f64>| match self.better {
            Better::Lower => Some(other? / ours?),
            Better::Higher => Some(ours? / other?),
        };
        let best_peer = ratio(best(&|name| !NO_PEER.iter().any(|prefix| name.starts_with(prefix))));
        let judge = |goal: &Goal| {
            let (reached, met) = match goal {
                Goal::Ratio { versus, ratio: wanted } => {
                    let reached = match versus.as_str() {
                        "best_peer" => best_peer,
                        name => ratio(peers.get(name).copied()),
                    };
                    (reached, reached.map(|reached| reached >= *wanted))
                }
                Goal::AtMost { at_most } => (ours, ours.map(|ours| ours <= *at_most)),
                Goal::AtLeast { at_least } => (ours, ours.map(|ours| ours >= *at_least)),
            };
            Verdict { goal: goal.clone(), reached, met }
        };
        Row {
            name: self.name.clone(),
            unit: self.unit.clone(),
            better: self.better,
            what: self.what.clone(),
            goals: self.goals.iter().map(judge).collect(),
            ratio_best_peer: best_peer,
            ratio_limit: ratio(best(&|name| name.starts_with("limit."))),
            ours,
            peers,
            spread: figures.spread,
            wrong: figures.wrong,
            not_run,
        }
    }
}

const COLUMNS: [(&str, &[&str]); 7] = [
    ("left-right", &["left_right"]),
    ("bitmap", &["channel_bitmap"]),
    ("triple", &["channel_triple"]),
    ("arc-swap", &["channel_arc_swap"]),
    ("seed", &["seed_c", "seed_python"]),
    ("seed + copy", &["seed_c_correct"]),
    ("limit", &["limit.memcpy", "limit.futex_wake", "limit.cffi_call", "limit.cffi_from_buffer"]),
];

/// The measured rows side by side, as a Markdown table; after it, why the others were not run.
pub fn table(rows: &[Row]) -> String {
    let mut cells = vec![["row", "unit", "ours"].map(String::from).to_vec()];
    cells[0].extend(COLUMNS.map(|(title, _)| title.to_owned()));
    cells[0].extend(["spread", "goals: reached / wanted"].map(String::from));
    for row in rows.iter().filter(|row| row.not_run.is_none()) {
        let mut line = vec![row.name.clone(), row.unit.clone(), row.ours.map_or("-".into(), number)];
        line.extend(COLUMNS.map(|(_, names)| {
            let value = names.iter().find_map(|name| row.peers.get(*name));
            value.map_or(String::new(), |value| number(*value))
        }));
        line.push(format!("{:.0} %", 100.0 * row.spread));
        line.push(row.goals.iter().map(Verdict::text).collect::<Vec<_>>().join("; "));
        cells.push(line);
    }
    let width = |column: usize| cells.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..cells[0].len()).map(width).collect();
    let mut text = String::new();
    for (index, line) in cells.iter().enumerate() {
        let padded = line.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            let right = (2..widths.len() - 1).contains(&column);
            if right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        text += &format!("| {} |\n", padded.collect::<Vec<_>>().join(" | "));
        if index == 0 {
            let rules = widths.iter().map(|&width| "-".repeat(width + 2)).collect::<Vec<_>>();
            text += &format!("|{}|\n", rules.join("|"));
        }
    }
    text + &remarks(rows) + &tally(rows)
}

/// What the table does not show: wrong answers, and rows that were not run, by reason.
fn remarks(rows: &[Row]) -> String {
    let mut text = String::from("\n");
    for row in rows {
        for wrong in &row.wrong {
            text += &format!("Wrong answer, not timed: {}, {wrong}\n", row.name);
        }
    }
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in rows {
        if let Some(why) = &row.not_run {
            reasons.entry(why).or_default().push(&row.name);
        }
    }
    for (why, names) in reasons {
        text += &format!("Not run, {why}: {}\n", names.join(", "));
    }
    text
}

fn tally(rows: &[Row]) -> String {
    let goals = || rows.iter().flat_map(|row| &row.goals).filter_map(|goal| goal.met);
    format!("{} of {} goals met\n", goals().filter(|met| *met).count(), goals().count())
}

impl Verdict {
    fn text(&self) -> String {
        let mark = match self.met {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "unknown",
        };
        let reached = self.reached.map_or("?".into(), number);
        match &self.goal {
            Goal::Ratio { versus, ratio } => format!("{mark} {reached} / {} x {versus}", number(*ratio)),
            Goal::AtMost { at_most } => format!("{mark} {reached} <= {}", number(*at_most)),
            Goal::AtLeast { at_least } => format!("{mark} {reached} >= {}", number(*at_least)),
        }
    }
}

/// Three significant digits.
fn number(value: f64) -> String {
    let magnitude = value.abs().max(1e-9).log10().floor() as i32;
    match magnitude {
        6.. => format!("{:.2} M", value / 1e6),
        2..=5 => format!("{value:.0}"),
        _ => format!("{value:.*}", (2 - magnitude).min(3) as usize),
    }
}
