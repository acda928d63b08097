//! Looks at the log and the snapshots as they are: what the tools print and the admin pages show, made in one place.

pub mod books;
pub mod log;
pub mod snapshots;
pub mod status;
