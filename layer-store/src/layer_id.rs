//! Names of layers, and stacks of them. What is known of a layer is in `layer_entry.rs`.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::oci::DiffId;

/// Names a layer of one store: for a layer that came from elsewhere the digits of its diff id, for a layer that was
/// made here 32 random hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LayerId(String);

/// Digits of the id of a layer that was made here.
const MADE_HERE: usize = 32;

impl LayerId {
    /// The id of a layer that came from elsewhere.
    pub fn of_diff_id(diff_id: &DiffId) -> Self {
        Self(diff_id.digest().hex())
    }

    /// A new id for a layer that is made here.
    ///
    /// # Errors
    /// The system has no source of random bytes.
    pub(crate) fn random() -> Result<Self> {
        let source = Path::new("/dev/urandom");
        let mut bytes = [0; 16];
        File::open(source).and_then(|mut file| file.read_exact(&mut bytes)).map_err(Error::io("read", source))?;
        Ok(Self(format!("{:032x}", u128::from_ne_bytes(bytes))))
    }

    /// Whether it is one of a layer that was made here.
    pub(crate) fn is_made_here(&self) -> bool {
        self.0.len() == MADE_HERE
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LayerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for LayerId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.is_empty() || text.len() > 64 || !text.bytes().all(digit) {
            return Err(Error::InvalidLayerId(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for LayerId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<LayerId> for String {
    fn from(id: LayerId) -> Self {
        id.0
    }
}

/// Layers on top of each other, lowest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stack(pub Vec<LayerId>);

impl Stack {
    /// The layers, lowest first.
    pub fn layers(&self) -> &[LayerId] {
        &self.0
    }

    /// The same stack with one more layer on top.
    pub fn with(&self, top: LayerId) -> Self {
        let mut layers = self.0.clone();
        layers.push(top);
        Self(layers)
    }
}
