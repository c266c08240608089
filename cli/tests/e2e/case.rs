//! One folder of testdata/conformance: its Dockerfile, its context as the builders get it, its facts.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

#[path = "../../../testdata/conformance/facts.rs"]
mod facts_of_case;

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
    pub(crate) fn recorded(&self) -> Value {
        self.json("expected.json").unwrap_or_else(|| panic!("{}: no expected.json", self.name))
    }

    /// The facts that dhow has to give: the recorded ones, but where it does something else on purpose.
    pub(crate) fn expected(&self) -> Value {
        facts_of_case::expected(&self.folder)
    }

    fn json(&self, name: &str) -> Option<Value> {
        let text = fs::read_to_string(self.folder.join(name)).ok()?;
        Some(serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {name}: {e}", self.name)))
    }

    /// Whether the case makes device nodes, which a user namespace does not allow.
    pub(crate) fn needs_root(&self) -> bool {
        self.folder.join("root").exists()
    }

    /// Whether dhow does something else on purpose.
    pub(crate) fn has_own_facts(&self) -> bool {
        self.folder.join("dhow.json").exists()
    }

    /// What is wrong with the files that tell where dhow deviates on purpose: facts without a reason, a reason
    /// without facts, or facts that are the recorded ones.
    pub(crate) fn wrong_deviation(&self) -> Option<&'static str> {
        match (self.folder.join("deviation").exists(), self.has_own_facts()) {
            (false, false) => None,
            (true, true) if self.expected() == self.recorded() => {
                Some("dhow.json holds nothing but the recorded facts")
            }
            (true, true) => None,
            (true, false) => Some("a deviation without dhow.json"),
            (false, true) => Some("a dhow.json without deviation"),
        }
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
