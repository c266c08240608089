//! Archives written by this crate and by others, whole and damaged.

use std::io::{self, Write};

use proptest::prelude::{ProptestConfig, prop, prop_assert, prop_assert_eq, proptest};
use serde_json::{Value, json};

use super::{Event, Selected, load, save};
use crate::error::{Error, Result};
use crate::oci::{
    Descriptor, DiffId, Digest, ImageConfig, ImageId, Index, Manifest, MediaType, Platform, Raw, Reference,
};
use crate::tarball::{EntryKind, TarEntry, TarReader, TarWriter};
use crate::test_store::TestStore;

fn quiet(_: Event<'_>) {}

/// A tar of regular files, or of links if the content begins with `-> `.
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = TarWriter::new(Vec::new());
    for (name, content) in files {
        let link = content.strip_prefix(b"-> ");
        let kind = link.map_or(EntryKind::Regular, |target| EntryKind::Symlink(target.to_vec()));
        let mut entry = TarEntry::new(*name, kind, 0o644);
        entry.size = content.len() as u64;
        tar.append(&entry, &mut &content[..]).expect("tar");
    }
    tar.finish().expect("tar")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("gzip");
    encoder.finish().expect("gzip")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 1).expect("zstd")
}

fn names(archive: &[u8]) -> Vec<String> {
    let mut tar = TarReader::new(archive);
    let mut names = Vec::new();
    while let Some(entry) = tar.next_entry().expect("tar") {
        names.push(String::from_utf8(entry.path).expect("UTF-8"));
    }
    names
}

fn reference(text: &str) -> Reference {
    text.parse().expect(text)
}

/// A store with an image of two layers: one that has a gzip blob, one with a plain tar.
fn store_with_image() -> (TestStore, ImageId) {
    let store = TestStore::new();
    let lower = tar(&[("etc/os-release", b"ID=none\n")]);
    let blob = store.put_blob(MediaType::DockerLayerGzip, &gzip(&lower)).expect("blob");
    let lower = store.add_blob_layer(DiffId(Digest::of(&lower)), blob).expect("layer");
    let upper = store.put_blob(MediaType::OciLayer, &tar(&[("greeting", b"hello\n")])).expect("blob");
    let upper = store.add_blob_layer(DiffId(upper.digest), upper).expect("layer");
    let image = store.add_image_on(&[lower.id().clone(), upper.id().clone()]);
    (store, image)
}

fn saved(store: &TestStore, images: &[(Vec<Reference>, ImageId)]) -> Vec<u8> {
    let mut out = Vec::new();
    save(store, &selected(images), &mut out, &quiet).expect("save");
    out
}

fn selected(images: &[(Vec<Reference>, ImageId)]) -> Vec<Selected> {
    let one = |(names, image): &(Vec<Reference>, ImageId)| Selected {
        names: names.clone(),
        images: vec![*image],
        index: None,
    };
    images.iter().map(one).collect()
}

fn try_load(archive: &[u8]) -> Result<(TestStore, Vec<super::Loaded>)> {
    let store = TestStore::new();
    let loaded = load(&store, archive, &quiet)?;
    assert!(store.staging_is_empty());
    Ok((store, loaded))
}

#[test]
fn what_was_saved_is_loaded_with_the_same_digests() {
    let (store, image) = store_with_image();
    let other = store.add_empty_image("other");
    let names = vec![reference("a:1"), reference("r.example/b:2")];
    let archive = saved(&store, &[(names.clone(), image), (vec![], other)]);
    assert_eq!(archive, saved(&store, &[(names.clone(), image), (vec![], other)]), "deterministic");

    for wrapped in [archive.clone(), gzip(&archive), zstd(&archive), [gzip(&archive), gzip(b"")].concat()] {
        let (there, loaded) = try_load(&wrapped).expect("load");
        assert_eq!(loaded.iter().map(|loaded| loaded.id).collect::<Vec<_>>(), [image, other]);
        assert_eq!(loaded[0].references, names);
        let listed: Vec<_> = there.references().expect("list").into_iter().map(|(name, _)| name).collect();
        assert_eq!(listed, names);
        let copy = there.image(&image).expect("image");
        assert_eq!(copy.config, store.image(&image).expect("image").config);
        assert_eq!(saved(&there, &[(names.clone(), image), (vec![], other)]), archive, "saved again");
        let again = load(&there, &wrapped[..], &quiet).expect("load again");
        assert_eq!(again, loaded);
    }
}

