//! Rows that Python scripts measure, and the plot.

use crate::figures::Figures;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A line of the script's output: figures in seconds, or the reason why there are none.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Figures {
        ours: f64,
        peers: BTreeMap<String, f64>,
        spread: f64,
        #[serde(default)]
        missing: Vec<String>,
    },
    NotRun {
        not_run: String,
    },
}

/// Runs the script for one row; the figures are seconds per call, which the report converts into the row's unit.
pub fn measure(interpreter: &Path, script: &Path, row: &str, time: Duration) -> Result<Figures, String> {
    let mut command = Command::new(interpreter);
    command.arg(script).arg(row).arg("--seconds").arg(time.as_secs_f64().to_string());
    let output = command.output().map_err(|error| format!("{}: {error}", interpreter.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let answer = serde_json::from_str(text.trim()).map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        format!("the script failed: {}", said.trim().lines().last().unwrap_or("no output"))
    })?;
    match answer {
        Answer::Figures { ours, peers, spread, missing } => {
            Ok(Figures { ours: Some(ours), peers, spread, missing, ..Figures::default() })
        }
        Answer::NotRun { not_run } => Err(not_run),
    }
}

/// Draws the report in `folder`.
pub fn plot(interpreter: &Path, script: &Path, folder: &Path) {
    let drawn = Command::new(interpreter).arg(script).arg(folder).status();
    if !drawn.is_ok_and(|status| status.success()) {
        eprintln!("bench: no plot: {} failed to run {}", interpreter.display(), script.display());
    }
}
