//! Redis: the durable queue of commands, and the projection that outside readers look at.

pub mod audit;
mod durability;
pub mod hash_image;
pub mod keys;
mod link;
pub mod projection;
pub mod queue;
mod words;

pub use audit::{RedisAudit, Shown};
pub use durability::{RedisError, check_durability};
pub use projection::{RedisProjection, written_as};
pub use queue::RedisQueue;
