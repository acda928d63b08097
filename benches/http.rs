//! Orders through the whole service, beside a bare actix-web handler that only parses and answers.
//!
//! `make bench`, or `cargo bench --bench http`. Each round loads, one after the other and with the same requests: the bare
//! handler; the service on real Redis and PostgreSQL at full durability, with single orders and with batches; the service on
//! its local file. At half of the rate that single orders just reached it sends each at its own time, for the latencies. The tables give medians
//! and ratios within the run, since absolute figures say as much about the machine.

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use support::bare;
use support::cpu::{self, Cpu};
use support::host;
use support::open_loop::{self, Latencies};
use support::stack::{Mode, Stack};
use support::wrk::{BATCH_CONNECTIONS, CONNECTIONS, Script};

const ROUNDS: usize = 3;
/// Under full load; `BENCH_SECONDS` is another time for it.
const LOADED: Duration = Duration::from_secs(10);
/// At half of it.
const PACED_SECONDS: f64 = 5.0;

/// What one round measured.
struct Round {
    bare: f64,
    full: Loaded,
    batches: Loaded,
    embedded: Loaded,
    embedded_batches: Loaded,
    acknowledged: Latencies,
    committed: Latencies,
    /// Which share of the cores' time the machine's host took while latencies were measured.
    taken: f64,
}

/// Orders as fast as the service takes them.
struct Loaded {
    /// Requests answered a second.
    answered: f64,
    /// Orders matched, committed and projected a second, those that were left over when the load ended with their time.
    completed: f64,
    /// How many those were.
    lag: u64,
    /// Time on a core per order, in µs.
    cpu: Cpu,
}

fn main() {
    if let Some(port) = bare::asked_for() {
        return bare::serve(port).expect("the bare handler");
    }
    let scripts = (Script::orders(), Script::batches());
    let seconds = std::env::var("BENCH_SECONDS").ok().map(|text| text.parse().expect("BENCH_SECONDS is a number"));
    let loaded = seconds.map_or(LOADED, Duration::from_secs);
    let rounds: Vec<Round> = (1..=ROUNDS).map(|number| measure(number, &scripts, loaded)).collect();

    println!(
        "\nsingle orders over HTTP, {CONNECTIONS} connections, {} s, medians of {ROUNDS} rounds",
        loaded.as_secs()
    );
    let row = |name: &str, rate: fn(&Round) -> f64| {
        let ratio = median(&rounds, |round| rate(round) / round.bare);
        println!("  {name:<44} {:>8.0}/s  {ratio:.2}", median(&rounds, rate));
    };
    row("bare handler", |round| round.bare);
    row("acknowledged", |round| round.full.answered);
    row("matched, committed and projected", |round| round.full.completed);
    row("on the local file: acknowledged", |round| round.embedded.answered);
    row("on the local file: matched and committed", |round| round.embedded.completed);
    println!("in batches of 100, {BATCH_CONNECTIONS} connections");
    row("matched, committed and projected", |round| round.batches.completed);
    row("on the local file: matched and committed", |round| round.embedded_batches.completed);

    println!("\nlatency at half that rate, open loop, in ms           p50     p90     p99   p99.9");
    latency("acknowledged", &rounds, |round| &round.acknowledged);
    latency("committed and projected", &rounds, |round| &round.committed);
    println!(
        "  the machine's host took {:.1} % of the cores' time meanwhile",
        100.0 * median(&rounds, |round| round.taken)
    );

    println!("\ntime on a core, µs per order");
    parts("full", &rounds, |round| &round.full.cpu);
    parts("on the local file", &rounds, |round| &round.embedded.cpu);
    parts("full, in batches", &rounds, |round| &round.batches.cpu);
}

fn measure(number: usize, (orders, batches): &(Script, Script), loaded: Duration) -> Round {
    let bare = bare::measure(orders, loaded);
    let stack = Stack::start(Mode::Full);
    let full = load(&stack, orders, loaded);
    let rate = full.completed / 2.0;
    let paced = host::Time::now();
    let acknowledged = open_loop::send(stack.port(), rate, PACED_SECONDS, order);
    let committed = open_loop::send(stack.port(), rate, PACED_SECONDS, named_order);
    let taken = paced.taken_since();
    let in_batches = load(&stack, batches, loaded);
    drop(stack);
    let stack = Stack::start(Mode::Embedded);
    let embedded = load(&stack, orders, loaded);
    let embedded_batches = load(&stack, batches, loaded);
    println!(
        "round {number}: bare {bare:.0}/s · completed {:.0}/s ({:.2}, lag at the end {}), in batches {:.0}/s · on the local \
         file {:.0}/s ({:.2}, lag at the end {}), in batches {:.0}/s",
        full.completed,
        full.completed / bare,
        full.lag,
        in_batches.completed,
        embedded.completed,
        embedded.completed / bare,
        embedded.lag,
        embedded_batches.completed,
    );
    Round { bare, full, batches: in_batches, embedded, embedded_batches, acknowledged, committed, taken }
}

fn load(stack: &Stack, script: &Script, duration: Duration) -> Loaded {
    script.run(&stack.url(), Duration::from_secs(2));
    let before = stack.settled();
    let cpu = stack.cpu();
    let began = Instant::now();
    let answered = script.run(&stack.url(), duration);
    let loaded = began.elapsed();
    let shown = stack.projected();
    let last = stack.settled();
    let total = if last == shown { loaded } else { began.elapsed() };
    let count = last - before;
    let cpu = cpu::per_order(&cpu, &stack.cpu(), count);
    Loaded { answered, completed: count as f64 / total.as_secs_f64(), lag: last - shown, cpu }
}

/// An order of the same profile as the load's, from its number alone.
fn order(number: u64) -> String {
    let random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let symbol = ["BTC_USDT", "ETH_USDT", "XRP_USDT"][(random % 3) as usize];
    let side = if random & 64 == 0 { "BUY" } else { "SELL" };
    let (price, cents, quantity) = (90 + (random >> 8) % 20, (random >> 16) % 100, 1 + (random >> 24) % 10);
    format!(r#"{{"symbol":"{symbol}","side":"{side}","price":{price}.{cents:02},"quantity":{quantity}}}"#)
}

/// The same with a name, which is answered after its commit.
fn named_order(number: u64) -> String {
    order(number).replacen('{', &format!(r#"{{"client_order_id":"n{number}","#), 1)
}

fn median(rounds: &[Round], value: impl Fn(&Round) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn latency(name: &str, rounds: &[Round], of: fn(&Round) -> &Latencies) {
    let at = |share| median(rounds, |round| of(round).quantile(share));
    println!("  {name:<47} {:>7.2} {:>7.2} {:>7.2} {:>7.2}", at(0.5), at(0.9), at(0.99), at(0.999));
}

fn parts(name: &str, rounds: &[Round], of: fn(&Round) -> &Cpu) {
    println!("  {name:<30} {:>6.1}", median(rounds, |round| cpu::total(of(round), "")));
    let names: BTreeSet<&String> = rounds.iter().flat_map(|round| of(round).keys()).collect();
    for process in ["service", "redis", "postgres"] {
        println!("    {process:<28} {:>6.1}", median(rounds, |round| cpu::total(of(round), process)));
        for part in names.iter().filter(|part| part.starts_with(process)) {
            let used = median(rounds, |round| of(round).get(*part).copied().unwrap_or_default());
            if used >= 0.2 {
                println!("      {:<26} {used:>6.1}", part.trim_start_matches(process).trim_start_matches(": "));
            }
        }
    }
}
