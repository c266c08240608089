//! Removing images by Docker's rules: `rmi` takes names away first, and the image only with its last name.
//!
//! What only a removed image used goes with the next sweep (`gc.rs`). Which containers there are is told by the caller.

use crate::durable;
use crate::error::{Error, Result};
use crate::find::Found;
use crate::oci::{ImageId, Reference};
use crate::store::Store;

/// Whether to remove an image that is in the way of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// Refuse.
    No,
    /// Remove it though it has several names or stopped containers.
    Yes,
}

/// A container that stands on an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerUse {
    /// The container's id, for messages.
    pub container: String,
    /// Its image.
    pub image: ImageId,
    /// Whether it is running.
    pub state: ContainerState,
}

/// Whether a container is running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerState {
    /// It is: its image cannot be removed.
    Running,
    /// It is not: its image can be removed by force.
    Stopped,
}

/// One thing that was taken away, in the order of `rmi`'s report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// A name: `Untagged:`.
    Untagged(Reference),
    /// An image: `Deleted:`.
    Deleted(ImageId),
}

/// Why an image stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// It was asked for by its id, and has names in several repositories.
    #[error("it has names in several repositories: {}", .0.join(", "))]
    SeveralRepositories(Vec<String>),
    /// A stopped container stands on it.
    #[error("the stopped container `{0}` uses it")]
    StoppedContainer(String),
    /// A running container stands on it.
    #[error("the running container `{0}` uses it")]
    RunningContainer(String),
    /// Another process has made it just now, and may give it a name.
    #[error("another dhow process has just made it")]
    BeingMade,
}

impl Store {
    /// Removes what `name_or_id` stands for: a name, and the image with its last name; by its id the image with all
    /// its names, which must be of one repository unless forced. `containers` are all there are. An image that another
    /// process has just made loses its names only, and belongs to the cache then.
    ///
    /// # Errors
    /// There is no such image, a rule keeps it ([`Error::ImageInUse`]), or the file system refuses.
    pub fn remove(&self, name_or_id: &str, force: Force, containers: &[ContainerUse]) -> Result<Vec<Removed>> {
        let found = self.require(name_or_id)?;
        let _lock = durable::lock_directory(&self.path("images"))?;
        let names = self.names_of(&found.image)?;
        let leaving = leaving(&found, &names, name_or_id, force)?;
        if leaving.len() < names.len() {
            return self.untag_all(leaving);
        }
        check_containers(&found.image, name_or_id, force, containers)?;
        let mut others = self.others_of(&leaving)?;
        others.retain(|other| *other != found.image);
        let mut removed = self.untag_all(leaving)?;
        self.forget_cache_size();
        match self.forget_image(&found.image)? {
            true => removed.push(Removed::Deleted(found.image)),
            // The names go all the same.
            false if !removed.is_empty() => self.note_left(&found.image),
            false => return Err(in_use(name_or_id, Conflict::BeingMade)),
        }
        removed.extend(self.forget_nameless(&others, containers)?);
        Ok(removed)
    }

    /// Removes the image if it has no name; what was removed. One that another process has made or looked up stays.
    ///
    /// # Errors
    /// An entry is damaged, or the file system refuses.
    pub fn remove_nameless(&self, image: &ImageId) -> Result<Vec<Removed>> {
        let _lock = durable::lock_directory(&self.path("images"))?;
        let is_there = self.names_of(image)?.is_empty() && self.image_record(image)?.is_some();
        let goes = is_there && self.forget_unused_image(image)?;
        self.forget_cache_size();
        Ok(Vec::from_iter(goes.then_some(Removed::Deleted(*image))))
    }

    /// Removes the image with all its names; what was removed. One that another process has made or looked up stays, with its
    /// names.
    ///
    /// # Errors
    /// An entry is damaged, or the file system refuses.
    pub fn remove_with_names(&self, image: &ImageId) -> Result<Vec<Removed>> {
        let _lock = durable::lock_directory(&self.path("images"))?;
        let names = self.names_of(image)?;
        if self.image_record(image)?.is_none() || self.leases().is_image_held_elsewhere(image)? {
            return Ok(Vec::new());
        }
        let mut removed = self.untag_all(names)?;
        self.forget_cache_size();
        match self.forget_image(image)? {
            true => removed.push(Removed::Deleted(*image)),
            false => self.note_left(image),
        }
        Ok(removed)
    }

