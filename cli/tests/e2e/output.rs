//! Where an image goes: `--output` with its types, `--push`, `--metadata-file`; and what shapes it on the way.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::context::{BUSYBOX, context, import_busybox, text};
use crate::dhow::Dhow;
use crate::registry::Registry;
use crate::skip::{self, need};

const DOCKERFILE: &str = "FROM busybox\nCOPY a /app/a\nCOPY b /app/b\nRUN rm /app/a\nCMD [\"cat\", \"/app/b\"]\n";

fn site() -> Result<(Dhow, std::path::PathBuf), String> {
    let dhow = Dhow::new();
    import_busybox(&dhow)?;
    let files = [("Dockerfile", DOCKERFILE), ("a", "first\n"), ("b", "second\n"), ("files", "")];
    let folder = context(&dhow, "site", &files);
    Ok((dhow, folder))
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

/// The manifest that an OCI layout lists first.
fn manifest_of(layout: &Path) -> Value {
    let index = json(&layout.join("index.json"));
    let digest = index["manifests"][0]["digest"].as_str().expect("a digest").to_owned();
    json(&layout.join("blobs/sha256").join(digest.trim_start_matches("sha256:")))
}

#[test]
fn several_outputs_are_made_at_once() {
    let (dhow, folder) = need!(site());
    let at = |name: &str| dhow.folder().join(name);
    let (layout, oci, docker, tar, files) = (at("layout"), at("o.tar"), at("d.tar"), at("f.tar"), at("files"));
    let metadata = at("metadata.json");
    let outputs = [
        format!("type=oci,tar=false,dest={},annotation.a=b,compression=zstd", layout.display()),
        format!("type=oci,dest={}", oci.display()),
        format!("type=docker,dest={}", docker.display()),
        format!("type=tar,dest={}", tar.display()),
        files.display().to_string(),
    ];
    let mut arguments = vec!["build", "-t", "many:1", "--metadata-file", text(&metadata)];
    outputs.iter().for_each(|output| arguments.extend(["-o", output]));
    arguments.push(text(&folder));
    let printed = dhow.ok(&arguments);
    assert!(!printed.contains("tagged"), "{printed}");

    let manifest = manifest_of(&layout);
    assert_eq!(manifest["annotations"]["a"], "b");
    let types: Vec<_> = manifest["layers"].as_array().unwrap().iter().map(|layer| layer["mediaType"].clone()).collect();
    assert!(types.contains(&"application/vnd.oci.image.layer.v1.tar+zstd".into()), "{types:?}");
    assert_eq!(fs::read_to_string(files.join("app/b")).unwrap(), "second\n");
    assert!(!files.join("app/a").exists() && files.join("bin").exists());
    let listed = Command::new("tar").arg("-tf").arg(&tar).output().expect("tar runs");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains("app/b") && !listed.contains(".wh."), "{listed}");
    let built = json(&metadata);
    assert_eq!(built["image.name"], "docker.io/library/many:1");
    assert!(built["containerimage.digest"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(built["containerimage.descriptor"]["digest"], built["containerimage.digest"]);
    assert_ne!(built["containerimage.config.digest"], built["containerimage.digest"]);
    // None of the outputs is the store.
    assert_eq!(dhow.ok(["images", "-q", "many"]), "");
    assert!(!dhow.ok(["images", "-aq"]).contains(&built["containerimage.config.digest"].as_str().unwrap()[7..19]));
    for archive in [&oci, &docker] {
        let there = Dhow::new();
        assert!(there.ok(["load", "-i", text(archive)]).contains("many:1"));
    }
    if skip::root().is_ok() && skip::program("skopeo").is_ok() {
        let inspected = Command::new("skopeo").args(["inspect", &format!("oci:{}", layout.display())]).output();
        assert!(inspected.expect("skopeo runs").status.success());
    }
}

#[test]
fn files_go_to_standard_output() {
    let (dhow, folder) = need!(site());
    let output = dhow.command(["build", "-o", "-", text(&folder)]).output().expect("dhow starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tar = dhow.folder().join("out.tar");
    fs::write(&tar, output.stdout).unwrap();
    let found = Command::new("tar").args(["-xOf", text(&tar), "app/b"]).output().expect("tar runs");
    assert_eq!(found.stdout, b"second\n");
}

#[test]
fn several_names_are_pushed_with_their_annotations() {
    let (dhow, folder) = need!(site());
    let (one, other) = (need!(Registry::start()), need!(Registry::start()));
    let names = [one.image("a/b:1"), one.image("c:2"), other.image("d:3")];
    let metadata = dhow.folder().join("metadata.json");
    let mut arguments = vec!["build", "--push", "--annotation", "org.example.x=y", "--metadata-file", text(&metadata)];
    names.iter().for_each(|name| arguments.extend(["-t", name]));
    arguments.push(text(&folder));
    dhow.ok(&arguments);
    let digest = json(&metadata)["containerimage.digest"].clone();
    for name in &names {
        let there = Dhow::new();
        there.ok(["pull", name]);
        let pulled = there.ok(["inspect", "--format", "{{json .RepoDigests}}", name]);
        assert!(pulled.contains(digest.as_str().unwrap()), "{name}: {pulled}");
    }
    // Pushed later, the name still has the manifest that was wished for.
    assert!(dhow.ok(["push", &names[0]]).contains(digest.as_str().unwrap()));
    let error = dhow.fails(["build", "--push", text(&folder)]);
    assert!(error.contains("no name") && error.contains("--tag"), "{error}");
}

#[test]
fn an_image_is_pushed_by_its_digest_alone() {
    let (dhow, folder) = need!(site());
    let registry = need!(Registry::start());
    let metadata = dhow.folder().join("metadata.json");
    let output = format!("type=image,name={},push-by-digest=true,name-canonical=true,push=true", registry.image("x"));
    dhow.ok(["build", "-q", "-o", &output, "--metadata-file", text(&metadata), text(&folder)]);
    let digest = json(&metadata)["containerimage.digest"].as_str().unwrap().to_owned();
    let there = Dhow::new();
    there.ok(["pull", &format!("{}@{digest}", registry.image("x"))]);
    there.fails(["pull", &registry.image("x:latest")]);
}

#[test]
fn layers_are_squashed_and_the_cache_does_not_know() {
    let (dhow, folder) = need!(site());
    let layers = |options: &[&str]| {
        let built = dhow.ok([&["build", "-t", "s"], options, &[text(&folder)]].concat());
        assert!(built.contains("tagged"), "{built}");
        assert_eq!(dhow.ok(["run", "--rm", "s"]), "second\n", "{options:?}");
        let layers: Value =
            serde_json::from_str(&dhow.ok(["inspect", "--format", "{{json .RootFS.Layers}}", "s"])).unwrap();
        layers.as_array().unwrap().len()
    };
    assert_eq!(layers(&[]), 4);
    assert_eq!(layers(&["--squash"]), 2);
    assert_eq!(layers(&["--squash=all"]), 1);
    let again = dhow.command(["build", "--progress=plain", "--squash=new", text(&folder)]).output().unwrap();
    let log = String::from_utf8_lossy(&again.stderr).into_owned();
    assert_eq!(log.matches("CACHED").count(), 3, "{log}");
}

#[test]
fn what_a_base_hands_down_is_refused() {
    let (dhow, folder) = need!(site());
    fs::write(folder.join("Dockerfile"), "FROM busybox\nENV A=1 B=2\nLABEL x=1\nEXPOSE 80\nCMD [\"sh\"]\n").unwrap();
    dhow.ok(["build", "-t", "parent", text(&folder)]);
    fs::write(folder.join("Dockerfile"), "FROM parent\nENV C=3\nLABEL y=2\n").unwrap();
    let unset = ["--unset", "env=A", "--unset", "label", "--unset", "expose=80", "--unset", "cmd"];
    dhow.ok([&["build", "-t", "child"], &unset[..], &[text(&folder)]].concat());
    let config: Value = serde_json::from_str(&dhow.ok(["inspect", "--format", "{{json .Config}}", "child"])).unwrap();
    let env = config["Env"].to_string();
    assert!(env.contains("B=2") && env.contains("C=3") && !env.contains("A=1"), "{env}");
    assert_eq!(config["Labels"], serde_json::json!({"y": "2"}));
    assert!(config["ExposedPorts"].as_object().is_none_or(serde_json::Map::is_empty), "{config}");
    assert!(config["Cmd"].is_null(), "{config}");
}

#[test]
fn a_build_ends_with_an_account_of_its_bytes() {
    let dhow = Dhow::new();
    need!(skip::root());
    need!(import_busybox(&dhow));
    let dockerfile = format!(
        "FROM {BUSYBOX}
RUN mkdir -p /d/sub; head -c 3000000 /dev/zero > /d/a; ln /d/a /d/link; head -c 2000000 /dev/zero > /d/sub/b
COPY big /d/sub/c
RUN chmod 700 /d/a
RUN chmod -R 700 /d/sub
RUN rm -rf /d && mkdir /d && touch /d/a && rm -rf /bin /usr
"
    );
    let folder = context(&dhow, "big", &[("Dockerfile", dockerfile.as_str()), ("big", &"x".repeat(1_000_000))]);
    let build = |options: &[&str]| {
        let output = dhow.command([&["build"], options, &[text(&folder)]].concat()).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, log) = build(&[]);
    assert_eq!(code, Some(0), "{log}");
    // A file with two names is there as long as one of them is, and counts once.
    for words in [
        "2MB of line 2 are deleted or replaced by line 5 (`RUN chmod",
        "1MB of line 3 are deleted or replaced by line 5 (`RUN chmod",
        "3MB of line 2 are deleted or replaced by line 6 (`RUN rm",
        "3MB of line 4 are deleted or replaced by line 6 (`RUN rm",
        "3MB of line 5 are deleted or replaced by line 6 (`RUN rm",
    ] {
        assert!(log.contains(words), "{words}\n{log}");
    }
    let (bytes, _) = log.split_once(" of the base are deleted or replaced by line 6").expect(&log);
    assert!(bytes.ends_with("MB"), "{log}");
    assert_eq!(log.matches("are deleted or replaced by").count(), 6, "{log}");
    assert!(log.contains("/d/a  (line 2)") && log.contains("TIME"), "{log}");
    // A build that executes nothing has nothing to tell.
    assert!(!build(&[]).1.contains("TIME"));
    let (code, log) = build(&["--size-limit", "2m", "-t", "large"]);
    assert_eq!(code, Some(8), "{log}");
    assert!(log.contains("line 2") && log.contains("the limit is 2MB\n"), "{log}");
    assert_eq!(dhow.ok(["images", "-q", "large"]), "");
}
