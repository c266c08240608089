//! End-to-end tests: the built `dhow` program against real input, Docker's recorded results and real peers.
//!
//! Each test has a store of its own and leaves nothing behind. A test that needs a program or a right which
//! is missing says `SKIP: why` and passes; with `DHOW_TEST_NO_SKIP=1` it fails.

mod archive;
mod case;
mod conformance;
mod dhow;
mod facts;
mod skip;
mod user;
