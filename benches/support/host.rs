//! What a virtual machine's host takes of its cores: while it does, whatever runs there stands still, 10 ms and more.

use std::fs;

/// The fields of `/proc/stat`'s first line, in ticks: user, nice, system, idle, iowait, irq, softirq, steal.
const FIELDS: usize = 8;
const STEAL: usize = 7;

/// The cores' time so far.
pub struct Time([u64; FIELDS]);

impl Time {
    /// As it is now.
    pub fn now() -> Time {
        let text = fs::read_to_string("/proc/stat").expect("/proc/stat");
        let mut fields = text.split_whitespace().skip(1).map(|field| field.parse().expect("ticks"));
        Time(std::array::from_fn(|_| fields.next().expect("a field")))
    }

    /// Which share of all time was taken since then.
    pub fn taken_since(&self) -> f64 {
        let now = Time::now();
        // Of the sums: a field by itself may go back a little, iowait does.
        let total = |Time(fields): &Time| fields.iter().sum::<u64>();
        (now.0[STEAL] - self.0[STEAL]) as f64 / (total(&now) - total(self)) as f64
    }
}
