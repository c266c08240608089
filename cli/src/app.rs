//! What every command is given: the options before it, the environment, and the store, which is opened when it is
//! first needed.

use std::cell::RefCell;
use std::path::PathBuf;

use dhow_layer_store::{Ownership, SnapshotterChoice, Store, StoreOptions};
use dhow_runtime::{Privilege, Rung};

use crate::args::{Global, SnapshotterKind};
use crate::environment::Environment;
use crate::problem::Problem;

/// The program's own state.
pub(crate) struct App {
    /// The options before the command.
    pub(crate) global: Global,
    /// The variables.
    pub(crate) environment: Environment,
    /// The rung of the ladder of isolation, and why; none for commands that need no store.
    pub(crate) privilege: Option<Privilege>,
    store: RefCell<Option<Store>>,
}

impl App {
    /// An app that has opened nothing yet.
    pub(crate) fn new(global: Global, environment: Environment, privilege: Option<Privilege>) -> Self {
        Self { global, environment, privilege, store: RefCell::default() }
    }

    /// The store, opened at the first call.
    ///
    /// # Errors
    /// It cannot be opened, or nothing tells where it is.
    pub(crate) fn store(&self) -> anyhow::Result<Store> {
        if let Some(store) = self.store.borrow().as_ref() {
            return Ok(store.clone());
        }
        let options = StoreOptions { ownership: self.ownership(), snapshotter: self.snapshotter() };
        let store = Store::open(&self.root()?, options)?;
        *self.store.borrow_mut() = Some(store.clone());
        Ok(store)
    }

    /// Lets go of the store, so that what was leased and is not the container's may go while it runs.
    pub(crate) fn close_store(&self) {
        *self.store.borrow_mut() = None;
    }

    /// The store's directory: `--root`, else the system's for root, else the user's own.
    ///
    /// # Errors
    /// There is no home directory.
    pub(crate) fn root(&self) -> anyhow::Result<PathBuf> {
        if let Some(root) = &self.global.root {
            return Ok(std::path::absolute(root)?);
        }
        if self.is_root() {
            return Ok(PathBuf::from("/var/lib/dhow"));
        }
        if let Some(data) = self.environment.path("XDG_DATA_HOME") {
            return Ok(data.join("dhow"));
        }
        let home = self.environment.home().ok_or_else(|| {
            Problem::new("no directory for the store is known: `HOME` is not set")
                .hint("name one with `--root DIR` or `DHOW_ROOT`")
        })?;
        Ok(home.join(".local/share/dhow"))
    }

    fn snapshotter(&self) -> SnapshotterChoice {
        match self.global.snapshotter {
            SnapshotterKind::Auto => SnapshotterChoice::Automatic,
            SnapshotterKind::Overlay => SnapshotterChoice::Overlay,
            SnapshotterKind::Copy => SnapshotterChoice::Copy,
        }
    }

    /// With a single id, files cannot have an image's owners.
    fn ownership(&self) -> Ownership {
        match self.privilege.as_ref().map(|privilege| privilege.rung) {
            Some(Rung::SingleId | Rung::NoNamespaces) => Ownership::Recorded,
            Some(Rung::Root | Rung::SubordinateIds) | None => Ownership::OnDisk,
        }
    }

    /// Whether the user is the machine's root, or that of the container that dhow was started in.
    fn is_root(&self) -> bool {
        match &self.privilege {
            Some(privilege) => privilege.outer_uid == 0,
            None => rustix::process::geteuid().is_root(),
        }
    }

    /// The directory of `config.json`: `--config` or `DOCKER_CONFIG`, else `~/.docker`.
    pub(crate) fn config_dir(&self) -> Option<PathBuf> {
        self.global.config.clone().or_else(|| self.environment.home().map(|home| home.join(".docker")))
    }
}