    /// The images for other platforms that the names stand for.
    fn others_of(&self, names: &[Reference]) -> Result<Vec<ImageId>> {
        let targets = names.iter().map(|name| self.resolve(name)).collect::<Result<Vec<_>>>()?;
        Ok(targets.into_iter().flatten().flat_map(|target| target.platforms).collect())
    }

    /// Removes those of the images that have no name any more, and no container. The lock of `images` is held.
    fn forget_nameless(&self, images: &[ImageId], containers: &[ContainerUse]) -> Result<Vec<Removed>> {
        let mut removed = Vec::new();
        for image in images {
            let is_used = containers.iter().any(|container| container.image == *image);
            if !is_used && self.names_of(image)?.is_empty() && self.image_record(image)?.is_some() {
                match self.forget_image(image)? {
                    true => removed.push(Removed::Deleted(*image)),
                    false => self.note_left(image),
                }
            }
        }
        Ok(removed)
    }

    fn names_of(&self, image: &ImageId) -> Result<Vec<Reference>> {
        let references = self.references()?.into_iter();
        Ok(references.filter(|(_, target)| target.stands_for(image)).map(|(reference, _)| reference).collect())
    }

    fn untag_all(&self, names: Vec<Reference>) -> Result<Vec<Removed>> {
        for name in &names {
            self.untag(name)?;
        }
        Ok(names.into_iter().map(Removed::Untagged).collect())
    }
}

/// The names that go, out of all `names` of the image.
fn leaving(found: &Found, names: &[Reference], asked: &str, force: Force) -> Result<Vec<Reference>> {
    let Some((reference, _)) = &found.reference else {
        let mut repositories: Vec<String> = names.iter().map(Reference::familiar_name).collect();
        repositories.dedup();
        if repositories.len() > 1 && force == Force::No {
            return Err(in_use(asked, Conflict::SeveralRepositories(repositories)));
        }
        return Ok(names.to_vec());
    };
    let same_repository = |name: &&Reference| name.name() == reference.name();
    let is_tag = |name: &Reference| name.digest().is_none();
    let other_tags = names.iter().filter(same_repository).any(|name| name != reference && is_tag(name));
    // Digests that came with a repository's tags go with the last of them.
    let is_last_tag = is_tag(reference) && !other_tags;
    let goes = |name: &&Reference| *name == reference || (is_last_tag && same_repository(name));
    let mut leaving: Vec<Reference> = names.iter().filter(goes).cloned().collect();
    leaving.sort_by_key(|name| name != reference);
    Ok(leaving)
}

fn check_containers(image: &ImageId, asked: &str, force: Force, containers: &[ContainerUse]) -> Result<()> {
    let mut using: Vec<_> = containers.iter().filter(|container| container.image == *image).collect();
    using.sort_by_key(|container| container.state == ContainerState::Stopped);
    match using.first() {
        Some(container) if container.state == ContainerState::Running => {
            Err(in_use(asked, Conflict::RunningContainer(container.container.clone())))
        }
        Some(container) if force == Force::No => {
            Err(in_use(asked, Conflict::StoppedContainer(container.container.clone())))
        }
        _ => Ok(()),
    }
}

fn in_use(asked: &str, conflict: Conflict) -> Error {
    Error::ImageInUse { name: asked.to_owned(), conflict }
}

