//! `SOURCE_DATE_EPOCH`: what gives the date, and what the steps and the image see of it.

mod common;

use std::fs::File;
use std::time::{Duration, UNIX_EPOCH};

use common::{Site, WebFile, chain};
use dhow_builder::plan::ContextKind;
use dhow_builder::{ContextDate, Event};
use dhow_layer_store::oci::Digest;
use dhow_layer_store::{EntryKind, TarEntry, TarWriter, Timestamp};

const FILE: &str = "https://example.com/src.tar";
const REPOSITORY: &str = "https://example.com/src.git";

/// The lines of the history and the date that all of it has.
fn built(site: &Site, dockerfile: &str) -> (Vec<String>, Option<String>) {
    let image = site.build(dockerfile);
    let config = site.config(&image);
    let date = config.created.clone().filter(|date| !date.starts_with("202"));
    if date.is_some() {
        assert!(config.history.iter().all(|entry| entry.created == date), "{:?}", config.history);
    }
    (config.history.into_iter().filter_map(|entry| entry.created_by).collect(), date)
}

fn warnings(site: &Site) -> String {
    let events = site.events.lock().unwrap();
    let texts = events.iter().filter_map(|event| match event {
        Event::Warning { text } => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

fn serve(site: &Site, url: &str, file: WebFile) {
    site.files.lock().unwrap().insert(url.to_owned(), file);
}

fn archive(seconds: i64) -> Vec<u8> {
    let mut tar = TarWriter::new(Vec::new());
    for (name, kind, seconds) in
        [("a", EntryKind::Regular, 5), ("b", EntryKind::Regular, seconds), ("d", EntryKind::Directory, 9_000_000)]
    {
        let mtime = Timestamp { seconds, nanoseconds: 0 };
        tar.append(&TarEntry { mtime, ..TarEntry::new(name, kind, 0o644) }, &mut std::io::empty()).unwrap();
    }
    tar.finish().unwrap()
}

/// What follows the `ARG` that names a date.
const REST: &str = "FROM scratch\nARG SOURCE_DATE_EPOCH\nCOPY file /\n";

#[test]
fn numbers_of_the_caller_go_before_those_of_the_file() {
    let mut site = Site::new();
    site.write("file", "x");
    let dockerfile = format!("ARG SOURCE_DATE_EPOCH=86400\n{REST}");
    let date = |day: &str| Some(format!("1970-01-{day}T00:00:00Z"));
    let (history, found) = built(&site, &dockerfile);
    assert_eq!((history[0].as_str(), found), ("ARG SOURCE_DATE_EPOCH=86400", date("02")));
    site.options.build_args.insert("SOURCE_DATE_EPOCH".to_owned(), "172800".to_owned());
    let (history, found) = built(&site, &dockerfile);
    assert_eq!((history[0].as_str(), found), ("ARG SOURCE_DATE_EPOCH=172800", date("03")));
    // Nothing at all takes the file's value away.
    site.options.build_args.insert("SOURCE_DATE_EPOCH".to_owned(), String::new());
    let (history, found) = built(&site, &dockerfile);
    assert_eq!((history[0].as_str(), found), ("ARG SOURCE_DATE_EPOCH", None));
    assert_eq!(warnings(&site), "");
}

#[test]
fn a_context_has_the_date_that_it_came_with() {
    let mut site = Site::new();
    let file = site.write("file", "x");
    site.write("old", "x");
    File::open(file).unwrap().set_modified(UNIX_EPOCH + Duration::from_secs(4_000_000_000)).unwrap();
    let dockerfile = format!("ARG SOURCE_DATE_EPOCH=context\n{REST}");
    for (date, expected) in [
        (ContextDate::Seconds(86_400), Some(("1970-01-02T00:00:00Z", "86400"))),
        (ContextDate::NewestFile, Some(("2096-10-02T07:06:40Z", "4000000000"))),
        (ContextDate::None, None),
    ] {
        site.dates.insert("context".to_owned(), date);
        let image = site.build(&dockerfile);
        let config = site.config(&image);
        let line = config.history[0].created_by.clone().unwrap();
        match expected {
            Some((date, seconds)) => {
                assert_eq!(config.created.as_deref(), Some(date));
                assert_eq!(line, format!("ARG SOURCE_DATE_EPOCH={seconds}"));
                assert_eq!(warnings(&site), "");
            }
            None => {
                assert!(config.created.unwrap().starts_with("20"));
                assert_eq!(line, "ARG SOURCE_DATE_EPOCH");
                assert!(warnings(&site).contains("the context has no date of its own"), "{}", warnings(&site));
            }
        }
    }
}

#[test]
fn what_the_caller_names_becomes_a_date_too() {
    let mut site = Site::new();
    site.write("file", "x");
    site.options.build_args.insert("SOURCE_DATE_EPOCH".to_owned(), "context".to_owned());
    site.dates.insert("context".to_owned(), ContextDate::Seconds(86_400));
    for dockerfile in [REST.to_owned(), format!("ARG SOURCE_DATE_EPOCH=5\n{REST}")] {
        let (history, date) = built(&site, &dockerfile);
        assert_eq!(history[0], "ARG SOURCE_DATE_EPOCH=86400");
        assert_eq!(date.as_deref(), Some("1970-01-02T00:00:00Z"));
    }
    site.dates.clear();
    let (history, date) = built(&site, &format!("ARG SOURCE_DATE_EPOCH=5\n{REST}"));
    assert_eq!((history[0].as_str(), date), ("ARG SOURCE_DATE_EPOCH", None));
}

#[test]
fn named_contexts_and_stages_have_dates() {
    let mut site = Site::new();
    site.write("file", "x");
    site.write("src.tar", archive(86_400));
    site.contexts.insert("src".to_owned(), site.context.path().to_owned());
    let date = Some("1970-01-02T00:00:00Z".to_owned());
    let dated = WebFile { modified: Some(UNIX_EPOCH + Duration::from_secs(86_400)), ..WebFile::default() };
    serve(&site, "https://example.com/dated", dated);
    serve(&site, FILE, WebFile { content: archive(86_400), ..WebFile::default() });
    serve(&site, REPOSITORY, WebFile { content: b"86400".to_vec(), ..WebFile::default() });
    let stage = |source: &str| format!("ARG SOURCE_DATE_EPOCH=Src\nFROM scratch AS src\n{source}\n{REST}");
    for source in [
        "ADD https://example.com/dated /",
        &format!("ARG url={FILE}\nADD $url /"),
        &format!("ADD --checksum={} {FILE} /", Digest::of(&archive(86_400))),
        &format!("ADD {REPOSITORY}#main /"),
    ] {
        let (history, found) = built(&site, &stage(source));
        assert_eq!((history[0].as_str(), &found), ("ARG SOURCE_DATE_EPOCH=86400", &date), "{source}");
    }
    let error = chain(&site.fail(&stage(&format!("ADD --checksum={} {FILE} /", Digest::of(b"other")))));
    assert!(error.contains("instead of"), "{error}");
    let error = chain(&site.fail(&stage(&format!("ADD --checksum=77 {REPOSITORY} /"))));
    assert!(error.contains("instead of `77`"), "{error}");

    // A name of the command line goes before a stage.
    site.options.named_contexts.insert("src".to_owned(), ContextKind::Files);
    let named = format!("ARG SOURCE_DATE_EPOCH=src\n{REST}");
    for (given, expected) in [
        (ContextDate::Seconds(86_400), &date),
        (ContextDate::NewestEntry("src.tar".into()), &date),
        (ContextDate::NewestEntry("file".into()), &None),
    ] {
        site.dates.insert("src".to_owned(), given);
        assert_eq!(&built(&site, &named).1, expected);
    }
    assert!(warnings(&site).contains("the context `src` has no date"), "{}", warnings(&site));
    site.options.named_contexts.insert("src".to_owned(), ContextKind::Scratch);
    assert_eq!(built(&site, &named).1, None);
}

#[test]
fn what_has_no_date_is_told_with_all_else_that_is_wrong() {
    let site = Site::new();
    let error = site.fail("ARG SOURCE_DATE_EPOCH=soon\nFROM scratch\nCOPY --from=9 a /\n");
    let dhow_builder::BuildError::Dockerfile(found) = error else { panic!("{error:?}") };
    let codes: Vec<&str> = found.iter().map(|diagnostic| diagnostic.code).collect();
    assert!(codes.contains(&"invalid-epoch") && codes.contains(&"unknown-stage"), "{codes:?}");
}
