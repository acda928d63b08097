//! The whole service as a process, from the outside.

mod admin;
mod audit;
mod away;
mod black_box;
mod clock;
mod commands;
mod concurrent;
mod damage;
mod demo;
mod disk;
mod feed;
mod forms;
mod http;
mod logs;
mod operators;
mod overload;
mod pages;
mod proxy;
mod recovery;
mod releases;
mod reopening;
mod rolling;
mod stop;
mod support;
mod zombie;
