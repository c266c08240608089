//! The same inputs give the same image, whoever builds it and however; and `--verify` finds what does not.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::context::{BUSYBOX, busybox_tar, context, text};
use crate::dhow::Dhow;
use crate::skip::{self, need};

const EPOCH: &str = "1700000000";

const DOCKERFILE: &str = "FROM busybox\nCOPY --chmod=755 a /app/\nRUN echo one > /app/b && mkdir -p /var/x && ln -s /app /var/x/l\n\
    RUN rm /app/a && ln /app/b /app/c\nWORKDIR /srv\nUSER 1000\nCMD [\"sh\"]\n";

/// The base that all of them stand on, as an archive: an import has the date of the day.
fn base(folder: &Path) -> PathBuf {
    let dhow = Dhow::new();
    dhow.ok(["import", text(&busybox_tar(dhow.folder())), BUSYBOX]);
    let archive = folder.join("base.tar");
    dhow.ok(["save", "-o", text(&archive), BUSYBOX]);
    archive
}

/// The digest of the manifest that a fresh store gets, and its config.
fn build(dhow: &Dhow, base: &Path, global: &[&str]) -> (String, Value) {
    let work = dhow.work_folder();
    let archive = work.path().join("base.tar");
    fs::copy(base, &archive).expect("copies the base");
    dhow.hand_over(work.path());
    dhow.ok(["load", "-i", text(&archive)]);
    let arg = format!("SOURCE_DATE_EPOCH={EPOCH}");
    let folder = context(dhow, "app", &[("Dockerfile", DOCKERFILE), ("a", "text\n")]);
    let metadata = work.path().join("metadata.json");
    let layout = format!("type=oci,tar=false,dest={}", work.path().join("layout").display());
    let out = ["-t", "app:1", "-o", &layout, "--metadata-file", text(&metadata)];
    dhow.ok([global, &["build", "--build-arg", &arg], &out, &[text(&folder)]].concat());
    let built: Value = serde_json::from_slice(&fs::read(&metadata).expect("metadata")).expect("JSON");
    let digest = built["containerimage.config.digest"].as_str().expect("a digest").trim_start_matches("sha256:");
    let config = fs::read(work.path().join("layout/blobs/sha256").join(digest)).expect("the config");
    let config = serde_json::from_slice(&config).expect("JSON");
    (built["containerimage.digest"].as_str().expect("a digest").to_owned(), config)
}

#[test]
fn root_users_and_copies_give_the_same_manifest() {
    need!(skip::root());
    let user = need!(Dhow::as_ordinary_user());
    need!(skip::program("busybox"));
    let folder = tempfile::tempdir().expect("a folder");
    let base = base(folder.path());
    let (first, config) = build(&Dhow::new(), &base, &[]);
    // So that times which are not clamped would differ.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let (second, _) = build(&Dhow::new(), &base, &["--snapshotter", "copy"]);
    let (third, other) = build(&user, &base, &[]);
    assert_eq!(config, other);
    assert_eq!((&first, &first), (&second, &third));
    assert_eq!(config["created"], "2023-11-14T22:13:20Z");
    let history = config["history"].as_array().expect("a history");
    assert!(history.iter().skip(1).all(|entry| entry["created"] == "2023-11-14T22:13:20Z"), "{history:?}");
}

#[test]
fn a_second_build_tells_what_differs() {
    need!(skip::root());
    let dhow = Dhow::new();
    need!(crate::context::import_busybox(&dhow));
    let folder = context(&dhow, "same", &[("Dockerfile", "FROM busybox\nRUN echo 1 > /a\n")]);
    let output = dhow.command(["build", "--verify", text(&folder)]).output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && log.contains("Verified"), "{log}");
    let before = dhow.ok(["images", "-aq"]);

    fs::write(folder.join("Dockerfile"), "FROM busybox\nRUN echo 1 > /a\nRUN cat /proc/sys/kernel/random/uuid > /b\n")
        .unwrap();
    let output = dhow.command(["build", "--verify", "-t", "never", text(&folder)]).output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(8), "{log}");
    assert!(log.contains("`/b` has another content") && log.contains("line 3"), "{log}");
    assert_eq!(dhow.ok(["images", "-q", "never"]), "");
    assert!(dhow.ok(["images", "-aq"]).lines().count() <= before.lines().count() + 1);
}
