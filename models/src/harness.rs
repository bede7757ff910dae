//! Runs scenarios under loom, and checks that mutants fail them.

use std::process::Command;
use std::sync::Arc;

use crate::sync::spinner::set_polls;

/// Whether the environment requests the long form.
pub fn soak() -> bool {
    std::env::var_os("BACKBUF_SOAK").is_some_and(|value| !value.is_empty() && value != "0")
}

/// Runs a scenario with each form of waiting, in every interleaving with at most `preemptions` forced switches between threads (one more in the long form), and
/// with every value that the memory model permits a load to return.
pub fn explore(preemptions: usize, scenario: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions + usize::from(soak()));
    builder.max_branches = 20_000;
    // Boxed, so that the checker is compiled once.
    let scenario: Arc<dyn Fn() + Send + Sync> = Arc::new(scenario);
    // Each wait sleeps at once, or polls first: the wait policies.
    for polls in [0, 1] {
        let scenario = scenario.clone();
        set_polls(polls);
        builder.check(move || scenario());
    }
}

/// Lets the other threads run first when the exploration begins. loom does not notice that a thread's write matters to loads before it
/// if the thread has loaded itself; loads after the write are explored.
pub fn last() {
    loom::thread::yield_now();
}

/// Fails unless `scenario`, which runs on a mutant, fails. It runs in its own process, because a failed scenario may leave loom's
/// threads in any state.
pub fn rejects(test: &str, scenario: fn()) {
    const INSIDE: &str = "BACKBUF_MODELS_INSIDE";
    if std::env::var_os(INSIDE).is_some() {
        return scenario();
    }
    let mut child = Command::new(std::env::current_exe().expect("this test has a path"));
    let output =
        child.args([test, "--exact", "--nocapture"]).env(INSIDE, "1").output().expect("a test can be run");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("running 1 test"), "{test} did not run: {text}");
    assert!(!output.status.success(), "{test}: the scenario holds although the protocol is broken");
    let reason =
        text.lines().skip_while(|line| !line.contains("panicked at")).take(2).collect::<Vec<_>>().join(" ");
    assert!(!reason.is_empty(), "{test} ended otherwise than by a failed scenario: {text}");
    println!("{test}: rejected: {reason}");
}
