//! One folder of testdata/conformance: its Dockerfile, its context as the builders get it, its facts.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A conformance case on disk.
pub(crate) struct Case {
    /// `topic/case`.
    pub(crate) name: String,
    folder: PathBuf,
}

/// The folder of all cases.
pub(crate) fn cases_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/conformance")
}

impl Case {
    /// Every case, sorted; with `DHOW_CONFORMANCE=TEXT` only those whose name holds TEXT.
    pub(crate) fn all() -> Vec<Self> {
        let wanted = std::env::var("DHOW_CONFORMANCE").unwrap_or_default();
        let mut cases: Vec<Case> = folders_in(&cases_folder())
            .into_iter()
            .filter(|topic| !topic.ends_with("bases"))
            .flat_map(|topic| folders_in(&topic))
            .map(Case::at)
            .filter(|case| case.name.contains(&wanted))
            .collect();
        cases.sort_by(|a, b| a.name.cmp(&b.name));
        cases
    }

    /// The case in `folder`.
    pub(crate) fn at(folder: PathBuf) -> Self {
        let topic = folder.parent().expect("a topic folder");
        let last = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
        let name = format!("{}/{}", last(topic), last(&folder));
        Self { name, folder }
    }

    /// The recorded facts.
    pub(crate) fn expected(&self) -> Value {
        let text = fs::read_to_string(self.folder.join("expected.json"))
            .unwrap_or_else(|e| panic!("{}: expected.json: {e}", self.name));
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }

    /// Whether the case makes device nodes, which a user namespace does not allow.
    pub(crate) fn needs_root(&self) -> bool {
        self.folder.join("root").exists()
    }

    /// Why dhow rejects what Docker's builder accepts, or the other way round, where it does so on purpose.
    pub(crate) fn deviation(&self) -> Option<String> {
        fs::read_to_string(self.folder.join("deviation")).ok()
    }

    /// The arguments of `dhow build` up to the context's folder, everything laid out below `work`.
    pub(crate) fn build_arguments(&self, work: &Path) -> Vec<String> {
        let context = work.join("context");
        copy_context(&self.folder.join("context"), &context);
        let setup = self.folder.join("setup");
        if setup.exists() {
            let status = Command::new("sh")
                .args(["-c", "umask 022; exec sh -eu \"$0\""])
                .arg(setup.canonicalize().expect("an absolute path"))
                .current_dir(&context)
                .status()
                .expect("sh runs");
            assert!(status.success(), "{}: setup failed", self.name);
        }
        // Outside of the context, so that `COPY .` does not see them.
        for name in ["Dockerfile", "Dockerfile.dockerignore"] {
            if self.folder.join(name).exists() {
                fs::copy(self.folder.join(name), work.join(name)).expect("copies a file");
            }
        }
        let options = fs::read_to_string(self.folder.join("options")).unwrap_or_default();
        let text = |path: PathBuf| path.to_str().expect("an UTF-8 path").to_owned();
        let mut arguments = vec!["-f".to_owned(), text(work.join("Dockerfile"))];
        arguments.extend(options.lines().map(str::to_owned));
        arguments.push(text(context));
        arguments
    }
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.is_dir())
        .collect()
}

/// Copies with the modes that a checkout gives everywhere: 0644, or 0755 for programs and folders.
fn copy_context(from: &Path, to: &Path) {
    fs::create_dir(to).expect("creates a folder");
    fs::set_permissions(to, fs::Permissions::from_mode(0o755)).expect("sets a mode");
    let Ok(entries) = fs::read_dir(from) else {
        return;
    };
    for entry in entries {
        let source = entry.expect("a readable folder").path();
        let target = to.join(source.file_name().expect("a name"));
        let metadata = fs::symlink_metadata(&source).expect("metadata");
        if metadata.is_dir() {
            copy_context(&source, &target);
        } else if metadata.is_symlink() {
            symlink(fs::read_link(&source).expect("a link"), &target).expect("makes a link");
        } else {
            fs::copy(&source, &target).expect("copies a file");
            let program = metadata.permissions().mode() & 0o100 != 0;
            let mode = if program { 0o755 } else { 0o644 };
            fs::set_permissions(&target, fs::Permissions::from_mode(mode)).expect("sets a mode");
        }
    }
}