#[test]
fn an_archive_has_both_tables_and_each_blob_once() {
    let (store, image) = store_with_image();
    let archive = saved(&store, &[(vec![reference("a")], image), (vec![reference("b")], image)]);
    let mut unique = names(&archive);
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), names(&archive).len());
    assert_eq!(names(&archive)[..3], ["oci-layout", "index.json", "manifest.json"]);
    // Two layers, a config and a manifest.
    assert_eq!(unique.len(), 3 + 4);
}

#[test]
fn progress_adds_up() {
    let (store, image) = store_with_image();
    let total = std::sync::atomic::AtomicI64::new(0);
    let count = |event: Event<'_>| {
        let change = match event {
            Event::Started { size, .. } => -(size as i64),
            Event::Advanced { bytes, .. } => bytes as i64,
            _ => 0,
        };
        total.fetch_add(change, std::sync::atomic::Ordering::Relaxed);
    };
    let mut archive = Vec::new();
    save(&store, &selected(&[(vec![], image)]), &mut archive, &count).expect("save");
    load(&TestStore::new(), &archive[..], &count).expect("load");
    assert_eq!(total.into_inner(), 0);
}

/// The members of a docker-archive as Docker before 25 wrote it, with a symbolic link for a layer that is there twice.
fn old_archive() -> Vec<(String, Vec<u8>)> {
    let layer = tar(&[("file", b"content")]);
    let config = config(&[&layer, &layer]);
    let hex = Digest::of(&config).hex();
    let toc = json!([{
        "Config": format!("{hex}.json"),
        "RepoTags": ["old:1", "old:latest"],
        "Layers": ["1111/layer.tar", "2222/layer.tar"],
    }]);
    vec![
        ("1111/VERSION".to_owned(), b"1.0".to_vec()),
        ("1111/json".to_owned(), b"{}".to_vec()),
        ("1111/layer.tar".to_owned(), layer),
        ("2222/layer.tar".to_owned(), b"-> ../1111/layer.tar".to_vec()),
        (format!("{hex}.json"), config),
        ("manifest.json".to_owned(), toc.to_string().into_bytes()),
        ("repositories".to_owned(), b"{}".to_vec()),
    ]
}

fn config(layers: &[&Vec<u8>]) -> Vec<u8> {
    let mut config = ImageConfig::new(&Platform::host());
    config.rootfs.diff_ids = layers.iter().map(|layer| DiffId(Digest::of(layer))).collect();
    Raw::create(config).expect("config").bytes().to_vec()
}

fn pack(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let members: Vec<_> = members.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect();
    tar(&members)
}

#[test]
fn old_docker_archives_are_loaded() {
    let mut members = old_archive();
    members.push(members[2].clone());
    let (store, loaded) = try_load(&pack(&members)).expect("a member that is there twice does no harm");
    assert_eq!(loaded[0].references, [reference("old:1"), reference("old")]);
    let image = store.image(&loaded[0].id).expect("image");
    assert_eq!(image.layers.len(), 2);
    assert_eq!(image.layers[0], image.layers[1]);
    assert_eq!(image.config_descriptor.media_type, MediaType::DockerConfig);
}

/// An OCI layout; `edit` may change the top index.
fn oci_archive(edit: impl Fn(&mut Vec<Descriptor>)) -> Vec<(String, Vec<u8>)> {
    let layer = tar(&[("file", b"content")]);
    let config = config(&[&layer]);
    let layers = vec![Descriptor::of(MediaType::OciLayer, &layer)];
    let manifest = Manifest::oci(Descriptor::of(MediaType::OciConfig, &config), layers);
    let manifest = serde_json::to_vec(&manifest).expect("JSON");
    let mut entries = vec![Descriptor::of(MediaType::OciManifest, &manifest)];
    edit(&mut entries);
    let index = serde_json::to_vec(&Index::oci(entries)).expect("JSON");
    let blob = |bytes: &Vec<u8>| (format!("blobs/sha256/{}", Digest::of(bytes).hex()), bytes.clone());
    vec![
        blob(&config),
        blob(&layer),
        blob(&manifest),
        ("index.json".to_owned(), index),
        ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
    ]
}

#[test]
fn names_of_oci_archives_are_understood() {
    for (key, value, expected) in [
        ("io.containerd.image.name", "docker.io/library/a:1", Some("a:1")),
        ("org.opencontainers.image.ref.name", "localhost/a:1", Some("localhost/a:1")),
        ("org.opencontainers.image.ref.name", "latest", None),
        ("other", "a:1", None),
    ] {
        let annotate = |entries: &mut Vec<Descriptor>| drop(entries[0].annotations.insert(key.into(), value.into()));
        let (_, loaded) = try_load(&pack(&oci_archive(annotate))).expect("load");
        assert_eq!(loaded[0].references, expected.map(reference).into_iter().collect::<Vec<_>>(), "{key}={value}");
    }
}

