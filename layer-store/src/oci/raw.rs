//! A parsed JSON value beside the very bytes it came from.

use std::ops::Deref;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Digest;

/// A value and the bytes it was parsed from. Digests are of bytes, never of a value written again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw<T> {
    bytes: Vec<u8>,
    value: T,
}

impl<T: DeserializeOwned> Raw<T> {
    /// Parses received bytes.
    ///
    /// # Errors
    /// The bytes are not JSON of the expected shape.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, serde_json::Error> {
        let value = serde_json::from_slice(&bytes)?;
        Ok(Self { bytes, value })
    }
}

impl<T: Serialize> Raw<T> {
    /// Writes a value made here for the first time.
    ///
    /// # Errors
    /// The value has no JSON form.
    pub fn create(value: T) -> Result<Self, serde_json::Error> {
        let bytes = serde_json::to_vec(&value)?;
        Ok(Self { bytes, value })
    }
}

impl<T> Raw<T> {
    /// The bytes as received or first written.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Digest of the bytes.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// The parsed value.
    pub fn value(&self) -> &T {
        &self.value
    }
}

impl<T> Deref for Raw<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
