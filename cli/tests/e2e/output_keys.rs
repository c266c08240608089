//! The keys of `--output`, each by what it changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::context::{context, import_busybox, text};
use crate::dhow::Dhow;
use crate::registry::Registry;
use crate::skip::need;

/// Text that every level of compression takes differently.
fn words() -> String {
    (0..60_000_u64).map(|number| format!("{} ", number.wrapping_mul(2_654_435_761) % 9973)).collect()
}

fn site() -> (Dhow, PathBuf) {
    let dhow = Dhow::new();
    let files = [("Dockerfile", "FROM scratch\nCOPY a /app/a\nENV A=1\n"), ("a", &words())];
    let folder = context(&dhow, "site", &files);
    (dhow, folder)
}

fn build(dhow: &Dhow, folder: &Path, output: &str) -> String {
    dhow.ok(["build", "-q", "-o", output, text(folder)])
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

/// The manifest that a new layout with the output's keys lists.
fn manifest(dhow: &Dhow, folder: &Path, keys: &str) -> Value {
    let layout = tempfile::TempDir::new_in(dhow.folder()).expect("a folder");
    build(dhow, folder, &format!("type=oci,tar=false,dest={}{keys}", layout.path().display()));
    let index = json(&layout.path().join("index.json"));
    let digest = index["manifests"][0]["digest"].as_str().expect("a digest").to_owned();
    json(&layout.path().join("blobs/sha256").join(digest.trim_start_matches("sha256:")))
}

fn media_types(manifest: &Value) -> Vec<&str> {
    let layers = manifest["layers"].as_array().expect("layers").iter();
    layers.map(|layer| layer["mediaType"].as_str().expect("a type").rsplit('.').next().unwrap_or_default()).collect()
}

#[test]
fn an_insecure_registry_is_one_for_its_output_alone() {
    let registry = need!(Registry::start_tls());
    let (dhow, folder) = site();
    let name = registry.image("x:1");
    let error = dhow.fails(["build", "-o", &format!("type=registry,name={name}"), text(&folder)]);
    assert!(error.contains("certificate") || error.contains("HTTPS"), "{error}");
    build(&dhow, &folder, &format!("type=registry,name={name},registry.insecure=true"));
    dhow.fails(["pull", &name]);
    let there = Dhow::new();
    there.ok(["--insecure-registry", name.split('/').next().unwrap(), "pull", &name]);
}

#[test]
fn what_is_not_stored_leaves_nothing() {
    let registry = need!(Registry::start());
    let (dhow, folder) = site();
    let name = registry.image("x:1");
    build(&dhow, &folder, &format!("type=image,name={name},push=true,store=false"));
    assert_eq!(dhow.ok(["images", "-aq"]), "");
    build(&dhow, &folder, "type=image,name=y,store=false");
    build(&dhow, &folder, "type=cacheonly");
    // An output that fails leaves nothing either.
    fs::write(dhow.folder().join("file"), "").unwrap();
    let dest = dhow.folder().join("file/x");
    dhow.fails(["build", "-o", &format!("type=local,dest={}", dest.display()), text(&folder)]);
    assert_eq!(dhow.ok(["images", "-aq"]), "");
    Dhow::new().ok(["pull", "-q", &name]);
}

#[test]
fn an_image_is_unpacked_when_asked() {
    let registry = need!(Registry::start());
    let (dhow, folder) = site();
    let base = registry.image("base:1");
    build(&dhow, &folder, &format!("type=registry,name={base}"));
    let (dhow, folder) = site();
    fs::write(folder.join("Dockerfile"), format!("FROM {base}\nENV B=2\n")).unwrap();
    let unpacked = || {
        let find = Command::new("find").arg(dhow.store().join("layers")).args(["-path", "*/fs/app/a"]).output();
        !find.expect("find runs").stdout.is_empty()
    };
    build(&dhow, &folder, "type=image,name=x");
    assert!(!unpacked(), "a base stays in its registry until somebody needs it");
    build(&dhow, &folder, "type=image,name=x,unpack=true");
    assert!(unpacked());
}

#[test]
fn an_image_gets_its_digest_for_a_name() {
    let (dhow, folder) = site();
    build(&dhow, &folder, "type=image,name=x:1,name-canonical=true,dangling-name-prefix=dangling");
    let digests = |name: &str| dhow.ok(["inspect", "-f", "{{json .RepoDigests}}", name]);
    let names: Vec<String> = serde_json::from_str(&digests("x:1")).expect("JSON");
    let [dangling, canonical] = &names[..] else { panic!("{names:?}") };
    assert!(dangling.starts_with("dangling@sha256:") && canonical.starts_with("x@sha256:"), "{names:?}");
    for name in [dangling, canonical] {
        assert!(digests(name).contains("x@sha256:"), "{name}");
    }
    build(&dhow, &folder, "type=image,name=y:1,dangling-name-prefix=none,danging-name-empty-only=true");
    build(&dhow, &folder, "type=image,dangling-name-prefix=only,danging-name-empty-only=true");
    let all = digests("y:1");
    assert!(!all.contains("none@") && all.contains("only@sha256:"), "{all}");
    let error = dhow.fails(["build", "-o", "type=registry,name=r.example/x,dangling-name-prefix=x", text(&folder)]);
    assert!(error.contains("leave it out"), "{error}");
    let error = dhow.fails(["build", "-o", "type=image,dangling-name-prefix=x:1", text(&folder)]);
    assert!(error.contains("without a tag"), "{error}");
}

#[test]
fn layers_have_the_form_and_the_level_that_was_asked_for() {
    let (dhow, folder) = site();
    for (keys, expected) in [
        ("", "tar+gzip"),
        (",compression=zstd", "tar+zstd"),
        (",compression=zstd,compression-level=19", "tar+zstd"),
        (",compression=uncompressed,force-compression=true", "tar"),
        (",compression=gzip,force-compression", "tar+gzip"),
    ] {
        // Each in a store that has no blob yet.
        let there = Dhow::new();
        assert_eq!(media_types(&manifest(&there, &folder, keys)), [expected], "{keys}");
    }
    for (form, levels) in [("gzip", [1, 9]), ("zstd", [1, 19])] {
        let size = |level: u32| {
            let keys = format!(",compression={form},compression-level={level}");
            manifest(&dhow, &folder, &keys)["layers"][0]["size"].as_u64().expect("a size")
        };
        let [fast, best] = levels.map(size);
        assert!(best < fast, "{form}: {best} {fast}");
    }
}

#[test]
fn layers_of_a_base_are_converted_only_by_force() {
    let registry = need!(Registry::start());
    let (dhow, folder) = site();
    let base = registry.image("base:1");
    build(&dhow, &folder, &format!("type=registry,name={base}"));
    let there = Dhow::new();
    fs::write(folder.join("Dockerfile"), format!("FROM {base}\nCOPY Dockerfile /d\n")).unwrap();
    let kept = manifest(&there, &folder, ",compression=zstd");
    assert_eq!(media_types(&kept), ["tar+gzip", "tar+zstd"]);
    let converted = manifest(&there, &folder, ",compression=zstd,force-compression=true");
    assert_eq!(media_types(&converted), ["tar+zstd", "tar+zstd"]);
    // The other form goes to a registry, too.
    let name = registry.image("converted:1");
    build(&there, &folder, &format!("type=registry,name={name},compression=zstd,force-compression=true"));
    Dhow::new().ok(["pull", "-q", &name]);
    assert!(registry.blobs().iter().any(|blob| fs::read(blob).expect("a blob").starts_with(&[0x28, 0xb5, 0x2f, 0xfd])));
}

#[test]
fn media_types_are_dockers_where_asked() {
    let (dhow, folder) = site();
    let docker = manifest(&dhow, &folder, ",oci-mediatypes=false");
    assert_eq!(docker["mediaType"], "application/vnd.docker.distribution.manifest.v2+json");
    assert_eq!(docker["layers"][0]["mediaType"], "application/vnd.docker.image.rootfs.diff.tar.gzip");
    assert_eq!(docker["config"]["mediaType"], "application/vnd.docker.container.image.v1+json");
    for keys in ["compression=zstd", "annotation.a=b"] {
        let error = dhow.fails(["build", "-o", &format!("type=image,oci-mediatypes=false,{keys}"), text(&folder)]);
        assert!(error.contains("leave out `oci-mediatypes=false`"), "{error}");
    }
    let layout = dhow.folder().join("several");
    let output = format!("type=oci,tar=false,dest={},oci-mediatypes=false", layout.display());
    dhow.ok(["build", "-q", "--platform", "linux/amd64,linux/arm64", "-o", &output, text(&folder)]);
    let entry = json(&layout.join("index.json"))["manifests"][0].clone();
    assert_eq!(entry["mediaType"], "application/vnd.docker.distribution.manifest.list.v2+json");
}

#[test]
fn times_of_files_are_rewritten_unless_told_otherwise() {
    let (dhow, folder) = site();
    let times = |key: &str| {
        let tar = dhow.folder().join("files.tar");
        let output = format!("type=tar,dest={}{key}", tar.display());
        let mut command = dhow.command(["build", "-q", "-o", &output, text(&folder)]);
        assert!(command.env("SOURCE_DATE_EPOCH", "86400").output().expect("dhow starts").status.success());
        let listed = Command::new("tar").arg("-tvf").arg(&tar).env("TZ", "UTC").output().expect("tar runs");
        String::from_utf8_lossy(&listed.stdout).into_owned()
    };
    assert_eq!(times("").matches("1970-01-02").count(), 2);
    assert_eq!(times(",rewrite-timestamp=true").matches("1970-01-02").count(), 2);
    assert!(!times(",rewrite-timestamp=false").contains("1970-01-02"));
    let two = ["-o", "type=image,rewrite-timestamp=true", "-o", "type=tar,dest=x,rewrite-timestamp=false"];
    let error = dhow.fails([&["build"], &two[..], &[text(&folder)]].concat());
    assert!(error.contains("rewrite-timestamp"), "{error}");
}

#[test]
fn a_directory_keeps_or_loses_what_else_is_in_it() {
    let (dhow, folder) = site();
    let dest = dhow.folder().join("out");
    fs::create_dir_all(dest.join("old/deep")).unwrap();
    fs::write(dest.join("app"), "a file in the way of a directory").unwrap();
    let local = |keys: &str| build(&dhow, &folder, &format!("type=local,dest={}{keys}", dest.display()));
    local("");
    assert!(dest.join("app/a").is_file() && dest.join("old/deep").is_dir());
    local(",mode=copy");
    assert!(dest.join("old/deep").is_dir());
    local(",mode=delete");
    assert!(dest.join("app/a").is_file() && !dest.join("old").exists());
    local(",platform-split=true");
    let names: Vec<_> = fs::read_dir(&dest).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.iter().any(|name| name.to_string_lossy().starts_with("linux_")), "{names:?}");
}

#[test]
fn a_name_of_an_output_goes_before_those_of_the_build() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let folder = context(&dhow, "site", &[("Dockerfile", "FROM busybox\nENV A=1\n")]);
    dhow.ok(["build", "-t", "typed", "-o", "type=image,\"name=one:1,two:2\"", "-o", "type=docker", text(&folder)]);
    for name in ["one:1", "two:2", "typed"] {
        assert_eq!(dhow.ok(["images", "-q", name]).lines().count(), 1, "{name}");
    }
}
