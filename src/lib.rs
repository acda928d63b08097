//! The service pricetime: HTTP in front, Redis and PostgreSQL behind, the matching core between them.

pub mod adapters;
pub mod archive;
pub mod commands;
pub mod config;
pub mod demo;
pub mod exit;
pub mod http;
pub mod ids;
pub mod inspect;
pub mod keys;
mod last_words;
#[cfg(feature = "planted")]
pub mod planted;
pub mod startup;
pub mod storage;
pub mod telemetry;
pub mod views;
