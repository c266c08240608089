//! Images travel between dhow, a real registry, skopeo and podman, and stay the same byte for byte.

use serde_json::Value;

use crate::context::{BUSYBOX, context, import_busybox, text};
use crate::dhow::Dhow;
use crate::peer::{Podman, needs_skopeo, skopeo};
use crate::registry::Registry;
use crate::skip::need;

/// A built image `travel:1` whose command prints `arrived`.
fn build_traveller(dhow: &Dhow) -> Result<(), String> {
    import_busybox(dhow)?;
    let dockerfile = format!(
        "FROM {BUSYBOX}\nRUN mkdir /opt/made && echo arrived > /opt/made/message && ln /opt/made/message /second\n\
         COPY file /opt/\nLABEL kind=traveller\nENV A=b\nCMD [\"/bin/cat\", \"/opt/made/message\"]\n"
    );
    let folder = context(dhow, "traveller", &[("Dockerfile", &dockerfile), ("file", "copied\n")]);
    dhow.ok(["build", "-t", "travel:1", text(&folder)]);
    Ok(())
}

fn inspect(dhow: &Dhow, name: &str) -> Value {
    let json: Value = serde_json::from_str(&dhow.ok(["inspect", name])).expect("JSON");
    json[0].clone()
}

fn id(dhow: &Dhow, name: &str) -> String {
    inspect(dhow, name)["Id"].as_str().expect("an Id").to_owned()
}

fn digest_in_registry(reference: &str) -> String {
    let reference = format!("docker://{reference}");
    let inspected = skopeo(&["inspect", "--tls-verify=false", "--format", "{{.Digest}}", &reference]);
    inspected.trim().to_owned()
}

#[test]
fn pushes_and_pulls_by_tag_and_by_digest() {
    need!(needs_skopeo());
    let registry = need!(Registry::start());
    let dhow = Dhow::new();
    need!(build_traveller(&dhow));
    let before = id(&dhow, "travel:1");
    let remote = registry.image("team/travel:1");
    dhow.ok(["tag", "travel:1", &remote]);
    dhow.ok(["push", &remote]);
    let digest = digest_in_registry(&remote);
    let repository = registry.image("team/travel");
    let by_digest = format!("{repository}@{digest}");
    let digests = inspect(&dhow, &remote)["RepoDigests"].clone();
    assert!(
        digests.as_array().is_some_and(|list| list.iter().any(|d| *d == by_digest.as_str())),
        "`{by_digest}` is not in {digests}"
    );

    dhow.ok(["rmi", "-f", &before]);
    assert_eq!(dhow.ok(["images", "-q", &repository]), "");
    dhow.ok(["pull", &remote]);
    assert_eq!(id(&dhow, &remote), before);
    assert_eq!(dhow.ok(["run", "--rm", &remote]), "arrived\n");

    dhow.ok(["rmi", "-f", &before]);
    dhow.ok(["pull", &by_digest]);
    assert_eq!(id(&dhow, &by_digest), before);
}

#[test]
fn a_second_push_sends_no_blob_again() {
    let registry = need!(Registry::start());
    let dhow = Dhow::new();
    need!(build_traveller(&dhow));
    let first = registry.image("first:1");
    dhow.ok(["tag", "travel:1", &first]);
    dhow.ok(["push", &first]);
    let times = |registry: &Registry| -> Vec<_> {
        let modified = |path| std::fs::metadata(path).and_then(|m| m.modified()).expect("a time");
        registry.blobs().into_iter().map(modified).collect()
    };
    let before = times(&registry);
    let second = registry.image("second:1");
    dhow.ok(["tag", "travel:1", &second]);
    dhow.ok(["push", &second]);
    dhow.ok(["push", &first]);
    assert_eq!(times(&registry).len(), before.len(), "the same blobs under another name");
}

#[test]
fn skopeo_reads_what_was_saved() {
    need!(needs_skopeo());
    let dhow = Dhow::new();
    need!(build_traveller(&dhow));
    let archive = dhow.folder().join("saved.tar");
    dhow.ok(["save", "-o", text(&archive), "travel:1"]);
    let id = id(&dhow, "travel:1");
    for transport in ["docker-archive", "oci-archive"] {
        let source = format!("{transport}:{}", text(&archive));
        let config: Value = serde_json::from_str(&skopeo(&["inspect", "--config", &source])).expect("JSON");
        assert_eq!(config["config"]["Labels"]["kind"], "traveller", "{transport}");
        let copy = dhow.folder().join(transport);
        // Into a plain folder, as anything else would have skopeo convert the config.
        skopeo(&["copy", "--quiet", &source, &format!("dir:{}", text(&copy))]);
        let raw = std::fs::read(copy.join("manifest.json")).expect("a manifest");
        let manifest: Value = serde_json::from_slice(&raw).expect("JSON");
        assert_eq!(manifest["config"]["digest"], id.as_str(), "{transport}: the image id");
    }
}

