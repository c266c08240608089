//! `ADD` from the web: what is asked for, what is kept, and what the copy makes of it.

mod common;

use std::time::{Duration, UNIX_EPOCH};

use common::{Site, WebFile, chain};
use dhow_layer_store::oci::Digest;
use dhow_layer_store::{EntryKind, TarEntry, TarWriter};

const URL: &str = "https://me:secret@example.com/files/tool%20one.bin?download=1";

fn serve(site: &Site, content: &str, etag: Option<&str>) {
    let modified = Some(UNIX_EPOCH + Duration::from_secs(1_000_000));
    let file = WebFile { content: content.as_bytes().to_vec(), etag: etag.map(str::to_owned), modified };
    site.files.lock().unwrap().insert(URL.to_owned(), file);
}

fn asked(site: &Site) -> Vec<String> {
    std::mem::take(&mut *site.asked.lock().unwrap())
}

#[test]
fn a_file_lands_with_the_references_mode_and_the_servers_date() {
    let site = Site::new();
    serve(&site, "one", None);
    let image = site.build(&format!("FROM scratch\nADD {URL} /opt/\nADD --chmod=755 {URL} /tool\n"));
    assert_eq!(
        site.files(&image, "/"),
        "/ 755 0:0 /\n/opt 755 0:0 /\n/opt/tool one.bin 600 0:0 one\n/tool 755 0:0 one"
    );
    let view = site.store.view(&site.store.image(&image).unwrap().stack()).unwrap();
    let metadata = view.root().stat("opt/tool one.bin".as_ref()).unwrap().unwrap();
    assert_eq!(metadata.mtime.seconds, 1_000_000);
}

#[test]
fn content_and_not_the_url_decides_whether_a_step_hits() {
    let site = Site::new();
    let dockerfile = format!("FROM scratch\nADD {URL} /x/\n");
    serve(&site, "one", Some("\"a\""));
    let first = site.build(&dockerfile);
    assert_eq!(asked(&site), [URL]);
    assert_eq!(site.build(&dockerfile), first);
    assert_eq!(asked(&site), [format!("{URL} (unchanged)")]);
    // Another tag and the same content.
    serve(&site, "one", Some("\"b\""));
    assert_eq!(site.build(&dockerfile), first);
    assert_eq!(asked(&site), [URL]);
    serve(&site, "two", Some("\"c\""));
    assert_ne!(site.build(&dockerfile), first);
    // No tag at all: it is sent each time.
    serve(&site, "two", None);
    asked(&site);
    site.build(&dockerfile);
    site.build(&dockerfile);
    assert_eq!(asked(&site), [URL, URL]);
}

#[test]
fn a_checksum_is_checked_and_spares_the_question() {
    let site = Site::new();
    serve(&site, "one", Some("\"a\""));
    let (right, wrong) = (Digest::of(b"one"), Digest::of(b"other"));
    let dockerfile = |checksum: &Digest| format!("FROM scratch\nADD --checksum={checksum} {URL} /x\n");
    let error = chain(&site.fail(&dockerfile(&wrong)));
    assert!(error.contains(&right.to_string()) && error.contains(&wrong.to_string()), "{error}");
    asked(&site);
    let image = site.build(&dockerfile(&right));
    assert_eq!(asked(&site), [URL], "what was refused was not kept");
    assert_eq!(site.build(&dockerfile(&right)), image);
    assert_eq!(asked(&site), Vec::<String>::new());
    // What is known has another checksum: the server may have the right one by now.
    serve(&site, "other", Some("\"a\""));
    assert_ne!(site.build(&dockerfile(&wrong)), image);
}

#[test]
fn an_archive_is_unpacked_only_when_asked() {
    let site = Site::new();
    let mut tar = TarWriter::new(Vec::new());
    let entry = TarEntry { size: 4, ..TarEntry::new("in/side", EntryKind::Regular, 0o640) };
    tar.append(&entry, &mut &b"text"[..]).unwrap();
    let content = tar.finish().unwrap();
    let url = "http://example.com/a.tar";
    site.files.lock().unwrap().insert(url.to_owned(), WebFile { content, ..WebFile::default() });
    let image = site.build(&format!("FROM scratch\nADD --unpack=true {url} /u/\nADD {url} /p/\n"));
    let files = site.files(&image, "/");
    assert!(files.contains("/u/in/side 640 0:0 text") && files.contains("/p/a.tar 600"), "{files}");
}

#[test]
fn a_failure_names_the_url_and_the_line_and_keeps_the_secret() {
    let site = Site::new();
    let error = site.fail(&format!("FROM scratch\nADD {URL} /x\n"));
    assert!(error.span().is_some());
    let text = chain(&error);
    let (reported, rest) = text.split_once('\n').unwrap();
    assert!(reported.starts_with("step `") && rest.contains("cannot get `https://example.com/files"), "{text}");
    assert!(!rest.contains("secret") && rest.contains("no such file"), "{text}");
}

#[test]
fn a_repository_is_asked_for_its_commit_and_fetched_once() {
    let site = Site::new();
    let (url, commit) = ("https://example.com/a.git", format!("{:0>40}", "abc"));
    let serve = |content: &str| {
        let file = WebFile { content: content.as_bytes().to_vec(), ..WebFile::default() };
        site.files.lock().unwrap().insert(url.to_owned(), file);
    };
    serve("abc");
    let dockerfile = |flags: &str| format!("FROM scratch\nADD {flags} {url} /x\n");
    let image = site.build(&dockerfile(""));
    assert_eq!(site.files(&image, "/x"), format!("/x 755 0:0 /\n/x/name 644 0:0 {commit}"));
    assert_eq!(asked(&site), [format!("refs of {url}"), format!("files of {url}")]);
    assert_eq!(site.build(&dockerfile("")), image);
    assert_eq!(asked(&site), [format!("refs of {url}")]);
    site.build(&dockerfile(&format!("--checksum={commit}")));
    assert_eq!(asked(&site), Vec::<String>::new());
    let kept = site.build(&dockerfile("--keep-git-dir=true"));
    assert!(site.files(&kept, "/x").contains("/x/.git 755"));
    let error = chain(&site.fail(&dockerfile("--checksum=1234")));
    assert!(error.contains("instead of `1234`"), "{error}");
    serve("def");
    assert_ne!(site.build(&dockerfile("")), image);
}
