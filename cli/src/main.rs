//! The dhow binary.
mod format;
fn main() {}