#[test]
fn of_an_index_what_is_there_is_loaded() {
    let absent = Descriptor::of(MediaType::OciManifest, b"not saved");
    let plain = oci_archive(|_| {});
    let manifest = Descriptor::of(MediaType::OciManifest, &plain[2].1);
    let nested = serde_json::to_vec(&Index::oci(vec![absent.clone(), manifest])).expect("JSON");
    let nested_descriptor = Descriptor::of(MediaType::OciIndex, &nested);
    let mut members = oci_archive(|entries| {
        *entries = vec![nested_descriptor.clone()];
        entries[0].annotations.insert("io.containerd.image.name".into(), "docker.io/me/multi:1".into());
    });
    members.insert(0, (format!("blobs/sha256/{}", nested_descriptor.digest.hex()), nested));
    let (_, loaded) = try_load(&pack(&members)).expect("load");
    assert_eq!((loaded.len(), &loaded[0].references[..]), (1, &[reference("me/multi:1")][..]));

    let only_absent = oci_archive(|entries| *entries = vec![absent.clone()]);
    assert!(try_load(&pack(&only_absent)).is_err());
}

/// Replaces the content of the member whose name ends with `name`.
fn with(mut members: Vec<(String, Vec<u8>)>, name: &str, content: &[u8]) -> Vec<u8> {
    let member = members.iter_mut().find(|(known, _)| known.ends_with(name)).expect(name);
    member.1 = content.to_vec();
    pack(&members)
}

fn without(mut members: Vec<(String, Vec<u8>)>, name: &str) -> Vec<u8> {
    let before = members.len();
    members.retain(|(known, _)| !known.ends_with(name));
    assert!(members.len() < before, "{name}");
    pack(&members)
}

fn and(mut members: Vec<(String, Vec<u8>)>, name: &str, content: &[u8]) -> Vec<u8> {
    members.push((name.to_owned(), content.to_vec()));
    pack(&members)
}

#[test]
fn bad_archives_are_named_and_leave_no_trace() {
    let old = old_archive;
    let oci = || oci_archive(|_| {});
    let layer_name = oci()[1].0.clone();
    let layer = oci()[1].1.clone();
    let damaged_gzip = {
        let mut bytes = gzip(&pack(&old()));
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        bytes
    };
    let unknown_layout = br#"{"imageLayoutVersion":"2.0.0"}"#;
    let wrong_size = oci_archive(|entries| entries[0].size += 1);
    let text = MediaType::Other("text/plain".into());
    let unknown_kind = oci_archive(|entries| entries[0] = Descriptor::of(text.clone(), &oci()[0].1));
    for (archive, message) in [
        (vec![], "the archive is empty"),
        (b"\xfd7zXZ\0\0\0".to_vec(), "compressed with `xz`"),
        (b"BZh91AY&SY".to_vec(), "compressed with `bzip2`"),
        (b"PK\x03\x04....".to_vec(), "compressed with `zip`"),
        (b"no tar at all".repeat(100), "checksum"),
        (pack(&old())[..1000].to_vec(), "cannot read"),
        (gzip(&pack(&old()))[..200].to_vec(), "cannot read"),
        (damaged_gzip, ""),
        (tar(&[("etc/passwd", b"root")]), "neither `manifest.json` nor `index.json`"),
        (tar(&[("repositories", b"{}")]), "before 1.10"),
        (and(old(), "../../etc/passwd", b"x"), "unsafe name"),
        (and(old(), "manifest.json", b"[]"), "two different members named `manifest.json`"),
        (and(old(), "link", b"-> ../../../etc/passwd"), "unsafe name"),
        (with(old(), "manifest.json", b"[{"), "`manifest.json` of the archive is malformed"),
        (with(old(), "manifest.json", b"[]"), "has no image"),
        (without(old(), "1111/layer.tar"), "refers to `1111/layer.tar`"),
        (with(old(), "2222/layer.tar", b"-> ../2222/layer.tar"), "refers to `2222/layer.tar`"),
        (with(old(), "1111/layer.tar", &tar(&[("file", b"C0ntent")])), "should have diff id"),
        (with(old(), "1111/layer.tar", &gzip(&tar(&[("file", b"x")]))), "should have diff id"),
        (with(old(), "1111/layer.tar", &gzip(&[0; 9999])[..30]), "is damaged"),
        (with(old(), "1111/layer.tar", b"\xfd7zXZ\0"), "layer in xz"),
        (with(old(), &old()[4].0, b"{}"), "should have digest"),
        (without(oci(), "oci-layout"), "refers to `oci-layout`"),
        (with(oci(), "oci-layout", unknown_layout), "kind `2.0.0`"),
        (with(oci(), "index.json", b"{}"), "`index.json` of the archive is malformed"),
        (with(oci(), "index.json", br#"{"schemaVersion":2,"manifests":[]}"#), "has no image"),
        (without(oci(), &layer_name), "which the archive does not have"),
        (with(oci(), &layer_name, &tar(&[("file", b"C0ntent")])), "should have digest"),
        (with(oci(), &layer_name, &layer[..512]), "bytes, but has `512`"),
        (pack(&wrong_size), "bytes, but has"),
        (pack(&unknown_kind), "is of kind `text/plain`"),
    ] {
        check_refused(&archive, message);
    }
}

fn check_refused(archive: &[u8], message: &str) {
    let store = TestStore::new();
    let before = store.contents();
    let error = load(&store, archive, &quiet).expect_err(message);
    let text = chain(&error);
    assert!(text.contains(message), "expected `{message}`, got `{text}`");
    assert!(error.hint().is_some(), "no hint for `{text}`");
    assert!(store.staging_is_empty() && store.contents() == before, "{text}");
}

fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}

#[test]
fn a_writer_that_fails_is_reported() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (store, image) = store_with_image();
    let error = save(&store, &selected(&[(vec![], image)]), &mut Full, &quiet).expect_err("full");
    assert_eq!(error.to_string(), "cannot write the archive");
    assert!(error.hint().is_some());
}

