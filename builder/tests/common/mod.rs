//! A store with a busybox image, a context, and builds in them.

#![allow(clippy::print_stderr, reason = "skips are said aloud")]
#![allow(unreachable_pub, reason = "a module of several test binaries")]
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::num::NonZeroUsize;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

use dhow_builder::ignore::IgnoreRules;
use dhow_builder::plan::Options;
use dhow_builder::source::SourceFile;
use dhow_builder::{
    BuildContext, BuildEnv, BuildError, BuildRequest, Built, CacheUse, CancelToken, Checkout, ContextDate,
    DownloadRequest, Downloaded, Event, EventSink, Finish, GitCommit, GitRequest, ImageSource, NamedContexts,
    PullPolicy, RemoteSource, ResolvedImage, RunDefaults, SourceError, build, build_platforms,
};
use dhow_layer_store::oci::{ContainerConfig, ImageConfig, ImageId, MediaType, Platform, Raw, Reference};
use dhow_layer_store::{LayerId, Root, Stack, Store, StoreOptions};
use tempfile::TempDir;

/// The program that test images are made of (Debian package `busybox-static`).
const BUSYBOX: &str = "/bin/busybox";

/// Whether sandboxes can be tried here; says aloud if not.
pub fn can_run() -> bool {
    let missing = if !rustix::process::geteuid().is_root() {
        "not root"
    } else if !Path::new(BUSYBOX).exists() {
        "no /bin/busybox (package busybox-static)"
    } else {
        return true;
    };
    assert!(std::env::var_os("DHOW_TEST_NO_SKIP").is_none(), "cannot run: {missing}");
    eprintln!("SKIP: {missing}");
    false
}

/// A store, a context, and what builds in them told.
pub struct Site {
    pub store_dir: TempDir,
    pub store: Store,
    pub context: TempDir,
    pub events: Mutex<Vec<Event>>,
    pub options: Options,
    pub run: RunDefaults,
    pub finish: Finish,
    pub cache: CacheUse,
    pub cancel: CancelToken,
    /// Directories that are contexts by name.
    pub contexts: BTreeMap<String, PathBuf>,
    /// The dates of those that have one; that of the unnamed one is at `context`.
    pub dates: BTreeMap<String, ContextDate>,
    /// What servers have, by URL.
    pub files: Mutex<BTreeMap<String, WebFile>>,
    /// What was asked of them: a URL each, with ` (unchanged)` where nothing was sent.
    pub asked: Mutex<Vec<String>>,
    images: BTreeMap<String, ResolvedImage>,
}

/// A file on a server.
#[derive(Clone, Default)]
pub struct WebFile {
    pub content: Vec<u8>,
    pub etag: Option<String>,
    pub modified: Option<SystemTime>,
}

impl Site {
    /// A site with the image `busybox`.
    pub fn new() -> Self {
        Self::with(tempfile::tempdir().unwrap())
    }

    /// The same in a store below `directory`.
    pub fn in_store(directory: &Path) -> Self {
        Self::with(tempfile::tempdir_in(directory).unwrap())
    }

    fn with(store_dir: TempDir) -> Self {
        let store = Store::open(store_dir.path(), StoreOptions::default()).unwrap();
        let mut site = Self {
            store_dir,
            store,
            context: tempfile::tempdir().unwrap(),
            events: Mutex::default(),
            options: Options::new(Platform::host()),
            run: RunDefaults::default(),
            finish: Finish::default(),
            cache: CacheUse::Use,
            cancel: CancelToken::new(),
            contexts: BTreeMap::new(),
            dates: BTreeMap::new(),
            files: Mutex::default(),
            asked: Mutex::default(),
            images: BTreeMap::new(),
        };
        if Path::new(BUSYBOX).exists() {
            let base = site.make_busybox();
            site.images.insert("busybox:latest".to_owned(), base);
        }
        site
    }

