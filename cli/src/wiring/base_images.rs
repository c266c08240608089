//! Base images of a build: from the store, else from their registry.

use std::sync::{Mutex, PoisonError};

use dhow_builder::{ImageSource, PullPolicy, ResolvedImage, SourceError};
use dhow_layer_store::oci::{ImageId, Platform, Reference};
use dhow_layer_store::{Image, LayerId, Store};
use dhow_registry_client::{ClientOptions, Fetch, PullOptions, Transfer};

use super::client::client_options;
use super::network::Network;
use super::pull::{Direction, transfer_with};
use super::remote::boxed;
use super::similar::Misspelt;
use crate::app::App;
use crate::ui::Mode;

/// Fulfils what the builder asks for.
pub(crate) struct BaseImages {
    store: Store,
    options: ClientOptions,
    mode: Mode,
    /// Made for the first image that must be pulled: most builds need neither threads nor certificates.
    remote: Mutex<Option<Remote>>,
}

/// The way to registries.
struct Remote {
    network: Network,
    transfer: Transfer,
}

impl BaseImages {
    /// The images that `app` can reach; pulls are shown in `mode`.
    ///
    /// # Errors
    /// The store cannot be opened, or a setting is wrong.
    pub(crate) fn new(app: &App, mode: Mode) -> anyhow::Result<Self> {
        Ok(Self { store: app.store()?, options: client_options(app)?, mode, remote: Mutex::default() })
    }

    fn local(&self, reference: &Reference, platform: &Platform) -> dhow_layer_store::Result<Option<Image>> {
        let mut found = self.store.find_and_lease(&reference.to_string())?;
        if found.is_none() && reference.tag() == Some("latest") && reference.digest().is_none() {
            // `FROM 4f1c2d…` means an id, which a reference cannot tell from a name.
            found = self.store.find_and_lease(&reference.familiar_name())?.filter(|found| found.reference.is_none());
        }
        let Some(found) = found else { return Ok(None) };
        self.store.image_for(&found, platform)
    }

    /// Its config only: layers come when a step has to see their files.
    fn pull(&self, reference: &Reference, platform: &Platform) -> anyhow::Result<ImageId> {
        let options = PullOptions { platform: Some(platform.clone()), layers: Fetch::None, ..PullOptions::default() };
        self.with_remote(|remote| Ok(remote.network.run(remote.transfer.pull(reference, &options))?.image))
    }

    fn with_remote<T>(&self, work: impl FnOnce(&Remote) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let mut remote = self.remote.lock().unwrap_or_else(PoisonError::into_inner);
        let made = match remote.take() {
            Some(made) => made,
            None => self.connect()?,
        };
        work(remote.insert(made))
    }

    fn connect(&self) -> anyhow::Result<Remote> {
        let transfer = transfer_with(self.options.clone(), self.store.clone(), Direction::Pull, self.mode)?;
        Ok(Remote { network: Network::start()?, transfer })
    }
}

impl ImageSource for BaseImages {
    fn resolve(
        &self,
        reference: &Reference,
        platform: &Platform,
        pull: PullPolicy,
    ) -> Result<ResolvedImage, SourceError> {
        let local = match pull {
            PullPolicy::Always => None,
            PullPolicy::Missing | PullPolicy::Never => self.local(reference, platform)?,
        };
        let image = match local {
            Some(image) => image,
            None if pull == PullPolicy::Never => {
                let missing = self.store.require(&reference.to_string()).map(|found| found.image);
                self.store.image(&missing?)?
            }
            None => {
                let misspelt = |error| Misspelt::or(boxed(error), (&self.store, reference));
                self.store.image(&self.pull(reference, platform).map_err(misspelt)?)?
            }
        };
        // The id holds for an image wherever it came from, and after it was pushed, too.
        Ok(ResolvedImage { digest: *image.id.digest(), config: image.config.value().clone(), stack: image.stack() })
    }

    fn fetch(&self, layers: &[LayerId]) -> Result<(), SourceError> {
        self.with_remote(|remote| remote.network.run(remote.transfer.fetch_layers(layers))).map_err(boxed)
    }
}
