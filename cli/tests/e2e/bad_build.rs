//! Builds that cannot work: each names what is wrong and where, and leaves the store as it was.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::context::{BUSYBOX, context, import_busybox, text};
use crate::dhow::Dhow;
use crate::skip::{self, need};

/// (what is wrong, the Dockerfile after its FROM, words that the message has to have)
const BUILDS: &[(&str, &str, &[&str])] = &[
    ("an ignored source", "COPY hidden /x\n", &["Dockerfile:2", "hidden", ".dockerignore"]),
    ("a missing source", "COPY missing /x\n", &["Dockerfile:2", "missing"]),
    ("an unknown instruction", "RUNN true\n", &["Dockerfile:2", "RUNN", "RUN"]),
    ("an unknown flag", "COPY --bogus=1 a /x\n", &["Dockerfile:2", "bogus"]),
    ("a step that fails", "RUN true\nRUN exit 42\n", &["Dockerfile:3", "exit 42", "42"]),
    ("an unknown stage", "COPY --from=nowhere.invalid/x /a /b\n", &["nowhere.invalid/x"]),
    ("a misspelt stage", "FROM scratch AS nowhere\nFROM nowhere.invalid/x\n", &["nowhere.invalid/x", "Dockerfile:3"]),
    ("an unknown user", "USER mallory\nRUN true\n", &["mallory"]),
    ("two mistakes at once", "RUNN true\nCOPPY a b\n", &["Dockerfile:2", "RUNN", "Dockerfile:3", "COPPY"]),
];

/// Every file of the store that speaks of images: all but locks and temporary ones.
pub(crate) fn contents(store: &Path) -> BTreeSet<String> {
    let listing = Command::new("find").arg(store).args(["-type", "f", "-printf", "%P %s\\n"]).output();
    let listing = listing.expect("find runs");
    String::from_utf8_lossy(&listing.stdout)
        .lines()
        .filter(|line| line.starts_with("blobs/") || line.starts_with("refs/") || line.starts_with("tmp/"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_mistake_is_named_with_its_place() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let before = contents(&dhow.store());
    assert!(!before.is_empty(), "the store's folders were not found");
    for (what, instructions, words) in BUILDS {
        let dockerfile = format!("FROM {BUSYBOX}\n{instructions}");
        let files = [("Dockerfile", dockerfile.as_str()), (".dockerignore", "hidden\n"), ("hidden", "x"), ("a", "x")];
        let folder = context(&dhow, "bad", &files);
        let error = dhow.fails(["build", "-t", "bad", text(&folder)]);
        for word in *words {
            assert!(error.contains(word), "{what}: `{word}` is not in:\n{error}");
        }
        assert!(error.contains("error"), "{what}: no error:\n{error}");
    }
    assert_eq!(dhow.ok(["images", "-q", "bad"]), "", "no image was made");
    assert_eq!(contents(&dhow.store()), before, "the store is as it was");
}

#[test]
fn a_missing_dockerfile_is_named() {
    let dhow = Dhow::new();
    let folder = context(&dhow, "empty", &[]);
    let error = dhow.fails(["build", text(&folder)]);
    assert!(error.contains("Dockerfile") && error.contains("hint"), "{error}");
    let error = dhow.fails(["build", "-f", "/no/such/file", text(&folder)]);
    assert!(error.contains("/no/such/file"), "{error}");
    let error = dhow.fails(["build", "/no/such/context"]);
    assert!(error.contains("/no/such/context"), "{error}");
}

/// A tmpfs that is unmounted when dropped.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(at: &Path, size: &str) -> Result<Self, String> {
        skip::root()?;
        fs::create_dir_all(at).expect("creates a folder");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", size, "none"]).arg(at).status();
        match mounted.is_ok_and(|status| status.success()) {
            true => Ok(Self(at.to_path_buf())),
            false => Err("may not mount a tmpfs".to_owned()),
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "umount {}", self.0.display());
    }
}

#[test]
fn a_full_disk_is_named_and_the_store_stays_whole() {
    let dhow = Dhow::new();
    let _disk = need!(SmallDisk::mount(&dhow.store(), "size=24m"));
    need!(import_busybox(&dhow));
    let before = contents(&dhow.store());
    let large = "x".repeat(40 << 20);
    let dockerfile = format!("FROM {BUSYBOX}\nCOPY large /large\n");
    let folder = context(&dhow, "large", &[("Dockerfile", &dockerfile), ("large", &large)]);
    let error = dhow.fails(["build", "-t", "large", text(&folder)]);
    let lower = error.to_lowercase();
    assert!(lower.contains("no space left") || lower.contains("disk is full"), "{error}");
    assert_eq!(contents(&dhow.store()), before, "the store is as it was");
    assert_eq!(dhow.ok(["run", "--rm", BUSYBOX, "echo", "still works"]), "still works\n");
}
