//! Random names. Not for secrets.

use std::fs::File;
use std::io::Read;

use anyhow::Context;

/// Twice `bytes` hexadecimal digits.
///
/// # Errors
/// The system has no source of random bytes.
pub(crate) fn hex(bytes: usize) -> anyhow::Result<String> {
    let mut buffer = vec![0; bytes];
    let read = File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut buffer));
    read.context("cannot read random bytes")?;
    Ok(buffer.iter().map(|byte| format!("{byte:02x}")).collect())
}
