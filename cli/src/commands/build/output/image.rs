//! `type=image` and `type=registry`: the image, or those of all platforms, with its names in the store, and in their
//! registries.

use std::thread;

use anyhow::Context;
use dhow_layer_store::oci::{Descriptor, Reference};
use dhow_registry_client::{PushOptions, Pushed, Transfer};

use super::deliver::Means;
use super::kind::ImageOutput;
use super::packed::Packed;
use super::spec::Output;
use crate::commands::build::platforms;
use crate::ui::Mode;
use crate::wiring::{Direction, Network, transfer_with};

/// Makes the output; returns the manifest or index where there had to be one.
pub(super) fn make(means: &Means<'_>, output: &Output, image: &ImageOutput) -> anyhow::Result<Option<Descriptor>> {
    let (store, images) = (&means.store, means.delivery.images);
    let mut manifest = None;
    if image.store {
        // A manifest that was wished for goes with the names, so that `push` sends it later.
        if !output.is_plain() || image.canonical || image.dangling.is_some() {
            manifest = Some(means.packed(output)?.descriptor());
        }
        let names = means.names(output);
        names.iter().try_for_each(|name| means.name(name, manifest.clone()))?;
        for name in by_digest(image, names, manifest.as_ref())? {
            means.name(&name, manifest.clone())?;
        }
    }
    if image.unpack {
        // Of several, the one that can run here, as with BuildKit.
        let own = if let [one] = images { Some(*one) } else { platforms::own(store, images)? };
        own.map_or(Ok(()), |own| store.view(&store.image(&own)?.stack()).map(drop))?;
    }
    if !image.push {
        return Ok(manifest);
    }
    push(means, output, image).map(Some)
}

/// The names with the digest that the image gets besides.
fn by_digest(
    image: &ImageOutput,
    names: &[Reference],
    manifest: Option<&Descriptor>,
) -> anyhow::Result<Vec<Reference>> {
    let Some(manifest) = manifest else { return Ok(Vec::new()) };
    let canonical = names.iter().filter(|_| image.canonical).map(|name| name.with_digest(manifest.digest));
    let mut pinned: Vec<Reference> = canonical.collect();
    if let Some(prefix) = image.dangling.as_ref().filter(|_| names.is_empty() || !image.dangling_if_nameless) {
        pinned.push(format!("{prefix}@{}", manifest.digest).parse()?);
    }
    Ok(pinned)
}

impl Means<'_> {
    /// Gives the images a name in the store.
    fn name(&self, name: &Reference, manifest: Option<Descriptor>) -> anyhow::Result<()> {
        let target = platforms::target(&self.store, self.delivery.images, manifest)?;
        Ok(self.store.tag_as(name, target)?)
    }
}

/// Pushes to the first name, and then to all others at once: they need nothing compressed any more.
fn push(means: &Means<'_>, output: &Output, image: &ImageOutput) -> anyhow::Result<Descriptor> {
    let names = means.names(output);
    let mut client = means.client.clone();
    if image.insecure {
        client.insecure.extend(names.iter().map(|name| name.registry().to_owned()));
    }
    let transfer = transfer_with(client, means.store.clone(), Direction::Push, means.delivery.mode)?;
    let pushing = &Pushing { means, output, image, transfer, network: Network::start()? };
    let (first, others) = names.split_first().context("there is no name to push to")?;
    let pushed = pushing.run(first)?;
    thread::scope(|scope| {
        let others: Vec<_> = others.iter().map(|name| scope.spawn(move || pushing.run(name))).collect();
        others
            .into_iter()
            .try_for_each(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map(drop))
    })?;
    Ok(pushed.manifest)
}

struct Pushing<'a> {
    means: &'a Means<'a>,
    output: &'a Output,
    image: &'a ImageOutput,
    transfer: Transfer,
    network: Network,
}

impl Pushing<'_> {
    fn run(&self, name: &Reference) -> anyhow::Result<Pushed> {
        let quiet = self.means.delivery.mode == Mode::Quiet;
        if !quiet {
            self.means.tell(&format!("The push refers to repository [{}]", name.name()))?;
        }
        let pushed = self.send(name).with_context(|| format!("cannot push `{}`", name.familiar()))?;
        let manifest = &pushed.manifest;
        if self.image.store && !self.image.by_digest {
            self.means.name(name, Some(manifest.clone()))?;
        }
        if !quiet {
            let tag = name.tag().filter(|_| !self.image.by_digest).unwrap_or("(no tag)");
            self.means.tell(&format!("{tag}: digest: {} size: {}", manifest.digest, manifest.size))?;
        }
        Ok(pushed)
    }

    fn send(&self, name: &Reference) -> anyhow::Result<Pushed> {
        let plan = self.means.plan(self.output)?;
        let options = PushOptions { packing: self.output.packing.clone(), ..PushOptions::default() };
        match &plan.entries[..] {
            [one] if !self.image.by_digest => {
                let options = PushOptions { packing: one.packing.clone(), ..options };
                self.network.run(self.transfer.push_image(name, &one.image, &options))
            }
            _ if !self.image.by_digest => self.network.run(self.transfer.push_images(name, &plan, &options)),
            _ => {
                let packed = self.means.packed(self.output)?;
                let pinned: Reference = format!("{}@{}", name.name(), packed.descriptor().digest).parse()?;
                match &packed {
                    Packed::Image(_, manifest) => {
                        self.network.run(self.transfer.push_manifest(&pinned, manifest, &options))
                    }
                    Packed::Index(index) => self.network.run(self.transfer.push_index(&pinned, index, &options)),
                }
            }
        }
    }
}
