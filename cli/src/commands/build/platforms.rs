//! `--platform A,B`: an image for each platform, all under the same names and below one index.

use std::collections::BTreeMap;

use anyhow::Context;
use dhow_layer_store::oci::{Descriptor, ImageId, Platform};
use dhow_layer_store::{IndexPlan, RefTarget, Store};

use crate::args::BuildArgs;
use crate::problem::Problem;

/// The platforms that were typed, each once.
///
/// # Errors
/// One of them is none.
pub(super) fn typed(args: &BuildArgs) -> anyhow::Result<Vec<Platform>> {
    let mut platforms = Vec::new();
    for text in args.platforms.iter().map(|text| text.trim()).filter(|text| !text.is_empty()) {
        let platform: Platform = text.parse()?;
        if !platforms.contains(&platform) {
            platforms.push(platform);
        }
    }
    Ok(platforms)
}

/// Checks the build argument with which BuildKit is told to make an index or none: here the number of platforms decides.
///
/// # Errors
/// It says otherwise.
pub(super) fn check(platforms: &[Platform], build_args: &BTreeMap<String, String>) -> Result<(), Problem> {
    const NAME: &str = "BUILDKIT_MULTI_PLATFORM";
    let wants_index = match build_args.get(NAME).map(String::as_str) {
        None | Some("") => return Ok(()),
        Some("1" | "t" | "T" | "true" | "TRUE" | "True") => true,
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => false,
        Some(other) => {
            return Err(Problem::usage(format!("`{NAME}` is `{other}`")).hint("it may be true or false"));
        }
    };
    let (what, hint) = match (wants_index, platforms.len() > 1) {
        (true, true) | (false, false) => return Ok(()),
        (true, false) => ("asks for an index of one image, which dhow does not make", "build for several platforms"),
        (false, true) => ("refuses the index that several platforms need", "build for one platform"),
    };
    Err(Problem::usage(format!("`{NAME}` {what}")).hint(format!("leave it out, or {hint}")))
}

/// What a name of the images stands for. This machine's own is what it means here, where it is among them.
///
/// # Errors
/// An image cannot be read.
pub(super) fn target(store: &Store, images: &[ImageId], manifest: Option<Descriptor>) -> anyhow::Result<RefTarget> {
    if let [image] = images {
        return Ok(RefTarget::one(*image, manifest));
    }
    let mut platforms: Vec<ImageId> = Vec::new();
    for image in images {
        if !platforms.contains(image) {
            platforms.push(*image);
        }
    }
    let image = own(store, images)?.or(images.first().copied()).context("nothing was built")?;
    if platforms.len() == 1 {
        platforms.clear();
    }
    Ok(RefTarget { image, manifest, platforms })
}

/// The image for this machine, if it is among them.
///
/// # Errors
/// An image cannot be read.
pub(super) fn own(store: &Store, images: &[ImageId]) -> anyhow::Result<Option<ImageId>> {
    let host = Platform::host();
    for image in images {
        if store.image(image)?.config.platform().serves(&host) {
            return Ok(Some(*image));
        }
    }
    Ok(None)
}

/// The index of images that nobody wished anything special for.
///
/// # Errors
/// An image cannot be packed.
pub(super) fn plain_index(store: &Store, images: &[ImageId]) -> anyhow::Result<Descriptor> {
    Ok(store.index_with(&IndexPlan::plain(images))?.descriptor())
}

#[cfg(test)]
mod tests {
    use dhow_layer_store::StoreOptions;
    use dhow_layer_store::oci::{ImageConfig, MediaType, Platform, Raw};

    use super::{Store, check, target};

    #[test]
    fn the_number_of_platforms_decides_on_an_index() {
        let platforms: [Platform; 2] = ["linux/amd64", "linux/arm64"].map(|platform| platform.parse().unwrap());
        for (value, one, two) in [("", true, true), ("1", false, true), ("false", true, false), ("2", false, false)] {
            let args = [("BUILDKIT_MULTI_PLATFORM".to_owned(), value.to_owned())].into();
            let found = [&platforms[..1], &platforms].map(|platforms| check(platforms, &args).is_ok());
            assert_eq!(found, [one, two], "{value}");
        }
    }

    #[test]
    fn this_machines_image_is_what_a_name_means() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
        let image = |platform: &str| {
            let platform = if platform == "host" { Platform::host() } else { platform.parse().unwrap() };
            let config = Raw::create(ImageConfig::new(&platform)).unwrap();
            store.add_image(&config, MediaType::OciConfig, &[], None).unwrap()
        };
        let (one, host, two) = (image("linux/s390x"), image("host"), image("linux/riscv64"));
        let target = |images: &[_]| target(&store, images, None).unwrap();
        assert_eq!(target(&[one, host, two]).image, host);
        assert_eq!(target(&[one, host, two]).platforms, [one, host, two]);
        assert_eq!(target(&[one, two]).image, one);
        assert!(target(&[one, one]).platforms.is_empty());
    }
}
