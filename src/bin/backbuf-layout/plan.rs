//! The command `plan`: reads a table of items with sizes and lifetimes, and writes it with their offsets.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use backbuf::planner::{MemoryPlan, PlanOptions, items};

use crate::{Arguments, Exit, ExitResult, failed};

/// The options of the command.
pub const OPTIONS: [&str; 8] = ["align", "budget", "json", "nodes", "output", "seed", "target", "threads"];

/// The columns that a table may have. All but the first and the last are required.
const COLUMNS: [&str; 5] = ["id", "lower", "upper", "size", "alignment"];
const ID: usize = 0;
const ALIGNMENT: usize = 4;

/// A table in CSV, as the benchmarks of static memory planning have it.
struct Table {
    /// The first line, and the others with an item.
    header: String,
    lines: Vec<String>,
    ids: Vec<String>,
    /// The numbers by [`COLUMNS`]; a column that the table lacks is empty.
    columns: [Vec<u64>; 5],
}

impl Table {
    fn read(text: &str) -> Result<Table, String> {
        let mut lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
        let mut lines = lines.by_ref().filter(|(_, line)| !line.is_empty());
        let (_, header) = lines.next().ok_or("is empty: the first line names the columns")?;
        let names: Vec<&str> = header.trim_start_matches('\u{feff}').split(',').map(str::trim).collect();
        let mut found = Vec::new();
        for name in &names {
            let column = COLUMNS.iter().position(|column| column == name);
            let column = column.ok_or_else(|| {
                format!("line 1: \"{name}\" is no column; use {} and {}", COLUMNS[..4].join(", "), COLUMNS[4])
            })?;
            if found.contains(&column) {
                return Err(format!("line 1: the column {name} is there twice"));
            }
            found.push(column);
        }
        if let Some(missing) = (1..ALIGNMENT).find(|column| !found.contains(column)) {
            return Err(format!("line 1: the column {} is missing", COLUMNS[missing]));
        }
        let mut table = Table {
            header: names.join(","),
            lines: Vec::new(),
            ids: Vec::new(),
            columns: Default::default(),
        };
        for (number, line) in lines {
            let entries: Vec<&str> = line.split(',').map(str::trim).collect();
            if entries.len() != found.len() {
                let (given, wanted) = (entries.len(), found.len());
                return Err(format!("line {number}: {given} entries, and {wanted} columns"));
            }
            for (&column, entry) in found.iter().zip(&entries) {
                if column == ID {
                    table.ids.push((*entry).to_owned());
                    continue;
                }
                let value = entry.parse().map_err(|_| {
                    format!(
                        "line {number}: {} = \"{entry}\": use a number from 0 to 2^64 - 1",
                        COLUMNS[column]
                    )
                })?;
                table.columns[column].push(value);
            }
            table.lines.push(entries.join(","));
        }
        Ok(table)
    }

    /// The table with the offset of each item.
    fn with_offsets(&self, offsets: &[u64]) -> String {
        let mut text = format!("{},offset\n", self.header);
        for (line, offset) in self.lines.iter().zip(offsets) {
            let _ = writeln!(text, "{line},{offset}");
        }
        text
    }

    /// The plan as a JSON object.
    fn json(&self, plan: &MemoryPlan) -> String {
        let id = |index: usize| self.ids.get(index).cloned().unwrap_or_else(|| index.to_string());
        let items = plan.offsets.iter().enumerate();
        let items: Vec<_> =
            items.map(|(index, offset)| serde_json::json!({"id": id(index), "offset": offset})).collect();
        let object = serde_json::json!({
            "height": plan.height,
            "lower_bound": plan.lower_bound,
            "exact": plan.exact,
            "heuristic_height": plan.heuristic_height,
            "nodes": plan.nodes,
            "items": items,
        });
        format!("{object:#}\n")
    }
}

/// A line on a terminal that shows how much of the budget a search has used.
struct ProgressBar {
    start: Instant,
    budget: Duration,
    /// When to draw next; None if standard error is no terminal.
    next: Option<Mutex<Instant>>,
}

/// How often it is drawn.
const PERIOD: Duration = Duration::from_millis(100);
const CELLS: usize = 30;

impl ProgressBar {
    fn new(budget: Duration) -> ProgressBar {
        let start = Instant::now();
        let next = std::io::stderr().is_terminal().then(|| Mutex::new(start + 5 * PERIOD));
        ProgressBar { start, budget, next }
    }

    /// Draws the bar if it is time to. Called often, by every thread of the search.
    fn draw(&self) {
        // A thread that finds another one drawing goes on.
        let Some(Ok(mut next)) = self.next.as_ref().map(Mutex::try_lock) else { return };
        let now = Instant::now();
        if now < *next {
            return;
        }
        *next = now + PERIOD;
        let (used, all) = ((now - self.start).as_secs_f64(), self.budget.as_secs_f64());
        let cells = ((used / all * CELLS as f64) as usize).min(CELLS);
        let bar = format!("[{}{}]", "#".repeat(cells), ".".repeat(CELLS - cells));
        let _ =
            write!(std::io::stderr(), "\rplanning {bar} {used:.0} of {all:.0} s, Ctrl-C to give up\x1b[K");
    }

    fn erase(&self) {
        if self.next.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

fn budget(arguments: &Arguments) -> ExitResult<Duration> {
    let Some(text) = arguments.option("budget") else { return Ok(Duration::from_secs(1)) };
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.map_or_else(|| failed(format_args!("--budget = \"{text}\": use a number of seconds")), Ok)
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> ExitResult {
    let (path, text) = (&arguments.files[0], arguments.text(0)?);
    let mut table = Table::read(&text).or_else(|reason| failed(format_args!("{path}: {reason}")))?;
    if let Some(align) = arguments.number("align")? {
        if !table.columns[ALIGNMENT].is_empty() {
            return failed(format_args!("--align: {path} has a column alignment"));
        }
        table.columns[ALIGNMENT].push(align);
    }
    let [_, lower, upper, size, alignment] = &table.columns;
    let items =
        items(lower, upper, size, alignment).or_else(|error| failed(format_args!("{path}: {error}")))?;
    let (budget, target) = (budget(arguments)?, arguments.number("target")?);
    let bar = ProgressBar::new(budget);
    let progress = || {
        bar.draw();
        false
    };
    let options = PlanOptions {
        budget,
        nodes: arguments.number("nodes")?.unwrap_or(u64::MAX),
        seed: arguments.number("seed")?.unwrap_or(0),
        threads: arguments.number::<u32>("threads")?.unwrap_or(1) as usize,
        target,
        cancelled: &progress,
    };
    let plan = backbuf::plan(&items, &options);
    bar.erase();
    let plan = plan.or_else(|error| failed(format_args!("{path}: {error}")))?;
    let json = arguments.has("json");
    arguments.write(&if json { table.json(&plan) } else { table.with_offsets(&plan.offsets) })?;
    let proof = match plan.exact {
        true => "which is proven to be the least".to_owned(),
        false => format!("and no plan needs fewer than {}", plan.lower_bound),
    };
    let beyond = target.filter(|&target| plan.height > target);
    let target = beyond.map(|target| format!(", beyond the target of {target}")).unwrap_or_default();
    // A closed standard error does not change the status.
    let _ = writeln!(
        std::io::stderr(),
        "{path}: {} items need {} bytes{target}, {proof}",
        items.len(),
        plan.height
    );
    if beyond.is_some() { Err(Exit::Negative) } else { Ok(()) }
}