#[test]
fn damage_in_the_store_does_not_become_an_archive() {
    let (store, image) = store_with_image();
    let upper = store.image(&image).expect("image").layers[1].clone();
    let blob = store.layer(&upper).expect("layer").blobs().expect("entry")[0].clone();
    let path = store.blob_path(&blob.digest);
    let mut bytes = std::fs::read(&path).expect("blob");
    bytes[600] ^= 1;
    std::fs::write(&path, bytes).expect("damage");
    let result = save(&store, &selected(&[(vec![], image)]), &mut io::sink(), &quiet);
    assert!(matches!(result, Err(Error::DigestMismatch { .. })), "{result:?}");
}

#[test]
fn a_table_of_contents_is_what_docker_writes() {
    let (store, image) = store_with_image();
    let archive = saved(&store, &[(vec![reference("a:1")], image)]);
    let mut tar = TarReader::new(&archive[..]);
    let mut tables = Vec::new();
    while let Some(entry) = tar.next_entry().expect("tar") {
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut tar, &mut bytes).expect("data");
        if !entry.path.starts_with(b"blobs") {
            tables.push(serde_json::from_slice::<Value>(&bytes).expect("JSON"));
        }
    }
    assert_eq!(tables[2][0]["RepoTags"], json!(["a:1"]));
    assert_eq!(tables[2][0]["Config"], format!("blobs/sha256/{}", image.digest().hex()));
    let annotations = &tables[1]["manifests"][0]["annotations"];
    assert_eq!(annotations["io.containerd.image.name"], "docker.io/library/a:1");
    assert_eq!(annotations["org.opencontainers.image.ref.name"], "1");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// Any images, sharing layers and names or not, come out of an archive as they went in.
    #[test]
    fn any_images_make_the_journey(images in prop::collection::vec(
        (prop::collection::vec(0..4_u8, 0..4), prop::collection::vec(0..6_u8, 0..3)), 1..4))
    {
        let store = TestStore::new();
        let mut wanted: Vec<(Vec<Reference>, ImageId)> = Vec::new();
        for (layers, names) in images {
            let layer = |content: &u8| {
                let blob = store.put_blob(MediaType::OciLayer, &tar(&[("file", &[*content])])).expect("blob");
                store.add_blob_layer(DiffId(blob.digest), blob).expect("layer").id().clone()
            };
            let image = store.add_image_on(&layers.iter().map(layer).collect::<Vec<_>>());
            let names = names.iter().map(|name| reference(&format!("r.example/app:{name}")));
            let names: Vec<_> = names.filter(|name| !wanted.iter().any(|(taken, _)| taken.contains(name))).collect();
            wanted.push((names, image));
        }
        let archive = saved(&store, &wanted);
        let (there, _) = try_load(&archive).expect("load");
        for (names, image) in &wanted {
            prop_assert!(there.validate(image).expect("image").is_empty());
            for name in names {
                prop_assert_eq!(there.resolve(name).expect("look-up").map(|target| target.image), Some(*image));
            }
        }
        prop_assert_eq!(saved(&there, &wanted), archive);
    }
}
