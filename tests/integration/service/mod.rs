//! The whole service as a process, from the outside.

mod audit;
mod black_box;
mod commands;
mod concurrent;
mod damage;
mod http;
mod recovery;
mod stop;
mod support;
