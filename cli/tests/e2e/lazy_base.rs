//! A base that is only in a registry: its layers come when a step has to see their files, and not before.

use std::path::Path;

use crate::context::{busybox_tar, context, import_busybox, text};
use crate::dhow::Dhow;
use crate::registry::Registry;
use crate::skip::need;

/// A registry with a base of two layers, `base:1`.
fn filled() -> Result<(Registry, Dhow, String), String> {
    let registry = Registry::start()?;
    let writer = Dhow::new();
    import_busybox(&writer)?;
    let name = registry.image("team/base:1");
    let dockerfile = "FROM scratch\nADD busybox.tar /\nCOPY Dockerfile /etc/made-from\n";
    let folder = context(&writer, "base", &[("Dockerfile", dockerfile)]);
    busybox_tar(&folder);
    writer.ok(["build", "-q", "-t", &name, text(&folder)]);
    writer.ok(["push", &name]);
    registry.requests();
    Ok((registry, writer, name))
}

fn fetched_layers(requests: &[String]) -> usize {
    // A config is a blob too: one for each image.
    requests
        .iter()
        .filter(|request| request.starts_with("GET") && request.contains("/blobs/"))
        .count()
        .saturating_sub(1)
}

fn build(dhow: &Dhow, folder: &Path, name: &str) {
    dhow.ok(["build", "-q", "-t", name, text(folder)]);
}

#[test]
fn a_build_without_run_moves_only_its_own_layer() {
    let (registry, _writer, base) = need!(filled());
    for (number, (copy, name)) in [
        ("COPY file /app/", "plain"),
        ("COPY --link file /usr/bin/", "link"),
        ("WORKDIR /app\nCOPY . .", "workdir"),
        ("COPY file /usr/local/bin/tool", "local"),
    ]
    .into_iter()
    .enumerate()
    {
        let dhow = Dhow::new();
        let dockerfile = format!("FROM {base}\n{copy}\nENV A=1\nCMD [\"/app/file\"]\n");
        let folder = context(&dhow, "app", &[("Dockerfile", &dockerfile), ("file", &format!("content {number}"))]);
        let image = registry.image(&format!("team/{name}:1"));
        build(&dhow, &folder, &image);
        let requests = registry.requests();
        assert_eq!(fetched_layers(&requests), 0, "{requests:#?}");
        dhow.ok(["push", &image]);
        let requests = registry.requests();
        assert_eq!(fetched_layers(&requests), 0, "{requests:#?}");
        let mounts = requests.iter().filter(|request| request.contains("mount=sha256")).count();
        assert_eq!(mounts, 2, "{requests:#?}");

        // The registry's image is whole.
        let reader = Dhow::new();
        import_busybox(&reader).expect("it was there before");
        let path = match name {
            "link" => "/usr/bin/file",
            "local" => "/usr/local/bin/tool",
            _ => "/app/file",
        };
        let said = reader.ok(["run", "--rm", &image, "cat", path]);
        assert_eq!(said, format!("content {number}"));
        registry.requests();
    }
}

#[test]
fn a_blind_copy_makes_the_layer_that_a_seeing_one_makes() {
    let (registry, writer, base) = need!(filled());
    let dockerfile = format!("FROM {base}\nWORKDIR /app/deep\nCOPY --chown=7:8 . /app/\nCOPY file /app/deep/x\n");
    let files = [("Dockerfile", dockerfile.as_str()), ("file", "content"), ("dir/other", "more")];
    let listing = |dhow: &Dhow| {
        let folder = context(dhow, "app", &files);
        dhow.ok(["build", "-q", "-t", "made", text(&folder)]);
        let tar = dhow.folder().join("made.tar");
        dhow.ok(["save", "-o", text(&tar), "made"]);
        dhow.ok(["run", "--rm", "made", "find", "/app", "-exec", "stat", "-c", "%A %u:%g %n", "{}", ";"])
    };
    let blind = Dhow::new();
    let (seen, unseen) = (listing(&writer), listing(&blind));
    assert_eq!(seen, unseen);
    assert!(seen.contains("-rw-r--r-- 7:8 /app/dir/other"), "{seen}");
    assert!(!registry.requests().is_empty());
}

#[test]
fn what_has_to_be_seen_is_fetched_when_it_has_to_be() {
    let (registry, _writer, base) = need!(filled());
    for step in ["RUN test -e /bin/sh", "COPY Dockerfile /etc/", "COPY --chown=nobody Dockerfile /app/"] {
        let dhow = Dhow::new();
        let folder = context(&dhow, "app", &[("Dockerfile", &format!("FROM {base}\n{step}\n"))]);
        build(&dhow, &folder, "made");
        let requests = registry.requests();
        assert_eq!(fetched_layers(&requests), 2, "{step}: {requests:#?}");
    }
    // The dates of /usr and /usr/local are the base's wherever it is built.
    let dhow = Dhow::new();
    let folder =
        context(&dhow, "app", &[("Dockerfile", &format!("FROM {base}\nCOPY Dockerfile /usr/local/bin/tool\n"))]);
    dhow.ok(["build", "-q", "--build-arg", "SOURCE_DATE_EPOCH=1700000000", "-t", "made", text(&folder)]);
    let requests = registry.requests();
    assert_eq!(fetched_layers(&requests), 2, "{requests:#?}");
}

#[test]
fn a_cached_build_asks_for_manifests_or_for_nothing() {
    let (registry, _writer, base) = need!(filled());
    let dhow = Dhow::new();
    let folder = context(&dhow, "app", &[("Dockerfile", &format!("FROM {base}\nCOPY Dockerfile /app/\n"))]);
    build(&dhow, &folder, "made");
    registry.requests();
    build(&dhow, &folder, "made");
    assert_eq!(registry.requests(), Vec::<String>::new(), "the base is resolved");
    dhow.ok(["build", "-q", "--pull", text(&folder)]);
    let requests = registry.requests();
    assert!(!requests.is_empty() && requests.iter().all(|request| request.contains("/manifests/")), "{requests:#?}");
    // The layers are still in the registry: whoever needs them gets them.
    let said = dhow.ok(["run", "--rm", "made", "cat", "/etc/made-from"]);
    assert!(said.contains("busybox.tar"), "{said}");
    assert_eq!(fetched_layers(&registry.requests()), 1, "two layers, the config was here");
}

#[test]
fn a_copy_onto_an_image_that_was_imported_sees_it() {
    let registry = need!(Registry::start());
    let writer = Dhow::new();
    need!(import_busybox(&writer));
    let name = registry.image("team/imported:1");
    // Not as a step of a Dockerfile: what an export, or a squash, leaves of one.
    let root = writer.folder().join("root");
    std::fs::create_dir_all(root.join("app")).expect("a folder");
    std::fs::set_permissions(root.join("app"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("a mode");
    writer.ok(["import", text(&root), &name]);
    writer.ok(["push", &name]);
    let dhow = Dhow::new();
    let folder = context(&dhow, "app", &[("Dockerfile", &format!("FROM {name}\nCOPY Dockerfile /app/\n"))]);
    let copied = dhow.folder().join("out");
    dhow.ok(["build", "-q", "-o", text(&copied), text(&folder)]);
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(copied.join("app")).expect("it").permissions());
    assert_eq!(mode & 0o777, 0o700);
}
