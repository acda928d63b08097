//! The matching core as a whole.

mod batching;
mod checks;
mod compare;
mod conformance;
mod engine_commands;
mod forms;
mod generate;
mod images;
mod ledger;
mod properties;
mod random;
mod stories;
mod story;
mod support;
mod times_and_names;
mod types;
