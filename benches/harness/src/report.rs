//! Rows, goals, and the report as JSON, as a Markdown table, and as a summary line.

use crate::measure::Entry;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

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

/// Measurements of a row, in seconds per unit.
pub struct Figures {
    pub ours: Option<f64>,
    pub peers: BTreeMap<String, f64>,
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
        Figures { ours, peers, spread, wrong, missing: Vec::new(), renderer: None }
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
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    renderer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_run: Option<String>,
}

/// A goal, the reached value, and whether it meets the goal.
#[derive(Serialize)]
struct Verdict {
    #[serde(flatten)]
    goal: Goal,
    reached: Option<f64>,
    met: Option<bool>,
}

/// Entries that do not count as peers: limits, the naive managers, and other ways through this library.
const NO_PEER: [&str; 5] = ["limit.", "naive_", "spsc.", "manager.", "backbuf_"];
/// Queues of typed messages, which are not byte rings.
const NO_BYTE_RING: [&str; 2] = ["_typed", "_vec"];

impl Goals {
    pub fn report(&self, figures: Result<Figures, String>) -> Row {
        let (figures, not_run) = match figures {
            Ok(figures) => (figures, None),
            Err(reason) => (Figures::of(&[], Vec::new()), Some(reason)),
        };
        let unit = |value: &f64| match self.unit.as_str() {
            "ns" => value * 1e9,
            "us" => value * 1e6,
            "GB/s" => 1e-9 / value,
            "updates/s" | "msg/s" => 1.0 / value,
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
        // A Rust peer counts with its figure behind the C ABI, if there is one.
        let is_peer = |name: &str| {
            !NO_PEER.iter().any(|prefix| name.starts_with(prefix))
                && !peers.contains_key(&format!("{name}_c_abi"))
        };
        let is_ring = |name: &str| is_peer(name) && !NO_BYTE_RING.iter().any(|ending| name.ends_with(ending));
        let best_peer = ratio(best(&is_peer));
        let judge = |goal: &Goal| {
            let (reached, met) = match goal {
                Goal::Ratio { versus, ratio: wanted } => {
                    let reached = match versus.as_str() {
                        "best_peer" => best_peer,
                        "best_byte_ring" => ratio(best(&is_ring)),
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
            missing: figures.missing,
            renderer: figures.renderer,
            not_run,
        }
    }
}

/// Title of a column, and the entries that it shows.
type Column = (&'static str, &'static [&'static str]);

/// One table per module, with the columns that have figures.
const PARTS: [(&str, &[Column]); 8] = [
    ("fields.", &[("without fields", &["manager.enqueue.8.same"])]),
    ("changes.", &[("publish", &["backbuf_history"]), ("without history", &["backbuf_no_history"])]),
    ("feed.", &[("ring alone", &["spsc.throughput.64.64k"])]),
    (
        "manager.",
        &[
            ("left-right", &["left_right"]),
            ("bitmap", &["channel_bitmap"]),
            ("triple", &["channel_triple"]),
            ("arc-swap", &["channel_arc_swap"]),
            ("naive", &["naive_c", "naive_python"]),
            ("naive + copy", &["naive_c_correct"]),
            ("limit", &["limit.memcpy", "limit.futex_wake", "limit.cffi_call", "limit.cffi_from_buffer"]),
        ],
    ),
    (
        "spsc.",
        &[
            ("in Rust", &["backbuf_rust"]),
            ("rtrb", &["rtrb_c_abi"]),
            ("inlined", &["rtrb"]),
            ("ringbuf", &["ringbuf_c_abi"]),
            ("bbqueue", &["bbqueue_c_abi"]),
            ("gil", &["gil_c_abi", "gil"]),
            ("boost", &["boost"]),
            ("jack", &["jack"]),
            ("dpdk", &["dpdk"]),
            ("pipewire", &["pipewire"]),
            ("crossbeam", &["crossbeam_typed", "crossbeam_vec", "crossbeam"]),
            ("flume", &["flume_typed", "flume_vec", "flume"]),
            ("kanal", &["kanal_typed", "kanal_vec", "kanal"]),
            ("moodycamel", &["moodycamel_typed", "moodycamel_vec", "moodycamel"]),
            ("sockets", &["socketpair_streams"]),
            ("protocol", &["socketpair_protocol"]),
            ("pipe", &["pipe_streams"]),
            ("queue", &["asyncio_queue"]),
            ("janus", &["janus"]),
            ("culsans", &["culsans"]),
            ("limit", &["limit.cross_core_copy", "limit.two_line_bounce", "limit.futex_wake"]),
        ],
    ),
    (
        "gl.",
        &[
            ("fence", &["limit.gl_fence"]),
            ("best", &["limit.gl_best_readback", "limit.gl_best_upload"]),
            ("SubData", &["limit.glBufferSubData", "limit.glGetBufferSubData"]),
            ("mapped", &["limit.glMapBufferRange"]),
            ("orphaned", &["limit.gl_orphan"]),
            ("copied, mapped", &["limit.gl_copy_and_map"]),
            ("persistent", &["limit.gl_persistent"]),
        ],
    ),
    (
        "buffers.",
        &[
            ("staged", &["backbuf_staging"]),
            ("in place", &["backbuf_in_place"]),
            ("scattered", &["backbuf_scattered"]),
            ("memcpy", &["limit.memcpy"]),
            ("GL's best", &["limit.gl_best_readback", "limit.gl_best_upload"]),
            ("SubData", &["limit.glBufferSubData_256", "limit.glBufferSubData", "limit.glGetBufferSubData"]),
            ("write_buffer", &["wgpu_write_buffer"]),
            ("StagingBelt", &["wgpu_staging_belt"]),
            ("DownloadBuffer", &["wgpu_download_buffer"]),
            ("writes", &["writes"]),
        ],
    ),
    ("registry.", &[]),
];

/// The measured rows as one Markdown table per module, followed by remarks and the summary.
pub fn table(rows: &[Row]) -> String {
    let mut text = String::new();
    for (part, columns) in PARTS {
        let of_part = |row: &&Row| row.name.starts_with(part) && row.not_run.is_none();
        let measured: Vec<_> = rows.iter().filter(of_part).collect();
        if !measured.is_empty() {
            text += &part_table(&measured, columns);
            text.push('\n');
        }
    }
    text + &remarks(rows) + &tally(rows)
}

fn part_table(rows: &[&Row], columns: &[Column]) -> String {
    let value = |row: &Row, names: &[&str]| names.iter().find_map(|name| row.peers.get(*name).copied());
    let filled = |column: &&Column| rows.iter().any(|row| value(row, column.1).is_some());
    let columns: Vec<_> = columns.iter().filter(filled).collect();
    let mut cells = vec![["row", "unit", "ours"].map(String::from).to_vec()];
    cells[0].extend(columns.iter().map(|(title, _)| String::from(*title)));
    cells[0].extend(["spread", "goals: reached / wanted"].map(String::from));
    for row in rows {
        let mut line = vec![row.name.clone(), row.unit.clone(), row.ours.map_or("-".into(), number)];
        line.extend(columns.iter().map(|(_, names)| value(row, names).map_or(String::new(), number)));
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
    text
}

/// Remarks: renderers, missing peers, wrong results, and rows that were not run, by reason.
fn remarks(rows: &[Row]) -> String {
    let mut text = String::new();
    let renderers: BTreeSet<_> = rows.iter().filter_map(|row| row.renderer.as_ref()).collect();
    for renderer in renderers {
        text += &format!("Device: {renderer}\n");
    }
    let missing: BTreeSet<_> = rows.iter().flat_map(|row| &row.missing).collect();
    for what in missing {
        text += &format!("Not compared: {what}\n");
    }
    for row in rows {
        for wrong in &row.wrong {
            text += &format!("Wrong result, not timed: {}, {wrong}\n", row.name);
        }
    }
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in rows {
        if let Some(reason) = &row.not_run {
            reasons.entry(reason).or_default().push(&row.name);
        }
    }
    for (reason, names) in reasons {
        text += &format!("Not run, {reason}: {}\n", names.join(", "));
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
