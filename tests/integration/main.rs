//! The service and its adapters on real Redis and PostgreSQL, which the tests start and end themselves.

mod adapters;
mod architecture;
mod chaos;
mod corpus;
mod docs;
mod packaging;
mod service;
mod supply;
