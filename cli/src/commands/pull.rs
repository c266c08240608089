//! `dhow pull`: gets images out of a registry.

use anyhow::Context;
use dhow_layer_store::oci::{Platform, Reference};
use dhow_registry_client::{PullOptions, PullStatus};

use crate::app::App;
use crate::args::PullArgs;
use crate::exit::Exit;
use crate::output;
use crate::problem::Problem;
use crate::ui::Mode;
use crate::wiring::{self, Network};

/// Runs the command.
pub(crate) fn run(app: &App, args: &PullArgs) -> anyhow::Result<Exit> {
    let reference: Reference = args.image.parse()?;
    let mode = Mode::unless_quiet(args.quiet);
    let platform = args.platform.as_deref().map(str::parse::<Platform>).transpose()?;
    let options = PullOptions { platform, ..PullOptions::default() };
    let references = match args.all_tags {
        true => all_tags(app, &reference, &args.image)?,
        false => {
            if !args.quiet && reference.digest().is_none() && !has_tag(&args.image) {
                output::println("Using default tag: latest")?;
            }
            vec![reference]
        }
    };
    for reference in &references {
        pull(app, reference, &options, mode)?;
    }
    Ok(Exit::Success)
}

fn pull(app: &App, reference: &Reference, options: &PullOptions, mode: Mode) -> anyhow::Result<()> {
    if mode != Mode::Quiet {
        let what = reference.digest().map(ToString::to_string).or_else(|| reference.tag().map(str::to_owned));
        output::println(&format!("{}: Pulling from {}", what.unwrap_or_default(), reference.repository()))?;
    }
    let pulled = wiring::pull(app, reference, options, mode)
        .with_context(|| format!("cannot pull `{}`", reference.familiar()))?;
    if mode != Mode::Quiet {
        let status = match pulled.status {
            PullStatus::UpToDate => "Image is up to date for",
            PullStatus::Updated => "Downloaded newer image for",
        };
        output::println(&format!("Digest: {}\nStatus: {status} {}", pulled.top.digest, reference.familiar()))?;
    }
    output::println(&reference.to_string())
}

fn all_tags(app: &App, reference: &Reference, typed: &str) -> anyhow::Result<Vec<Reference>> {
    if reference.digest().is_some() || has_tag(typed) {
        return Err(Problem::usage(format!("`{typed}` has a tag or digest, which cannot go with `--all-tags`")).into());
    }
    let client = dhow_registry_client::Client::new(wiring::client_options(app)?)?;
    let tags = Network::start()?.run(async { client.repository(reference).await?.tags().await })?;
    Ok(tags.iter().map(|tag| reference.with_tag(tag)).collect::<Result<_, _>>()?)
}

/// Whether a tag was written, not only meant.
pub(crate) fn has_tag(typed: &str) -> bool {
    typed.rsplit('/').next().unwrap_or(typed).contains(':')
}

#[cfg(test)]
mod tests {
    use super::has_tag;

    #[test]
    fn written_tags() {
        for (typed, expected) in
            [("a", false), ("a:1", true), ("localhost:5000/a", false), ("localhost:5000/a:1", true)]
        {
            assert_eq!(has_tag(typed), expected, "{typed}");
        }
    }
}
