//! End-to-end tests: the built `dhow` program against real input, Docker's recorded results and real peers.
//!
//! Each test has a store of its own and leaves nothing behind. A test that needs a program or a right which
//! is missing says `SKIP: why` and passes; with `DHOW_TEST_NO_SKIP=1` it fails.
#![allow(clippy::print_stderr, reason = "a test that skips or differs says so on standard error")]

mod add_from_web;
mod archive;
mod bad_archive;
mod bad_build;
mod bad_registry;
mod build_on_terminal;
mod cache;
mod case;
mod cgroups;
mod chaos;
mod conformance;
mod context;
mod contexts;
mod debian;
mod dhow;
mod epoch;
mod exec;
mod exit_codes;
mod facts;
mod findings;
mod git;
mod git_old;
mod git_server;
mod git_ssh;
mod interop;
mod interrupt;
mod lazy_base;
mod limits;
mod mounts;
mod on_error;
mod output;
mod output_keys;
mod peer;
mod platforms;
mod progress;
mod readme;
mod registry;
mod reproducible;
mod run;
mod several_platforms;
mod sharing;
mod skip;
mod spring_boot;
mod ssh;
mod sshd;
mod store_failures;
mod sweeps;
mod terminal;
mod user;
mod web;
