//! The built-in registry: the distribution protocol over a directory.
//!
//! `route.rs` tells what a request asks for, `handler.rs` and its neighbours answer it, `storage.rs` keeps it. It asks
//! nobody for a password: it is for loopback, or a trusted network.

mod answer;
mod blobs;
mod catalog;
mod handler;
mod manifests;
mod range;
mod referrers;
mod route;
mod serve;
mod storage;
mod uploads;
mod uploads_store;

pub use serve::{OnRequest, Served, Server, ServerHandle, ServerOptions};
