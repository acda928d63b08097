//! The whole service as a process, from the outside.

mod black_box;
mod commands;
mod concurrent;
mod http;
mod recovery;
mod stop;
mod support;
