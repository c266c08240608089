//! Named contexts: what `--build-context` puts in the place of stages, images and `--from`.

mod common;

use std::fs;
use std::path::PathBuf;

use common::{Site, can_run, chain};
use dhow_builder::plan::ContextKind;
use tempfile::TempDir;

/// A site with a directory for the name `extra`.
fn site() -> (Site, TempDir) {
    let mut site = Site::new();
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("dir")).unwrap();
    fs::write(folder.path().join("dir/file"), "from extra").unwrap();
    fs::write(folder.path().join("top"), "top").unwrap();
    site.contexts.insert("extra".to_owned(), PathBuf::from(folder.path()));
    name(&mut site, "extra", ContextKind::Files);
    (site, folder)
}

fn name(site: &mut Site, name: &str, kind: ContextKind) {
    site.options.named_contexts.insert(name.to_owned(), kind);
}

#[test]
fn files_are_copied_mounted_and_built_from() {
    let (site, folder) = site();
    let copied = site.build("FROM scratch\nCOPY --from=extra dir/ /x/\n");
    assert_eq!(site.files(&copied, "/"), "/ 755 0:0 /\n/x 755 0:0 /\n/x/file 644 0:0 from extra");
    let based = site.build("FROM extra\nCOPY --from=extra top /again\n");
    let files = site.files(&based, "/");
    assert!(files.contains("/dir/file 644 0:0 from extra") && files.contains("/again"), "{files}");
    let image = site.store.image(&based).unwrap();
    assert!(site.store.validate(&based).unwrap().is_empty());
    assert_eq!(image.layers.len(), 2);
    // Only what is copied counts.
    fs::write(folder.path().join("top"), "changed").unwrap();
    site.build("FROM scratch\nCOPY --from=extra dir/ /x/\n");
    assert_eq!(site.steps(), ["COPY --from=extra dir/ /x/: cached"]);
    fs::write(folder.path().join("dir/file"), "other").unwrap();
    site.build("FROM scratch\nCOPY --from=extra dir/ /x/\n");
    assert_eq!(site.steps(), ["COPY --from=extra dir/ /x/: ran"]);
    if can_run() {
        let run = "FROM busybox\nRUN --mount=type=bind,from=extra,source=dir,target=/m cat /m/file > /out\n";
        let mounted = site.build(run);
        assert!(site.files(&mounted, "/out").ends_with("other"));
        fs::write(folder.path().join("dir/file"), "third").unwrap();
        assert!(site.files(&site.build(run), "/out").ends_with("third"));
    }
}

#[test]
fn a_context_takes_the_place_of_a_stage_an_image_and_a_from() {
    let (mut site, _folder) = site();
    let dockerfile = "FROM scratch AS one\nCOPY nowhere /\n\nFROM extra AS two\nFROM scratch\nCOPY --from=one top /1\n\
                      COPY --from=two top /2\nCOPY --from=registry.example/tools:latest top /3\n";
    site.contexts.insert("one".to_owned(), site.contexts["extra"].clone());
    name(&mut site, "one", ContextKind::Files);
    site.contexts.insert("registry.example/tools".to_owned(), site.contexts["extra"].clone());
    name(&mut site, "registry.example/tools", ContextKind::Files);
    let image = site.build(dockerfile);
    let files = site.files(&image, "/");
    assert_eq!(files, "/ 755 0:0 /\n/1 644 0:0 top\n/2 644 0:0 top\n/3 644 0:0 top");
}

#[test]
fn images_stages_and_nothing_can_stand_for_a_name() {
    let (mut site, _folder) = site();
    site.write("file", "content");
    let made = site.build("FROM scratch\nCOPY file /made\nENV MADE=1\n");
    site.name("made", &made);
    for (kind, expected) in [
        (ContextKind::Image("made".parse().unwrap()), "/made"),
        (ContextKind::OwnImage, "/made"),
        (ContextKind::Stage("other".to_owned()), "/other"),
        (ContextKind::Scratch, "/ "),
    ] {
        if kind == ContextKind::OwnImage {
            site.name("base", &made);
        }
        name(&mut site, "base", kind.clone());
        let image = site.build("FROM scratch AS other\nCOPY file /other\nFROM base\nLABEL a=b\n");
        assert!(site.files(&image, "/").contains(expected), "{kind:?}");
        let has_env = site.config(&image).config.env.iter().any(|variable| variable == "MADE=1");
        assert_eq!(has_env, expected == "/made", "{kind:?}");
    }
}

#[test]
fn what_cannot_be_is_told_with_its_line() {
    let (mut site, _folder) = site();
    name(&mut site, "base", ContextKind::Stage("later".to_owned()));
    name(&mut site, "lost", ContextKind::Stage("nowhere".to_owned()));
    name(&mut site, "gone", ContextKind::Files);
    for (dockerfile, expected) in [
        ("FROM base AS first\nFROM first AS later\n", "not above"),
        ("FROM lost\n", "does not exist"),
        ("FROM scratch\nCOPY --from=gone a /\n", "cannot open the build context `gone`"),
    ] {
        let error = site.fail(dockerfile);
        let text = match &error {
            dhow_builder::BuildError::Dockerfile(findings) => findings[0].message.clone(),
            error => chain(error),
        };
        assert!(text.contains(expected), "{dockerfile}: {text}");
    }
}
