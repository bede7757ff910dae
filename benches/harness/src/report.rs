//! Rows, goals, and the report as JSON, as a Markdown table, and as a summary line.

use crate::figures::{Band, Figures, Runs};
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
    /// Of our figure, if the row was measured several times.
    #[serde(skip_serializing_if = "Option::is_none")]
    band: Option<Band>,
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
    /// The number of runs that meet the goal, and of all runs that can be judged.
    met_in: (usize, usize),
}

/// Entries that do not count as peers: limits, the naive managers, and other ways through this library.
const NO_PEER: [&str; 5] = ["limit.", "naive_", "spsc.", "manager.", "backbuf_"];
/// Queues of typed messages, which are not byte rings.
const NO_BYTE_RING: [&str; 2] = ["_typed", "_vec"];

impl Goals {
    /// The row's report: medians over its runs, and the verdict on each goal.
    pub fn report(&self, runs: Vec<Result<Figures, String>>) -> Row {
        let (runs, not_run) = match Runs::new(runs) {
            Ok(runs) => (runs.converted(|seconds| self.in_unit(seconds)), None),
            Err(reason) => (Runs::default(), Some(reason)),
        };
        let figures = runs.combined();
        let judge = |goal: &Goal| {
            let (reached, met) = self.judge(goal, &figures);
            let each: Vec<bool> = runs.each().iter().filter_map(|run| self.judge(goal, run).1).collect();
            let met_in = (each.iter().filter(|met| **met).count(), each.len());
            Verdict { goal: goal.clone(), reached, met, met_in }
        };
        Row {
            name: self.name.clone(),
            unit: self.unit.clone(),
            better: self.better,
            what: self.what.clone(),
            goals: self.goals.iter().map(judge).collect(),
            ratio_best_peer: self.versus("best_peer", &figures),
            ratio_limit: self.ratio(&figures, self.best(&figures, |name| name.starts_with("limit."))),
            band: runs.band(),
            ours: figures.ours,
            peers: figures.peers,
            spread: figures.spread,
            wrong: figures.wrong,
            missing: figures.missing,
            renderer: figures.renderer,
            not_run,
        }
    }

    fn in_unit(&self, seconds: f64) -> f64 {
        match self.unit.as_str() {
            "ns" => seconds * 1e9,
            "us" => seconds * 1e6,
            "ms" => seconds * 1e3,
            "GB/s" => 1e-9 / seconds,
            "updates/s" | "msg/s" => 1.0 / seconds,
            _ => seconds,
        }
    }

    /// What a goal asks for, and whether it is met.
    fn judge(&self, goal: &Goal, figures: &Figures) -> (Option<f64>, Option<bool>) {
        let ours = figures.ours;
        match goal {
            Goal::Ratio { versus, ratio } => {
                let reached = self.versus(versus, figures);
                (reached, reached.map(|reached| reached >= *ratio))
            }
            Goal::AtMost { at_most } => (ours, ours.map(|ours| ours <= *at_most)),
            Goal::AtLeast { at_least } => (ours, ours.map(|ours| ours >= *at_least)),
        }
    }

    /// How many times as good as `name` we are: a peer, a limit, another row, or the best of the peers or byte rings.
    fn versus(&self, name: &str, figures: &Figures) -> Option<f64> {
        // A Rust peer counts with its figure behind the C ABI, if there is one.
        let is_peer = |name: &str| {
            !NO_PEER.iter().any(|prefix| name.starts_with(prefix))
                && !figures.peers.contains_key(&format!("{name}_c_abi"))
        };
        let is_ring = |name: &str| is_peer(name) && !NO_BYTE_RING.iter().any(|ending| name.ends_with(ending));
        let other = match name {
            "best_peer" => self.best(figures, is_peer),
            "best_byte_ring" => self.best(figures, is_ring),
            name => figures.peers.get(name).copied(),
        };
        self.ratio(figures, other)
    }

    fn best(&self, figures: &Figures, wanted: impl Fn(&str) -> bool) -> Option<f64> {
        let values = figures.peers.iter().filter(|(name, _)| wanted(name)).map(|(_, value)| *value);
        values.reduce(|a, b| if (self.better == Better::Lower) == (a < b) { a } else { b })
    }

    fn ratio(&self, figures: &Figures, other: Option<f64>) -> Option<f64> {
        match self.better {
            Better::Lower => Some(other? / figures.ours?),
            Better::Higher => Some(figures.ours? / other?),
        }
    }
}

/// Title of a column, and the entries that it shows.
type Column = (&'static str, &'static [&'static str]);

/// One table per module, with the columns that have figures.
const PARTS: [(&str, &[Column]); 9] = [
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
            ("whole table", &["whole_table"]),
            (
                "limit",
                &[
                    "limit.memcpy",
                    "limit.futex_wake",
                    "limit.cas_and_store",
                    "limit.cffi_call",
                    "limit.cffi_from_buffer",
                ],
            ),
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
            ("queue", &["asyncio_queue", "simple_queue", "queue_copy"]),
            ("send", &["send"]),
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
            (
                "SubData",
                &["limit.glBufferSubData", "limit.glBufferSubData_and_fence", "limit.glGetBufferSubData"],
            ),
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
    ("registry.", &[("omnimalloc", &["omnimalloc"])]),
    ("demo.", &[]),
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
    let repeated = rows.iter().any(|row| row.band.is_some());
    cells[0].push(String::from(if repeated { "band" } else { "spread" }));
    cells[0].push(String::from("goals: reached / wanted"));
    for row in rows {
        let mut line = vec![row.name.clone(), row.unit.clone(), row.ours.map_or("-".into(), number)];
        line.extend(columns.iter().map(|(_, names)| value(row, names).map_or(String::new(), number)));
        line.push(match row.band {
            Some(Band { low, high }) => format!("{} to {}", number(low), number(high)),
            None => format!("{:.0} %", 100.0 * row.spread),
        });
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
        let text = match &self.goal {
            Goal::Ratio { versus, ratio } => format!("{mark} {reached} / {} x {versus}", number(*ratio)),
            Goal::AtMost { at_most } => format!("{mark} {reached} <= {}", number(*at_most)),
            Goal::AtLeast { at_least } => format!("{mark} {reached} >= {}", number(*at_least)),
        };
        match self.met_in {
            (0 | 1, 0 | 1) => text,
            (met, runs) => format!("{text} ({met} of {runs} runs)"),
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