impl Conflict {
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::SeveralRepositories(_) => "remove it by its names, or all at once with `--force`".to_owned(),
            Self::StoppedContainer(id) => format!("remove the container with `dhow rm {id}`, or use `--force`"),
            Self::RunningContainer(id) => format!("stop and remove the container with `dhow rm --force {id}` first"),
            Self::BeingMade => "wait until that process has ended, and try again".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Conflict, ContainerState, ContainerUse, Force, Removed};
    use crate::error::Error;
    use crate::oci::{Digest, ImageId};
    use crate::refs::RefTarget;
    use crate::test_store::TestStore;

    /// A store with one image that has the `names`; what removing `asked` reports, and the names that are left.
    fn remove(names: &[&str], asked: &str, force: Force, state: Option<ContainerState>) -> (Vec<String>, Vec<String>) {
        let store = TestStore::new();
        let image = store.add_empty_image("a");
        for name in names {
            store.tag(&name.parse().expect(name), &image, None).expect(name);
        }
        let asked = if asked == "ID" { image.digest().short() } else { asked.to_owned() };
        let used = state.map(|state| ContainerUse { container: "c1".to_owned(), image, state });
        let report = match store.remove(&asked, force, used.as_slice()) {
            Ok(removed) => removed.iter().map(|removed| line(removed, &image)).collect(),
            Err(Error::ImageInUse { conflict, .. }) => vec![format!("{conflict:?}")],
            Err(error) => vec![error.to_string()],
        };
        let left = store.references().expect("list").iter().map(|(name, _)| name.familiar()).collect();
        let deleted = report.contains(&"Deleted".to_owned());
        assert_eq!(store.image(&image).is_err(), deleted, "{report:?}");
        (report, left)
    }

    #[test]
    fn images_for_other_platforms_go_with_their_last_name() {
        let store = TestStore::new();
        let [one, two, three] = ["a", "b", "c"].map(|name| store.add_empty_image(name));
        let name = |text: &str| text.parse().expect(text);
        let target = |platforms| RefTarget { image: one, manifest: None, platforms };
        store.tag_as(&name("multi:1"), target(vec![two, one, three])).expect("tag");
        store.tag(&name("kept"), &three, None).expect("tag");
        let found = store.require("multi:1").expect("found");
        assert_eq!(found.images(), [one, two, three]);
        let removed = store.remove("multi:1", Force::No, &[]).expect("remove");
        assert_eq!(removed, [Removed::Untagged(name("multi:1")), Removed::Deleted(one), Removed::Deleted(two)]);
        assert!(store.image(&three).is_ok());
    }

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    fn sorted(texts: &[String]) -> Vec<String> {
        let mut texts = texts.to_vec();
        texts.sort();
        texts
    }

    fn line(removed: &Removed, image: &ImageId) -> String {
        match removed {
            Removed::Untagged(name) => format!("Untagged {}", name.familiar()),
            Removed::Deleted(id) => (if id == image { "Deleted" } else { "another image" }).to_owned(),
        }
    }

    #[test]
    fn names_go_first_and_the_image_with_the_last() {
        let pinned = &format!("a@{}", Digest::of(b"m"));
        let running = Some(ContainerState::Running);
        let stopped = Some(ContainerState::Stopped);
        let untagged_pinned = &format!("Untagged {pinned}");
        for (names, asked, force, state, expected, left) in [
            (&["a"][..], "a", Force::No, None, &["Untagged a:latest", "Deleted"][..], &[][..]),
            (&["a", "b"], "a", Force::No, running, &["Untagged a:latest"], &["b:latest"]),
            (&["a:1", "a:2"], "a:1", Force::Yes, None, &["Untagged a:1"], &["a:2"]),
            (&["a", pinned], "a", Force::No, None, &["Untagged a:latest", untagged_pinned, "Deleted"], &[]),
            (&["a", "a:2", pinned], "a", Force::No, None, &["Untagged a:latest"], &["a:2", pinned]),
            (&["a", pinned], pinned, Force::No, None, &[untagged_pinned], &["a:latest"]),
            (&["a", pinned, "b"], "a", Force::No, None, &["Untagged a:latest", untagged_pinned], &["b:latest"]),
            (&["a:1", "a:2"], "ID", Force::No, None, &["Untagged a:1", "Untagged a:2", "Deleted"], &[]),
            (&["a", "b"], "ID", Force::Yes, None, &["Untagged a:latest", "Untagged b:latest", "Deleted"], &[]),
            (&["a", "b"], "ID", Force::No, None, &[r#"SeveralRepositories(["a", "b"])"#], &["a:latest", "b:latest"]),
            (&[], "ID", Force::No, None, &["Deleted"], &[]),
            (&["a"], "a", Force::No, stopped, &[r#"StoppedContainer("c1")"#], &["a:latest"]),
            (&["a"], "a", Force::Yes, stopped, &["Untagged a:latest", "Deleted"], &[]),
            (&["a"], "ID", Force::Yes, running, &[r#"RunningContainer("c1")"#], &["a:latest"]),
            (&["a"], "b", Force::Yes, None, &["no image `b` in the store"], &["a:latest"]),
        ] {
            let (report, names_left) = remove(names, asked, force, state);
            assert_eq!(
                (&report[..], sorted(&names_left)),
                (&owned(expected)[..], sorted(&owned(left))),
                "{names:?} {asked}"
            );
        }
    }

    #[test]
    fn every_conflict_names_its_remedy() {
        let id = || "c1".to_owned();
        for conflict in [
            Conflict::SeveralRepositories(vec![id()]),
            Conflict::StoppedContainer(id()),
            Conflict::RunningContainer(id()),
        ] {
            let error = Error::ImageInUse { name: "a".to_owned(), conflict };
            assert!(error.hint().is_some_and(|hint| hint.contains("--force")), "{error}");
        }
    }
}