    fn make_busybox(&self) -> ResolvedImage {
        let snapshot = self.store.prepare(&Stack::default()).unwrap();
        let root = snapshot.root();
        for dir in ["bin", "dev", "etc", "proc", "root", "sys", "tmp"] {
            root.create_dir_all(Path::new(dir), if dir == "tmp" { 0o1777 } else { 0o755 }).unwrap();
        }
        let busybox = Path::new("bin/busybox");
        std::io::copy(&mut fs::File::open(BUSYBOX).unwrap(), &mut root.create_file(busybox, 0o755).unwrap()).unwrap();
        root.set_mode(busybox, 0o755).unwrap();
        for name in [
            "sh", "cat", "cp", "date", "echo", "id", "ls", "mkdir", "rm", "sleep", "stat", "test", "touch", "true",
            "env", "wc", "ln", "chmod", "grep", "head",
        ] {
            root.symlink(busybox.file_name().map(Path::new).unwrap(), &Path::new("bin").join(name)).unwrap();
        }
        let passwd = "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n";
        for (name, content) in [("etc/passwd", passwd), ("etc/group", "root:x:0:\nalice:x:1000:\nstaff:x:50:alice\n")] {
            std::io::Write::write_all(&mut root.create_file(Path::new(name), 0o644).unwrap(), content.as_bytes())
                .unwrap();
        }
        let layer = snapshot.commit().unwrap();
        let config = ContainerConfig { cmd: Some(vec!["sh".to_owned()]), ..ContainerConfig::default() };
        self.image(config, Stack(vec![layer.id().clone()]))
    }

    fn image(&self, config: ContainerConfig, stack: Stack) -> ResolvedImage {
        let mut image = ImageConfig { config, ..ImageConfig::new(&Platform::host()) };
        for layer in stack.layers() {
            image.rootfs.diff_ids.push(self.store.layer(layer).unwrap().diff_id().unwrap());
        }
        let raw = Raw::create(image.clone()).unwrap();
        self.store.add_image(&raw, MediaType::OciConfig, stack.layers(), None).unwrap();
        ResolvedImage { digest: raw.digest(), config: image, stack }
    }

    /// Gives `image` a name that later builds can use in `FROM`.
    pub fn name(&mut self, name: &str, image: &ImageId) {
        let image = self.store.image(image).unwrap();
        let resolved =
            ResolvedImage { digest: image.config.digest(), config: image.config.value().clone(), stack: image.stack() };
        self.images.insert(format!("{name}:latest"), resolved);
    }

