//! Platforms: operating system, architecture, variant (image-spec `image-index.md`, normalised as containerd does).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The text is not `os/arch[/variant]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a platform of the form `os/arch[/variant]`, such as `linux/arm64/v8`")]
pub struct InvalidPlatform(pub String);

/// What an image runs on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Platform {
    /// CPU architecture in Go's spelling, such as `amd64`.
    pub architecture: String,
    /// Operating system in Go's spelling, such as `linux`.
    pub os: String,
    /// Version of the operating system.
    #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Variant of the CPU, such as `v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// The platform this program was compiled for.
    pub fn host() -> Self {
        Self::normalized("linux", std::env::consts::ARCH, None)
    }

    fn normalized(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let architecture = architecture.to_ascii_lowercase();
        let (architecture, variant) = match (architecture.as_str(), variant.unwrap_or("")) {
            ("x86_64" | "x86-64" | "amd64", "" | "v1") => ("amd64", ""),
            ("x86_64" | "x86-64" | "amd64", other) => ("amd64", other),
            ("aarch64" | "arm64", "" | "8" | "v8") => ("arm64", ""),
            ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
            ("armel", _) | ("arm", "6") => ("arm", "v6"),
            ("arm", "5") => ("arm", "v5"),
            ("i386" | "i686" | "x86", _) => ("386", ""),
            ("powerpc64" | "ppc64el", other) => ("ppc64le", other),
            (other, variant) => (other, variant),
        };
        Self {
            architecture: architecture.to_owned(),
            os: os.to_ascii_lowercase(),
            os_version: None,
            variant: (!variant.is_empty()).then(|| variant.to_owned()),
        }
    }

    /// The same as [`FromStr`] would read it, without a version: `linux/arm64/v8` is `linux/arm64`.
    pub fn normal(&self) -> Self {
        Self::normalized(&self.os, &self.architecture, self.variant.as_deref())
    }

    /// Whether an image for `self` serves a request for `wanted`: both normalised, operating system versions ignored.
    pub fn serves(&self, wanted: &Platform) -> bool {
        self.normal() == wanted.normal()
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|variant| write!(f, "/{variant}"))
    }
}

impl FromStr for Platform {
    type Err = InvalidPlatform;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split('/').collect();
        let valid =
            |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
        if !parts.iter().all(valid) {
            return Err(InvalidPlatform(text.to_owned()));
        }
        match parts[..] {
            ["linux"] => Ok(Self::host()),
            ["local"] => Ok(Self::host()),
            [os, arch] => Ok(Self::normalized(os, arch, None)),
            [os, arch, variant] => Ok(Self::normalized(os, arch, Some(variant))),
            _ => Err(InvalidPlatform(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Platform;

    #[test]
    fn text_forms_are_normalised() {
        for (text, expected) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/armhf", "linux/arm/v7"),
            ("linux/arm/v6", "linux/arm/v6"),
            ("windows/amd64", "windows/amd64"),
        ] {
            assert_eq!(text.parse::<Platform>().map(|p| p.to_string()), Ok(expected.to_owned()), "{text}");
        }
        for wrong in ["", "/", "linux/", "a/b/c/d", "linux/am d"] {
            assert!(wrong.parse::<Platform>().is_err(), "{wrong}");
        }
    }
}
