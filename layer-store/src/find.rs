//! Finding an image by what a user typed, by Docker's rules.

use crate::error::{Error, Result};
use crate::image::Image;
use crate::oci::{ImageId, Platform, Reference};
use crate::refs::RefTarget;
use crate::store::Store;

/// How many names a "did you mean" offers.
const SUGGESTIONS: usize = 3;

/// What a user's words stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The image.
    pub image: ImageId,
    /// The name in the store that was meant, and what it stands for; `None` if the image was found by its id.
    pub reference: Option<(Reference, RefTarget)>,
}

impl Found {
    /// All images that were meant: those of a name for each of its platforms.
    pub fn images(&self) -> Vec<ImageId> {
        match &self.reference {
            Some((_, target)) => target.images().copied().collect(),
            None => vec![self.image],
        }
    }
}

impl Store {
    /// Of what was found the image for `platform`, if there is one.
    ///
    /// # Errors
    /// An image is damaged.
    pub fn image_for(&self, found: &Found, platform: &Platform) -> Result<Option<Image>> {
        for id in found.images() {
            let image = self.image(&id)?;
            if image.config.platform().serves(platform) {
                return Ok(Some(image));
            }
        }
        Ok(None)
    }

    /// What the words stand for, with its images looked up and so in use. A name that goes to another image just then is
    /// looked up again.
    ///
    /// # Errors
    /// As of [`find`](Self::find).
    pub fn find_and_lease(&self, name_or_id: &str) -> Result<Option<Found>> {
        loop {
            let Some(found) = self.find(name_or_id)? else { return Ok(None) };
            match found.images().iter().try_for_each(|id| self.image(id).map(drop)) {
                Err(Error::ImageNotFound { .. }) if self.find(name_or_id)?.as_ref() != Some(&found) => {}
                result => return result.map(|()| Some(found)),
            }
        }
    }

    /// Looks up a reference, else an image id or a prefix of one that stands for one image only, with or without
    /// `sha256:`. A name with a digest is found also if the image came by a tag whose manifest has that digest.
    ///
    /// # Errors
    /// The id is ambiguous, or an entry is damaged.
    pub fn find(&self, name_or_id: &str) -> Result<Option<Found>> {
        if let Some(digits) = name_or_id.strip_prefix("sha256:") {
            return self.find_id(digits);
        }
        if let Ok(reference) = name_or_id.parse::<Reference>()
            && let Some(found) = self.find_reference(&reference)?
        {
            return Ok(Some(found));
        }
        self.find_id(name_or_id)
    }

    /// The same, but it is an error if there is no such image; the error's hint has the names that look like it. What was found
    /// is in use.
    ///
    /// # Errors
    /// There is no such image, the id is ambiguous, or an entry is damaged.
    pub fn require(&self, name_or_id: &str) -> Result<Found> {
        match self.find_and_lease(name_or_id)? {
            Some(found) => Ok(found),
            None => Err(Error::ImageNotFound { name: name_or_id.to_owned(), similar: self.similar(name_or_id)? }),
        }
    }

    fn find_reference(&self, reference: &Reference) -> Result<Option<Found>> {
        let name = reference.digest().map_or_else(|| reference.clone(), |digest| reference.with_digest(*digest));
        let entry = match (self.resolve(&name)?, name.digest()) {
            (Some(target), _) => Some((name, target)),
            (None, None) => None,
            (None, Some(digest)) => {
                let is_meant = |(known, target): &(Reference, RefTarget)| {
                    known.name() == name.name()
                        && target.manifest.as_ref().is_some_and(|manifest| manifest.digest == *digest)
                };
                self.references()?.into_iter().find(is_meant)
            }
        };
        Ok(entry.map(|entry| Found { image: entry.1.image, reference: Some(entry) }))
    }

    fn find_id(&self, digits: &str) -> Result<Option<Found>> {
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let digits = digits.to_ascii_lowercase();
        let mut matching = self.image_ids()?;
        matching.retain(|id| id.digest().hex().starts_with(&digits));
        match matching[..] {
            [] => Ok(None),
            [image] => Ok(Some(Found { image, reference: None })),
            _ => Err(Error::AmbiguousId {
                prefix: digits,
                candidates: matching.iter().map(|id| id.digest().short()).collect(),
            }),
        }
    }

