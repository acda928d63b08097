//! What an order costs as the service grows: more open orders, more symbols, a longer log; and how much memory an open
//! order takes. `make bench-long`; some minutes on two cores. What is only there to grow comes in batches.
//!
//! The cost is time on a core over all processes. It is taken from pairs of orders that meet each other between the two
//! sides of a book whose other orders they never reach, so that the book stays as it is.

mod support;

use std::time::{Duration, Instant};

use support::cpu;
use support::stack::{Mode, Stack};
use support::wrk::Script;

/// The length of one measurement.
const MEASURED: Duration = Duration::from_secs(8);
/// How often, since one differs from the next by a tenth.
const MEASUREMENTS: usize = 3;
const OPEN_ORDERS: [u64; 3] = [1_000, 100_000, 1_000_000];
/// How long the log may grow, if it does not have as many rows before.
const GROWING: Duration = Duration::from_secs(600);
const LOG_ROWS: u64 = 10_000_000;

fn main() {
    println!(
        "symbols   open orders      log rows   µs per order   service   redis   postgres   resident   per open order"
    );
    let stack = grow(3);
    let began = Instant::now();
    while stack.committed() < LOG_ROWS && began.elapsed() < GROWING {
        Script::batches_of(&pairs(3)).run(&stack.url(), Duration::from_secs(10));
    }
    // What PostgreSQL has still to write is not what a long log costs.
    stack.checkpoint();
    measure(&stack, 3, 0, 0);
    drop(stack);
    grow(300);
}

/// A service with more and more open orders in so many symbols.
fn grow(symbols: usize) -> Stack {
    // Closed orders are kept as well; few, so that only open ones grow. A slow moment of the disk refuses nothing.
    let stack = Stack::start_with(Mode::Full, &[("RETAIN_CLOSED_ORDERS", "1000"), ("MAX_LAG_MS", "60000")]);
    // Memory that was only ever used once, for a start, is no order's.
    Script::new(&pairs(symbols)).run(&stack.url(), Duration::from_secs(3));
    let (mut rows, mut open, resident) = (stack.settled(), 0, stack.resident());
    for wanted in OPEN_ORDERS {
        while open < wanted {
            let load =
                if wanted < 10_000 { Script::new(&resting(symbols)) } else { Script::batches_of(&resting(symbols)) };
            load.run(&stack.url(), Duration::from_secs(if wanted < 10_000 { 1 } else { 3 }));
            let now = stack.settled();
            open += now - rows;
            rows = now;
        }
        measure(&stack, symbols, open, resident);
        rows = stack.settled();
    }
    stack
}

/// The medians of some measurements, one line.
fn measure(stack: &Stack, symbols: usize, open: u64, resident: u64) {
    let runs: Vec<[f64; 4]> = (0..MEASUREMENTS).map(|_| cost(stack, symbols)).collect();
    let median = |process: usize| {
        let mut costs: Vec<f64> = runs.iter().map(|run| run[process]).collect();
        costs.sort_by(f64::total_cmp);
        costs[costs.len() / 2]
    };
    let [cost, service, redis, postgres] = [0, 1, 2, 3].map(median);
    let (rows, now) = (stack.settled(), stack.resident());
    let each = now.saturating_sub(resident).checked_div(open).unwrap_or_default();
    println!(
        "{symbols:>7} {open:>13} {rows:>13} {cost:>14.1} {service:>9.1} {redis:>7.1} {postgres:>10.1} {:>7} MB {each:>14} B",
        now / 1_000_000
    );
}

/// Time on a core for an order, in µs: of all processes, and of each.
fn cost(stack: &Stack, symbols: usize) -> [f64; 4] {
    let (before, used) = (stack.settled(), stack.cpu());
    Script::new(&pairs(symbols)).run(&stack.url(), MEASURED);
    let used = cpu::per_order(&used, &stack.cpu(), stack.settled() - before);
    ["", "service", "redis", "postgres"].map(|process| cpu::total(&used, process))
}

/// Orders that meet each other at one price.
fn pairs(symbols: usize) -> String {
    orders(symbols, r#"local side, price = count % 2 == 0 and "BUY" or "SELL", "100""#)
}

/// Orders that stay, at some thousand prices on both sides of that one.
fn resting(symbols: usize) -> String {
    orders(
        symbols,
        r#"local buy = math.random(2) == 1
  local side, price = buy and "BUY" or "SELL", string.format("%.2f", buy and math.random(20, 80) or math.random(120, 180))"#,
    )
}

fn orders(symbols: usize, order: &str) -> String {
    format!(
        r#"
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local count = 0
order = function(op)
  count = count + 1
  local symbol = string.format("S%03d_USDT", math.floor(count / 2) % {symbols})
  {order}
  return string.format('{{%s"symbol":"%s","side":"%s","price":%s,"quantity":1}}', op, symbol, side, price)
end
request = function()
  return wrk.format(nil, "/api/orders/", nil, order(""))
end
"#
    )
}
