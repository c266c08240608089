//! All containers of a store.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::container::config::ContainerConfig;
use crate::container::handle::Container;
use crate::container::state::{ContainerState, now, write_json};
use crate::error::{Error, Result};

/// Words for names that nobody chose: a quality and a part of a ship.
const QUALITIES: [&str; 16] = [
    "able", "bold", "brisk", "calm", "dry", "eager", "fair", "hardy", "keen", "lively", "merry", "nimble", "quiet",
    "steady", "swift", "trim",
];
const PARTS: [&str; 16] = [
    "anchor", "beam", "bow", "bridge", "buoy", "deck", "galley", "helm", "hold", "keel", "mast", "oar", "rudder",
    "sail", "stern", "tiller",
];

/// How old what should have lasted for milliseconds is when it was abandoned.
const ABANDONED: Duration = Duration::from_secs(60);

/// The containers in a directory.
#[derive(Debug, Clone)]
pub struct Containers {
    directory: PathBuf,
}

impl Containers {
    /// Opens the directory, which is made when missing.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be made.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self> {
        let set = Self { directory: directory.into() };
        make_directory(&set.names())?;
        set.sweep()?;
        Ok(set)
    }

    /// Removes what a dhow that was killed left half made or half removed.
    fn sweep(&self) -> Result<()> {
        let failed = |error| Error::io("read", &self.directory, error);
        for entry in fs::read_dir(&self.directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let made = entry.metadata().and_then(|metadata| metadata.modified()).ok();
            let is_old = made.and_then(|made| made.elapsed().ok()).is_some_and(|age| age > ABANDONED);
            if is_old && name.to_str().is_some_and(|name| name.starts_with(".new-") || name.starts_with(".gone-")) {
                // Another dhow may be at it too; what stays is for the next time.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        Ok(())
    }

    /// Creates a container that is not running yet. Its id, its time and, when empty, its name are filled in. It counts as
    /// [in use](Container::is_in_use) until this handle is dropped.
    ///
    /// # Errors
    /// [`Error::NameInUse`], [`Error::InvalidValue`] for a name that Docker would not take, or [`Error::Io`].
    pub fn create(&self, mut config: ContainerConfig) -> Result<Container> {
        config.id = new_id()?;
        config.created = now();
        let temporary = self.directory.join(format!(".new-{}", config.id));
        make_directory(&temporary)?;
        let made = self.make(config, &temporary);
        if made.is_err() {
            let _ = fs::remove_dir_all(&temporary);
        }
        made
    }

    /// Fills the directory, takes the name, and makes both visible as a container by renaming.
    fn make(&self, mut config: ContainerConfig, temporary: &Path) -> Result<Container> {
        let failed = |error| Error::io("write", temporary, error);
        fs::write(temporary.join("id"), &config.id).map_err(failed)?;
        let maker = File::open(temporary.join("id")).map_err(failed)?;
        maker.lock().map_err(failed)?;
        File::create(temporary.join("lock")).map_err(failed)?;
        File::create(temporary.join("log.json")).map_err(failed)?;
        ContainerState::created().write(temporary)?;
        config.name = self.claim_name(&config, temporary)?;
        let directory = self.directory.join(&config.id);
        let made = write_json(&temporary.join("config.json"), &config)
            .and_then(|()| fs::rename(temporary, &directory).map_err(|error| Error::io("create", &directory, error)));
        if let Err(error) = made {
            let _ = fs::remove_file(self.names().join(&config.name));
            return Err(error);
        }
        Ok(Container::open(&self.directory, &config.id)?.made(maker))
    }

    /// Every container, the newest first.
    ///
    /// # Errors
    /// [`Error::Io`] when the directory cannot be read. A container that is being removed is left out.
    pub fn list(&self) -> Result<Vec<Container>> {
        let mut found: Vec<Container> = Vec::new();
        for id in self.ids()? {
            match Container::open(&self.directory, &id) {
                Ok(container) => found.push(container),
                Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        found.sort_by(|a, b| b.config().created.cmp(&a.config().created));
        Ok(found)
    }

    /// The container of this name, id or beginning of an id.
    ///
    /// # Errors
    /// [`Error::NoSuchContainer`] or [`Error::AmbiguousId`].
    pub fn find(&self, reference: &str) -> Result<Container> {
        if let Some(id) = self.owner_of(reference.trim_start_matches('/')) {
            return Container::open(&self.directory, &id);
        }
        let is_beginning = !reference.is_empty() && reference.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut ids = self.ids()?.into_iter().filter(|id| is_beginning && id.starts_with(reference));
        match (ids.next(), ids.next()) {
            (Some(id), None) => Container::open(&self.directory, &id),
            (Some(_), Some(_)) => Err(Error::AmbiguousId(reference.to_owned())),
            (None, _) => Err(Error::NoSuchContainer(reference.to_owned())),
        }
    }

    fn names(&self) -> PathBuf {
        self.directory.join("names")
    }

    fn ids(&self) -> Result<Vec<String>> {
        let failed = |error| Error::io("read", &self.directory, error);
        let entries: io::Result<Vec<_>> = fs::read_dir(&self.directory).map_err(failed)?.collect();
        let names = entries.map_err(failed)?.into_iter().filter_map(|entry| entry.file_name().into_string().ok());
        Ok(names.filter(|name| is_id(name)).collect())
    }

    fn owner_of(&self, name: &str) -> Option<String> {
        if !is_name(name) {
            return None;
        }
        let id = fs::read_to_string(self.names().join(name)).ok()?;
        self.directory.join(&id).is_dir().then_some(id)
    }

    fn claim_name(&self, config: &ContainerConfig, temporary: &Path) -> Result<String> {
        let name = config.name.trim_start_matches('/');
        if !name.is_empty() {
            if !is_name(name) {
                return Err(Error::InvalidValue { what: "container name", value: config.name.clone() });
            }
            return self.claim(name, temporary).map(|()| name.to_owned());
        }
        let seed = usize::from_str_radix(&config.id[..12], 16).unwrap_or(0);
        for attempt in 0.. {
            let pair = (QUALITIES[seed / 16 % 16], PARTS[seed % 16]);
            let number = if attempt == 0 { String::new() } else { format!("_{}", seed / 256 % 1000 + attempt) };
            let name = format!("{}_{}{number}", pair.0, pair.1);
            match self.claim(&name, temporary) {
                Ok(()) => return Ok(name),
                Err(Error::NameInUse { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::InvalidValue { what: "container name", value: String::new() })
    }

    /// Takes the name if no container has it, by a link to the file that holds the id: so it is never seen empty. A
    /// name whose container is gone is free.
    fn claim(&self, name: &str, temporary: &Path) -> Result<()> {
        let path = self.names().join(name);
        loop {
            match fs::hard_link(temporary.join("id"), &path) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io("create", &path, error)),
            }
            let owner = fs::read_to_string(&path).unwrap_or_default();
            let lives = |name: String| self.directory.join(name).is_dir();
            if !owner.is_empty() && (lives(owner.clone()) || lives(format!(".new-{owner}"))) {
                return Err(Error::NameInUse { name: name.to_owned(), id: owner });
            }
            let _ = fs::remove_file(&path);
        }
    }
}

fn make_directory(path: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| Error::io("create", path, error))
}

fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Docker's rule: a letter or digit, then at least one of letters, digits, `_`, `.` and `-`.
fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest = bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
    first && rest && (2..=200).contains(&text.len())
}

fn new_id() -> Result<String> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0_u8; 32];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|error| Error::io("read", path, error))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
