//! The dhow binary.
mod args;
mod environment;
mod exit;
mod failure;
mod format;
mod from_host;
mod output;
mod problem;
mod report;
mod ui;
fn main() {}
