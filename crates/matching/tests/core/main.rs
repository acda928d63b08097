//! The matching core as a whole.

mod batching;
mod compare;
mod conformance;
mod engine_commands;
mod generate;
mod images;
mod ledger;
mod random;
mod stories;
mod story;
mod support;
mod times_and_names;
