//! Game of life: an engine thread steps from front to back copy, and the main thread reads complete steps at its own speed.
//!
//! A glider has five living cells in every step; a half-written step would have another number.

use std::thread;
use std::time::Duration;

use backbuf::manager::{BackMode, Config};
use backbuf::{Manager, Result, Status, Timeout};

const SIDE: usize = 64;

fn step(front: &[u8], back: &mut [u8]) {
    let at = |row: usize, column: usize| front[row % SIDE * SIDE + column % SIDE];
    for row in 0..SIDE {
        for column in 0..SIDE {
            let around = [SIDE - 1, 0, 1].map(|i| [SIDE - 1, 0, 1].map(|j| at(row + i, column + j)));
            let cell = at(row, column);
            let neighbours = around.as_flattened().iter().sum::<u8>() - cell;
            back[row * SIDE + column] = u8::from(neighbours == 3 || cell == 1 && neighbours == 2);
        }
    }
}

fn engine(manager: &Manager<u8>) -> Result<()> {
    for number in 1.. {
        let mut reserved = manager.reserve_back(BackMode::Discard, Timeout::FOREVER)?;
        let (back, front) = reserved.split();
        step(front, back);
        reserved.commit(number)?;
        manager.synchronize(Timeout::FOREVER)?;
    }
    Ok(())
}

/// Returns whether every front was a complete step.
fn watch(manager: &Manager<u8>) -> Result<bool> {
    let (mut seen, mut whole) = (0, true);
    for _ in 0..10 {
        seen = manager.wait_epoch(seen, Duration::from_secs(10).into())?;
        let front = manager.front()?;
        let alive: Vec<usize> = (0..front.len()).filter(|&i| front[i] == 1).collect();
        whole &= alive.len() == 5;
        let (row, column) = alive.first().map_or((0, 0), |place| (place / SIDE, place % SIDE));
        println!("step {:>5}: {} cells from row {row}, column {column} on", front.tag(), alive.len());
    }
    Ok(whole)
}

fn main() -> Result<()> {
    let mut start = vec![0; SIDE * SIDE];
    for (row, column) in [(0, 1), (1, 2), (2, 0), (2, 1), (2, 2)] {
        start[row * SIDE + column] = 1;
    }
    let config = Config { label: "life", initial: Some(&start), ..Config::default() };
    let manager = Manager::with_config(&[SIDE as u64, SIDE as u64], config)?;

    thread::scope(|threads| {
        let engine = threads.spawn(|| engine(&manager));
        let watched = watch(&manager);
        manager.close(Duration::from_secs(10).into())?;
        match engine.join().expect("the engine does not panic") {
            Err(error) if error.status() == Status::Closed => {} // main has closed the manager
            other => other?,
        }
        assert!(watched?, "a front was torn");
        Ok(())
    })
}