#[test]
fn loads_what_skopeo_wrote() {
    need!(needs_skopeo());
    let registry = need!(Registry::start());
    let dhow = Dhow::new();
    need!(build_traveller(&dhow));
    let before = id(&dhow, "travel:1");
    let remote = registry.image("travel:1");
    dhow.ok(["tag", "travel:1", &remote]);
    dhow.ok(["push", &remote]);
    for (transport, name) in [("docker-archive", ":back:1"), ("oci-archive", ":back:1")] {
        let other = Dhow::new();
        let archive = other.folder().join("archive.tar");
        let target = format!("{transport}:{}{name}", text(&archive));
        skopeo(&["copy", "--quiet", "--src-tls-verify=false", &format!("docker://{remote}"), &target]);
        let loaded = other.ok(["load", "-i", text(&archive)]);
        assert!(loaded.contains("Loaded image"), "{transport}: {loaded}");
        let id_there = other.ok(["images", "-q", "--no-trunc"]);
        assert_eq!(id_there.trim(), before, "{transport}");
        assert_eq!(other.ok(["run", "--rm", &before]), "arrived\n", "{transport}");
    }
}

#[test]
fn loads_compressed_archives_and_standard_input() {
    let dhow = Dhow::new();
    need!(build_traveller(&dhow));
    let archive = dhow.folder().join("saved.tar");
    dhow.ok(["save", "-o", text(&archive), "travel:1"]);
    let before = id(&dhow, "travel:1");
    for (program, extension) in [("gzip", "gz"), ("zstd", "zst")] {
        need!(crate::skip::program(program));
        let packed = dhow.folder().join(format!("saved.tar.{extension}"));
        let script = format!("{program} -q -c < {} > {}", text(&archive), text(&packed));
        assert!(std::process::Command::new("sh").args(["-c", &script]).status().expect("sh runs").success());
        let other = Dhow::new();
        other.ok(["load", "-i", text(&packed)]);
        assert_eq!(id(&other, "travel:1"), before, "{program}");
    }
    let other = Dhow::new();
    let mut command = other.command(["load"]);
    command.stdin(std::fs::File::open(&archive).expect("the archive"));
    assert!(command.status().expect("dhow starts").success());
    assert_eq!(id(&other, "travel:1"), before, "standard input");
}

#[test]
fn podman_loads_and_runs_what_was_saved() {
    let dhow = Dhow::new();
    need!(build_traveller(&dhow));
    let podman = need!(Podman::new(dhow.folder()));
    let archive = dhow.folder().join("saved.tar");
    dhow.ok(["save", "-o", text(&archive), "travel:1"]);
    podman.ok(&["load", "-q", "-i", text(&archive)]);
    assert_eq!(podman.ok(&["run", "--rm", "travel:1"]), "arrived\n");
    let there = podman.ok(&["inspect", "--format", "{{.Id}}", "travel:1"]);
    assert_eq!(format!("sha256:{}", there.trim()), id(&dhow, "travel:1"));
    podman.ok(&["rmi", "-a", "-f"]);
}

#[test]
fn runs_what_podman_built_pushed_and_saved() {
    let registry = need!(Registry::start());
    let dhow = Dhow::new();
    let podman = need!(Podman::new(dhow.folder()));
    need!(crate::skip::program("busybox"));
    let tar = crate::context::busybox_tar(dhow.folder());
    podman.ok(&["import", "-q", "-c", "CMD [\"/bin/cat\", \"/etc/motd\"]", text(&tar), "theirs:1"]);
    let remote = registry.image("theirs:1");
    podman.ok(&["push", "-q", "--tls-verify=false", "theirs:1", &remote]);
    dhow.ok(["pull", &remote]);
    assert_eq!(dhow.ok(["run", "--rm", &remote]), "welcome\n");
    for format in ["docker-archive", "oci-archive"] {
        let other = Dhow::new();
        let archive = other.folder().join("archive.tar");
        podman.ok(&["save", "-q", "--format", format, "-o", text(&archive), "theirs:1"]);
        other.ok(["load", "-i", text(&archive)]);
        let id = other.ok(["images", "-q"]);
        assert_eq!(other.ok(["run", "--rm", id.trim()]), "welcome\n", "{format}");
    }
    podman.ok(&["rmi", "-a", "-f"]);
}
