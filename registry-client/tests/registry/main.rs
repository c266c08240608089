//! The client against registries of all kinds, and the built-in registry against clients of all kinds.
#![allow(missing_docs, unreachable_pub)]
// A test that cannot run says so.
#![allow(clippy::print_stderr)]

mod auth;
mod common;
mod pull_faults;
mod push_faults;
mod refusals;
mod roundtrip;
mod server;
mod tls;
