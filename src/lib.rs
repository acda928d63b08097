//! The service pricetime: HTTP in front, Redis and PostgreSQL behind, the matching core between them.

pub mod adapters;
pub mod views;
