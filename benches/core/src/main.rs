//! The matching core beside three other books on the same commands: half of them orders that rest, 40 % cancels, 10 %
//! orders that trade. All must give the same trades, in the same order; only then are they timed.
//!
//! `cargo run --release` times; with `--features count` it counts allocations of the core instead.

mod commands;
mod engines;

use std::time::Instant;

use commands::{Command, stream};
use engines::{Core, Engine, Lobster, Matchcore, OrderbookRs, Trade};

const COMMANDS: usize = 2_000_000;

#[cfg(not(feature = "count"))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[cfg(feature = "count")]
#[global_allocator]
static ALLOCATOR: orderbook_rs::CountingAllocator<std::alloc::System> =
    orderbook_rs::CountingAllocator::new(std::alloc::System);

fn main() {
    for resting in [1_000, 10_000] {
        let (commands, first) = stream(resting, COMMANDS);
        println!("{} commands, about {resting} orders resting", commands.len() - first);
        if cfg!(feature = "count") {
            count(&commands, first);
            continue;
        }
        let expected = trades::<Core<false>>(&commands);
        println!("  {} trades", expected.len());
        time::<Core<false>>(&commands, first, &expected);
        time::<Core<true>>(&commands, first, &expected);
        time::<Lobster>(&commands, first, &expected);
        time::<Matchcore>(&commands, first, &expected);
        time::<OrderbookRs>(&commands, first, &expected);
    }
}

fn trades<E: Engine>(commands: &[Command]) -> Vec<Trade> {
    let mut engine = E::new();
    let mut trades = Vec::new();
    for (index, command) in commands.iter().enumerate() {
        engine.apply(index, command);
        engine.trades(index, &mut trades);
    }
    trades
}

/// Checks an engine's trades, then times it: all commands together, and each by itself less what the clock costs.
fn time<E: Engine>(commands: &[Command], first: usize, expected: &[Trade]) {
    let said = trades::<E>(commands);
    if let Some(at) = (0..said.len().max(expected.len())).find(|at| said.get(*at) != expected.get(*at)) {
        println!("  {:<28} another trade at {at}: {:?}, not {:?}", E::NAME, said.get(at), expected.get(at));
        return;
    }
    let mut rounds: Vec<u64> = (0..3).map(|_| together::<E>(commands, first)).collect();
    rounds.sort_unstable();
    let clock = clock_cost();
    let mut each = by_itself::<E>(commands, first);
    each.iter_mut().for_each(|nanos| *nanos = nanos.saturating_sub(clock));
    each.sort_unstable();
    let at = |per_mille: usize| each[(each.len() - 1) * per_mille / 1_000];
    println!(
        "  {:<28} {:>5} ns a command on average; one by one p50 {:>5}, p99 {:>6}, p99.9 {:>6} ns",
        E::NAME,
        rounds[1],
        at(500),
        at(990),
        at(999)
    );
}

fn warm<E: Engine>(commands: &[Command], first: usize) -> E {
    let mut engine = E::new();
    for (index, command) in commands[..first].iter().enumerate() {
        engine.apply(index, command);
    }
    engine
}

/// Nanoseconds a command, over all of them.
fn together<E: Engine>(commands: &[Command], first: usize) -> u64 {
    let mut engine = warm::<E>(commands, first);
    let start = Instant::now();
    for (index, command) in commands.iter().enumerate().skip(first) {
        engine.apply(index, command);
    }
    start.elapsed().as_nanos() as u64 / (commands.len() - first) as u64
}

/// Nanoseconds of each command, the clock's among them.
fn by_itself<E: Engine>(commands: &[Command], first: usize) -> Vec<u64> {
    let mut engine = warm::<E>(commands, first);
    let mut each = Vec::with_capacity(commands.len());
    for (index, command) in commands.iter().enumerate().skip(first) {
        let start = Instant::now();
        engine.apply(index, command);
        each.push(start.elapsed().as_nanos() as u64);
    }
    each
}

/// What it costs to look at the clock twice: the median.
fn clock_cost() -> u64 {
    let mut costs: Vec<u64> = (0..100_001).map(|_| Instant::now().elapsed().as_nanos() as u64).collect();
    costs.sort_unstable();
    costs[costs.len() / 2]
}

#[cfg(feature = "count")]
fn count(commands: &[Command], first: usize) {
    // By then every slab and map has grown to what the stream needs.
    let half = first + (commands.len() - first) / 2;
    let mut engine = warm::<Core<false>>(commands, half);
    let before = ALLOCATOR.snapshot();
    for (index, command) in commands.iter().enumerate().skip(half) {
        engine.apply(index, command);
    }
    let after = ALLOCATOR.snapshot();
    println!("  core: {} allocations over {} commands", after.allocs - before.allocs, commands.len() - half);
}

#[cfg(not(feature = "count"))]
fn count(_: &[Command], _: usize) {}
