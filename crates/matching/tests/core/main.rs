//! The core: tables for what one order does, random commands against the naive book, images, the ledger.

mod batching;
mod conformance;
mod images;
mod ledger;
mod random;
mod support;
mod table;
mod times_and_names;