    /// Writes a file of the context, with the directories above it.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.context.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    pub fn chmod(&self, path: &str, mode: u32) {
        fs::set_permissions(self.context.path().join(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub fn symlink(&self, target: &str, path: &str) {
        symlink(target, self.context.path().join(path)).unwrap();
    }

    /// Builds `dockerfile` with the context as it is.
    pub fn try_build(&self, dockerfile: &str) -> Result<Built, BuildError> {
        self.build_with(dockerfile, build)
    }

    /// The same for several platforms.
    pub fn try_build_platforms(&self, dockerfile: &str, platforms: &[&str]) -> Result<Vec<Built>, BuildError> {
        let platforms: Vec<Platform> = platforms.iter().map(|platform| platform.parse().unwrap()).collect();
        self.build_with(dockerfile, |request, env| build_platforms(request, &platforms, env))
    }

    fn build_with<T>(
        &self,
        dockerfile: &str,
        build: impl FnOnce(&BuildRequest<'_>, BuildEnv<'_>) -> Result<T, BuildError>,
    ) -> Result<T, BuildError> {
        self.events.lock().unwrap().clear();
        let ignore = fs::read(self.context.path().join(".dockerignore")).unwrap_or_default();
        let ignore = IgnoreRules::parse(&SourceFile::new(".dockerignore", ignore)).unwrap();
        let context = BuildContext::open(self.context.path(), ignore, &self.store)?;
        let context = context.dated(self.dates.get("context").cloned().unwrap_or_default());
        let request = BuildRequest {
            dockerfile: &SourceFile::new("Dockerfile", dockerfile),
            options: &self.options,
            context: Some(&context),
            cache: self.cache,
            pull: PullPolicy::Missing,
            jobs: NonZeroUsize::new(4).unwrap(),
            run: &self.run,
            finish: self.finish,
        };
        let (store, events, cancel) = (&self.store, self, &self.cancel);
        build(&request, BuildEnv { store, images: self, remote: self, contexts: self, events, cancel })
    }

    /// Builds, and fails the test with the whole error otherwise.
    pub fn build(&self, dockerfile: &str) -> ImageId {
        match self.try_build(dockerfile) {
            Ok(built) => built.image,
            Err(error) => panic!("{}\n{:?}", chain(&error), self.output()),
        }
    }

    /// The error of a build that must fail, with its causes.
    pub fn fail(&self, dockerfile: &str) -> BuildError {
        match self.try_build(dockerfile) {
            Ok(_) => panic!("built what cannot be built"),
            Err(error) => error,
        }
    }

    /// All output of the last build.
    pub fn output(&self) -> String {
        let events = self.events.lock().unwrap();
        let bytes = events.iter().filter_map(|event| match event {
            Event::Output { bytes, .. } => Some(bytes.clone()),
            _ => None,
        });
        String::from_utf8_lossy(&bytes.collect::<Vec<_>>().concat()).into_owned()
    }

    /// The steps of the last build in order, each as `name: cached` or `name: ran`, without the place in front.
    pub fn steps(&self) -> Vec<String> {
        let events = self.events.lock().unwrap();
        let names = events.iter().find_map(|event| match event {
            Event::Planned { steps } => Some(steps.clone()),
            _ => None,
        });
        let names = names.unwrap_or_default();
        let what = |step: usize| {
            events.iter().find_map(|event| match event {
                Event::Cached { step: at } if at.0 == step => Some("cached"),
                Event::Started { step: at } if at.0 == step => Some("ran"),
                _ => None,
            })
        };
        let short = |name: &str| name.split_once("] ").map_or(name, |(_, name)| name).to_owned();
        (0..names.len()).filter_map(|step| Some(format!("{}: {}", short(&names[step]), what(step)?))).collect()
    }

    /// Why steps of the last build missed, each as `name: reason, reason`.
    pub fn reasons(&self) -> Vec<String> {
        let events = self.events.lock().unwrap();
        let names = events.iter().find_map(|event| match event {
            Event::Planned { steps } => Some(steps.clone()),
            _ => None,
        });
        let names = names.unwrap_or_default();
        let reasons = events.iter().filter_map(|event| match event {
            Event::Missed { step, reasons } => {
                let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
                let name = names[step.0].split_once("] ").map_or("", |(_, name)| name);
                Some(format!("{name}: {}", reasons.join(", ")))
            }
            _ => None,
        });
        reasons.collect()
    }

    /// The files of an image's own layers as text, one a line: path, type, mode, owner, and content or link target.
    pub fn files(&self, image: &ImageId, below: &str) -> String {
        let image = self.store.image(image).unwrap();
        let view = self.store.view(&image.stack()).unwrap();
        let mut lines = Vec::new();
        list(view.root(), Path::new(below), &mut lines);
        lines.join("\n")
    }

    pub fn config(&self, image: &ImageId) -> ImageConfig {
        self.store.image(image).unwrap().config.value().clone()
    }

    /// The names in the layer that the last step of an image made.
    pub fn top_layer(&self, image: &ImageId) -> Vec<String> {
        let image = self.store.image(image).unwrap();
        let fs = self.store.layer(image.layers.last().unwrap()).unwrap().fs().unwrap();
        let mut names: Vec<String> =
            fs::read_dir(fs).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

fn list(root: &dhow_layer_store::Root, path: &Path, lines: &mut Vec<String>) {
    use dhow_layer_store::FileKind;
    let Some(metadata) = root.stat(path).unwrap() else { return };
    let content = match metadata.kind {
        FileKind::Regular => std::io::read_to_string(root.open_file(path).unwrap()).unwrap_or_default(),
        FileKind::Symlink => format!("-> {}", root.read_link(path).unwrap().display()),
        FileKind::Directory => "/".to_owned(),
        kind => format!("{kind:?}"),
    };
    let owner = format!("{}:{}", metadata.uid, metadata.gid);
    lines.push(format!("{} {:o} {owner} {}", path.display(), metadata.mode, content.trim_end()));
    if metadata.kind == FileKind::Directory {
        for name in root.read_dir(path).unwrap() {
            list(root, &path.join(name), lines);
        }
    }
}

/// An error with its causes, each on a line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!("\n{error}"));
        cause = error.source();
    }
    text
}

impl EventSink for Site {
    fn event(&self, event: Event) {
        self.events.lock().unwrap().push(event);
    }

    fn wants_reasons(&self) -> bool {
        true
    }
}

impl ImageSource for Site {
    fn resolve(&self, reference: &Reference, _: &Platform, _: PullPolicy) -> Result<ResolvedImage, SourceError> {
        self.images.get(&reference.familiar()).cloned().ok_or_else(|| "no such image".into())
    }

    fn fetch(&self, _: &[LayerId]) -> Result<(), SourceError> {
        Err("all layers are here".into())
    }
}

impl RemoteSource for Site {
    fn download(&self, request: &DownloadRequest<'_>, into: &mut dyn Write) -> Result<Downloaded, SourceError> {
        let files = self.files.lock().unwrap();
        let file = files.get(request.url).ok_or("no such file")?;
        let is_same = file.etag.is_some() && file.etag.as_deref() == request.etag;
        let what = if is_same { " (unchanged)" } else { "" };
        self.asked.lock().unwrap().push(format!("{}{what}", request.url));
        if is_same {
            return Ok(Downloaded::Unchanged);
        }
        into.write_all(&file.content)?;
        Ok(Downloaded::New { etag: file.etag.clone(), modified: file.modified })
    }

    fn modified(&self, request: &DownloadRequest<'_>) -> Result<Option<SystemTime>, SourceError> {
        let files = self.files.lock().unwrap();
        Ok(files.get(request.url).ok_or("no such file")?.modified)
    }

    fn git_date(&self, request: &GitRequest<'_>, commit: &GitCommit) -> Result<i64, SourceError> {
        self.asked.lock().unwrap().push(format!("date of {}", request.source.remote));
        Ok(commit.commit.trim_start_matches('0').parse()?)
    }

    /// A branch is the name of its commit; the file `name` of each repository holds that of the commit.
    fn git_commit(&self, request: &GitRequest<'_>) -> Result<GitCommit, SourceError> {
        self.asked.lock().unwrap().push(format!("refs of {}", request.source.remote));
        let file = self.files.lock().unwrap().get(&request.source.remote).cloned().ok_or("no such repository")?;
        let commit = format!("{:0>40}", String::from_utf8(file.content)?);
        Ok(GitCommit { commit, tag: None, reference: Some("refs/heads/main".to_owned()) })
    }

    fn git_checkout(&self, request: &GitRequest<'_>, checkout: &Checkout<'_>, into: &Root) -> Result<(), SourceError> {
        self.asked.lock().unwrap().push(format!("files of {}", request.source.remote));
        into.create_file(Path::new("name"), 0o644)?.write_all(checkout.commit.commit.as_bytes())?;
        if checkout.keep_git_dir {
            into.create_dir(Path::new(".git"), 0o755)?;
        }
        Ok(())
    }
}

impl NamedContexts for Site {
    fn image(&self, name: &str, _: &Platform) -> Result<ResolvedImage, SourceError> {
        self.images.get(&format!("{name}:latest")).cloned().ok_or_else(|| "no such image".into())
    }

    fn files(&self, name: &str) -> Result<BuildContext, SourceError> {
        let path = self.contexts.get(name).ok_or("no such directory")?;
        let context = BuildContext::open(path, IgnoreRules::default(), &self.store)?;
        Ok(context.dated(self.dates.get(name).cloned().unwrap_or_default()))
    }
}
