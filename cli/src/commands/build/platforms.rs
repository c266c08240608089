//! `--platform A,B`: an image for each platform, all under the same names, which a registry gets as one index.

use std::fs;
use std::path::Path;

use anyhow::Context;
use dhow_layer_store::oci::{ImageId, Platform, Reference};
use dhow_layer_store::{RefTarget, Store};
use serde_json::json;

use crate::app::App;
use crate::args::BuildArgs;
use crate::commands::push::push;
use crate::commands::tag::new_name;
use crate::exit::Exit;
use crate::output;
use crate::problem::Problem;
use crate::ui::Mode;

/// The platforms that were typed, if they are several.
///
/// # Errors
/// One of them is none.
pub(super) fn several(args: &BuildArgs) -> anyhow::Result<Option<Vec<Platform>>> {
    let typed = args.platform.as_deref().unwrap_or_default();
    let mut platforms = Vec::new();
    for text in typed.split(',').map(str::trim).filter(|text| !text.is_empty()) {
        let platform: Platform = text.parse()?;
        if !platforms.contains(&platform) {
            platforms.push(platform);
        }
    }
    Ok(Some(platforms).filter(|platforms| platforms.len() > 1))
}

/// Builds for each platform by itself, and gives the images their names when all are built.
///
/// # Errors
/// The build's for one of the platforms; or something was asked for that only one image has.
pub(super) fn run(app: &App, args: &BuildArgs, platforms: &[Platform]) -> anyhow::Result<Exit> {
    check(args)?;
    let names = args.tags.iter().map(|name| new_name(name)).collect::<Result<Vec<_>, _>>()?;
    let mut images = Vec::new();
    for platform in platforms {
        match build_for(app, args, platform)? {
            Ok(image) => images.push(image),
            Err(exit) => return Ok(exit),
        }
    }
    let store = app.store()?;
    let target = target(&store, images)?;
    for name in &names {
        store.tag_as(name, target.clone())?;
    }
    if !args.quiet && !names.is_empty() {
        let lines: Vec<String> =
            names.iter().map(|name| format!("Successfully tagged {}\n", name.familiar())).collect();
        output::print(&lines.concat())?;
    }
    if args.push {
        push(app, &names, Mode::unless_quiet(args.quiet))?;
        write_files(args, &store, &names)?;
    }
    Ok(Exit::Success)
}

/// The image for one platform, or the exit of a failure that has been told. It has no name.
fn build_for(app: &App, args: &BuildArgs, platform: &Platform) -> anyhow::Result<Result<ImageId, Exit>> {
    let one = BuildArgs {
        platform: Some(platform.to_string()),
        tags: Vec::new(),
        push: false,
        iidfile: None,
        metadata_file: None,
        ..args.clone()
    };
    super::build(app, &one).with_context(|| format!("cannot build for `{platform}`"))
}

/// `--iidfile` and `--metadata-file`: the index that the first name has in its registry now.
fn write_files(args: &BuildArgs, store: &Store, names: &[Reference]) -> anyhow::Result<()> {
    let first = names.first().map(|name| store.resolve(name)).transpose()?.flatten();
    let Some(index) = first.and_then(|target| target.manifest) else { return Ok(()) };
    let cannot = |path: &Path| format!("cannot write `{}`", path.display());
    if let Some(path) = &args.iidfile {
        fs::write(path, index.digest.to_string()).with_context(|| cannot(path))?;
    }
    let Some(path) = &args.metadata_file else { return Ok(()) };
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let metadata = json!({
        "containerimage.descriptor": index,
        "containerimage.digest": index.digest.to_string(),
        "image.name": names.join(","),
    });
    fs::write(path, format!("{metadata:#}\n")).with_context(|| cannot(path))
}

/// What is the matter of one image, or can be read only once, cannot be had for several.
fn check(args: &BuildArgs) -> Result<(), Problem> {
    let stdin = args.context == "-" || args.file.as_deref().is_some_and(|file| file.as_os_str() == "-");
    let digests = !args.push && (args.iidfile.is_some() || args.metadata_file.is_some());
    let (what, hint) = if stdin {
        ("a Dockerfile or context on standard input", "put it into a directory")
    } else if !args.outputs.is_empty() || !args.annotations.is_empty() {
        ("`--output` and `--annotation`", "build the platforms one by one, or push them with `--push`")
    } else if digests {
        ("`--iidfile` and `--metadata-file` without `--push`", "an index has a digest once it is pushed")
    } else if args.push && args.tags.is_empty() {
        ("`--push` without a name", "add `--tag REGISTRY/NAME:TAG`")
    } else {
        return Ok(());
    };
    Err(Problem::usage(format!("{what} cannot go with several platforms")).hint(hint))
}

/// The machine's own platform goes first, where it is among them: it is what the names mean here.
fn target(store: &Store, mut images: Vec<ImageId>) -> anyhow::Result<RefTarget> {
    let host = Platform::host();
    let mut first = 0;
    for (place, image) in images.iter().enumerate().rev() {
        if store.image(image)?.config.platform().serves(&host) {
            first = place;
        }
    }
    let image = images.remove(first);
    Ok(RefTarget { image, manifest: None, others: images })
}

#[cfg(test)]
mod tests {
    use dhow_layer_store::StoreOptions;
    use dhow_layer_store::oci::{ImageConfig, MediaType, Platform, Raw};

    use super::{Store, target};

    #[test]
    fn this_machines_image_goes_first() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
        let image = |platform: &str| {
            let platform = if platform == "host" { Platform::host() } else { platform.parse().unwrap() };
            let config = Raw::create(ImageConfig::new(&platform)).unwrap();
            store.add_image(&config, MediaType::OciConfig, &[], None).unwrap()
        };
        let (one, host, two) = (image("linux/s390x"), image("host"), image("linux/riscv64"));
        let all = |images: &[_]| target(&store, images.to_vec()).unwrap().images().copied().collect::<Vec<_>>();
        assert_eq!(all(&[one, host, two]), [host, one, two]);
        assert_eq!(all(&[one, two]), [one, two]);
    }
}
