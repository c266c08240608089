//! The dhow binary.
mod from_host;
fn main() {}
