//! What the benchmarks share: the service and what it stands on, loads, and a look at who uses the cores.

#![allow(dead_code, reason = "each benchmark uses a part of it")]

pub mod bare;
pub mod cpu;
pub mod host;
pub mod open_loop;
pub mod stack;
pub mod wrk;
