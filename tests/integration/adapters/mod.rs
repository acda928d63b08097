//! The ports' suites, written against the traits alone so that every implementation passes the same ones, and the real
//! servers that they run on here.

mod embedded;
mod fatal_suite;
mod fixtures;
mod log_suite;
mod postgres;
mod projection_suite;
mod queue_suite;
mod redis;
mod snapshot_suite;
