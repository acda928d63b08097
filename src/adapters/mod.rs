//! The implementations of the ports in [`journal::ports`] on real stores: the only place that knows Redis's commands
//! and SQL.

pub mod embedded;
pub mod postgres;
pub mod redis;
mod rows;