    /// Names in the store that differ little from `wanted`, the nearest first.
    fn similar(&self, wanted: &str) -> Result<Vec<String>> {
        let mut near: Vec<(usize, String)> = Vec::new();
        for (reference, _) in self.references()? {
            let name = reference.familiar();
            let distance = distance_to(wanted, &reference);
            if distance <= (wanted.chars().count() / 3).max(1) {
                near.push((distance, name));
            }
        }
        near.sort();
        near.truncate(SUGGESTIONS);
        Ok(near.into_iter().map(|(_, name)| format!("`{name}`")).collect())
    }
}

/// How far `wanted` is from the reference as a whole, its repository, or that repository's last part: `nginx` is near
/// `registry.example/web/nginx:1.2`.
fn distance_to(wanted: &str, reference: &Reference) -> usize {
    let repository = reference.familiar_name();
    let last = repository.rsplit('/').next().unwrap_or(&repository);
    let spellings = [&reference.familiar(), &repository, last];
    spellings.into_iter().map(|spelling| edits(wanted, spelling)).min().unwrap_or(usize::MAX)
}

/// The number of insertions, deletions and replacements that make `one` into `other`.
fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, left) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, right) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::edits;
    use crate::error::Error;
    use crate::oci::{Descriptor, Digest, MediaType, Reference};
    use crate::test_store::TestStore;

    #[test]
    fn names_ids_and_prefixes_are_found() {
        let store = TestStore::new();
        let image = store.add_empty_image("a");
        let name: Reference = "me/app:1".parse().expect("reference");
        let manifest = Descriptor::of(MediaType::OciManifest, b"m");
        store.tag(&name, &image, Some(manifest.clone())).expect("tag");
        let hex = image.digest().hex();
        let by_digest = format!("me/app@{}", manifest.digest);
        let both = format!("me/app:1@{}", manifest.digest);
        let upper = hex[..12].to_uppercase();
        for (text, by_name) in [
            ("me/app:1", true),
            ("docker.io/me/app:1", true),
            (&by_digest, true),
            (&both, true),
            (&hex, false),
            (&hex[..12], false),
            (&hex[..1], false),
            (&upper, false),
            (&image.to_string(), false),
            (&format!("sha256:{}", &hex[..5]), false),
        ] {
            let found = store.find(text).expect(text).expect(text);
            assert_eq!((found.image, found.reference.is_some()), (image, by_name), "{text}");
        }
        let elsewhere = format!("me/other@{}", manifest.digest);
        for text in ["me/app", "app:1", "", "sha256:", "sha256:xyz", "UPPER", &elsewhere] {
            assert_eq!(store.find(text).expect(text), None, "{text}");
        }
    }

    #[test]
    fn an_ambiguous_prefix_is_an_error_and_a_name_goes_first() {
        let store = TestStore::new();
        let images: Vec<_> = (0..40).map(|number| store.add_empty_image(&number.to_string())).collect();
        let digit = images[0].digest().hex()[..1].to_owned();
        let same = images.iter().filter(|id| id.digest().hex().starts_with(&digit)).count();
        assert!(same > 1, "with 40 images two share a first digit with the first");
        assert!(matches!(store.find(&digit), Err(Error::AmbiguousId { candidates, .. }) if candidates.len() == same));
        store.tag(&digit.parse().expect("a short name"), &images[1], None).expect("tag");
        assert_eq!(store.find(&digit).expect("found").map(|found| found.image), Some(images[1]));
    }

    #[test]
    fn a_slip_of_the_pen_gets_a_hint() {
        let store = TestStore::new();
        let image = store.add_empty_image("a");
        for name in ["debian:13", "registry.example/web/nginx:1.2", "busybox"] {
            store.tag(&name.parse().expect(name), &image, None).expect(name);
        }
        for (typed, hint) in [
            ("debain:13", "did you mean `debian:13`?"),
            ("debian", "did you mean `debian:13`?"),
            ("nginx", "did you mean `registry.example/web/nginx:1.2`?"),
            ("bussybox", "did you mean `busybox:latest`?"),
            ("postgres", "`dhow images` lists what there is; `dhow pull` gets more"),
        ] {
            let error = store.require(typed).expect_err(typed);
            assert_eq!(error.hint().as_deref(), Some(hint), "{typed}");
            assert_eq!(error.to_string(), format!("no image `{typed}` in the store"));
        }
        assert_eq!(store.find(&Digest::of(b"").to_string()).expect("well formed"), None);
    }

    #[test]
    fn edits_are_counted() {
        for (one, other, expected) in [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("abc", "abc", 0)] {
            assert_eq!(edits(one, other), expected, "{one} {other}");
            assert_eq!(edits(other, one), expected, "{other} {one}");
        }
    }
}
