//! `dhow images`: the images of the store, a line for each name.

use dhow_layer_store::oci::Reference;
use dhow_layer_store::{Image, RefTarget, Store};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::app::App;
use crate::args::ImagesArgs;
use crate::exit::Exit;
use crate::format::{Filters, Listing, Style, ago, calendar, glob, human};
use crate::output;
use crate::span;

/// Headers that are not just the field's name.
const HEADERS: &[(&str, &str)] = &[("ID", "IMAGE ID"), ("CreatedSince", "CREATED"), ("CreatedAt", "CREATED AT")];
/// What stands for a missing name.
const NONE: &str = "<none>";

/// Runs the command.
pub(crate) fn run(app: &App, args: &ImagesArgs) -> anyhow::Result<Exit> {
    let filters = Filters::parse(&args.filters, &["before", "dangling", "label", "reference", "since", "until"])?;
    let columns = match args.digests {
        true => "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
        false => "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
    };
    let style = match args.quiet {
        true => Style::lines("{{.ID}}")?,
        false => Style::parse(args.format.as_deref(), columns)?,
    };
    let store = app.store()?;
    let selection = Selection { all: args.all, ..Selection::new(&store, &filters, args.repository.as_deref())? };
    let mut rows = Vec::new();
    for image in selection.images(&store)? {
        let size = image.size()?;
        for name in selection.names(&image) {
            rows.push(row(&image, &name, size, args));
        }
    }
    output::print(&Listing { headers: HEADERS, rows }.render(&style)?)?;
    Ok(Exit::Success)
}

/// What is to be listed.
struct Selection<'a> {
    filters: &'a Filters,
    repository: Option<&'a str>,
    dangling: Option<bool>,
    /// Whether images for other platforms than a name's first are shown too.
    all: bool,
    /// RFC 3339 times that an image must be made before and after.
    before: Option<Timestamp>,
    since: Option<Timestamp>,
    references: Vec<(Reference, RefTarget)>,
}

/// A line's name: repository, tag, digest.
struct Name {
    repository: String,
    tag: String,
    digest: String,
}

impl<'a> Selection<'a> {
    fn new(store: &Store, filters: &'a Filters, repository: Option<&'a str>) -> anyhow::Result<Self> {
        let made = |key| -> anyhow::Result<Option<Timestamp>> {
            match filters.value(key) {
                Some(name) => Ok(store.image(&store.require(name)?.image)?.created().parse().ok()),
                None => Ok(None),
            }
        };
        let until = filters.value("until").map(|text| span::time(text, Timestamp::now())).transpose()?;
        Ok(Self {
            filters,
            repository,
            dangling: filters.flag("dangling")?,
            all: false,
            before: made("before")?.or(until),
            since: made("since")?,
            references: store.references()?,
        })
    }

    /// The images, those made last first.
    fn images(&self, store: &Store) -> anyhow::Result<Vec<Image>> {
        let mut images = store.images()?;
        images.retain(|image| self.takes(image));
        let made = |image: &Image| image.created().parse::<Timestamp>().unwrap_or(Timestamp::MIN);
        images.sort_by_key(|image| std::cmp::Reverse(made(image)));
        Ok(images)
    }

    fn takes(&self, image: &Image) -> bool {
        let made: Timestamp = image.created().parse().unwrap_or(Timestamp::MIN);
        self.before.is_none_or(|before| made < before)
            && self.since.is_none_or(|since| made > since)
            && self.filters.labels(|key| image.config.config.labels.get(key).map(String::as_str))
    }

    /// The names under which an image is listed; none if the filters leave none.
    fn names(&self, image: &Image) -> Vec<Name> {
        // Images for other platforms are shown with their name where all are asked for.
        let is_own = |target: &RefTarget| target.image == image.id || self.all && target.stands_for(&image.id);
        let own: Vec<_> = self.references.iter().filter(|(_, target)| is_own(target)).collect();
        if own.is_empty() && self.references.iter().any(|(_, target)| target.stands_for(&image.id)) {
            return Vec::new();
        }
        let tagged: Vec<&(Reference, RefTarget)> =
            own.iter().filter(|(reference, _)| reference.digest().is_none()).copied().collect();
        match self.dangling {
            Some(true) if !own.is_empty() => return Vec::new(),
            Some(false) if own.is_empty() => return Vec::new(),
            _ => {}
        }
        let shown = if tagged.is_empty() { own } else { tagged };
        let wanted = shown.into_iter().filter(|(reference, _)| self.matches(reference));
        let mut names: Vec<Name> = wanted.map(|(reference, target)| name(reference, target)).collect();
        let wants_a_name = self.repository.is_some() || self.filters.value("reference").is_some();
        if names.is_empty() && !wants_a_name {
            names.push(Name { repository: NONE.to_owned(), tag: NONE.to_owned(), digest: NONE.to_owned() });
        }
        names
    }

    fn matches(&self, reference: &Reference) -> bool {
        let matches = |pattern: &str| {
            glob(pattern, &reference.familiar_name())
                || glob(pattern, &reference.familiar())
                || glob(pattern, &reference.name())
                || glob(pattern, &reference.to_string())
        };
        self.repository.is_none_or(matches) && self.filters.any("reference", matches)
    }
}

fn name(reference: &Reference, target: &RefTarget) -> Name {
    let digest = reference.digest().copied().or(target.manifest.as_ref().map(|manifest| manifest.digest));
    Name {
        repository: reference.familiar_name(),
        tag: reference.tag().filter(|_| reference.digest().is_none()).unwrap_or(NONE).to_owned(),
        digest: digest.map_or_else(|| NONE.to_owned(), |digest| digest.to_string()),
    }
}

fn row(image: &Image, name: &Name, size: u64, args: &ImagesArgs) -> Value {
    json!({
        "Containers": "N/A",
        "CreatedAt": calendar(image.created()),
        "CreatedSince": ago(Some(image.created()), Timestamp::now()),
        "Digest": name.digest,
        "ID": if args.no_trunc { image.id.to_string() } else { image.id.digest().short() },
        "Repository": name.repository,
        "SharedSize": "N/A",
        "Size": human::size(size),
        "Tag": name.tag,
        "UniqueSize": "N/A",
        "VirtualSize": human::size(size),
    })
}
