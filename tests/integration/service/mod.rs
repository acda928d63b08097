//! The whole service as a process, from the outside.

mod admin;
mod archive;
mod audit;
mod away;
mod backup;
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
mod overload;
mod pages;
mod proxy;
mod recovery;
mod reopening;
mod stop;
mod support;
mod zombie;
