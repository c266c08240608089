//! Archives between dhow and its peers, skopeo and podman: each reads what the other wrote, and digests agree.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use dhow_layer_store::archive::{Event, Loaded, Selected, load, save};
use dhow_layer_store::oci::{
    ContainerConfig, DiffId, Digest, History, ImageConfig, ImageId, MediaType, Platform, Raw, Reference,
};
use dhow_layer_store::{EntryKind, Store, StoreOptions, TarEntry, TarWriter};

fn quiet(_: Event<'_>) {}

/// Whether `program` is there; says so if it is not.
fn have(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        #[allow(clippy::print_stderr)]
        {
            eprintln!("SKIP: `{program}` is not installed");
        }
    }
    found
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect(program);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {text}");
    String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
}

fn skopeo_copy(from: &str, to: &str) {
    run("skopeo", &["--insecure-policy", "copy", "--quiet", "--preserve-digests", from, to]);
}

fn podman(home: &Path, arguments: &[&str]) -> String {
    let path = |name: &str| home.join(name).display().to_string();
    let (root, runroot) = (path("root"), path("runroot"));
    let globals = ["--root", &root, "--runroot", &runroot, "--storage-driver", "vfs"];
    run("podman", &[&globals[..], arguments].concat())
}

fn layer_tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut tar = TarWriter::new(Vec::new());
    let mut entry = TarEntry::new(name, EntryKind::Regular, 0o644);
    entry.size = content.len() as u64;
    tar.append(&entry, &mut &content[..]).expect("tar");
    tar.finish().expect("tar")
}

fn open(directory: &Path) -> Store {
    Store::open(directory, StoreOptions::default()).expect("store")
}

/// A store in `home` with an image of a gzip layer and a plain one, named `me/app:1`.
fn store_with_image(home: &Path) -> (Store, ImageId) {
    let store = open(&home.join("store"));
    let lower = layer_tar("lower", b"lower\n");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&lower).expect("gzip");
    let blob = store.put_blob(MediaType::DockerLayerGzip, &gzip.finish().expect("gzip")).expect("blob");
    let upper = layer_tar("upper", &[b'x'; 100_000]);
    let diff_ids = [&lower, &upper].map(|tar| DiffId(Digest::of(tar)));
    let layers = [
        store.add_blob_layer(diff_ids[0], blob).expect("layer"),
        store.add_blob_layer(diff_ids[1], store.put_blob(MediaType::OciLayer, &upper).expect("blob")).expect("layer"),
    ];
    let mut config = ImageConfig::new(&Platform::host());
    config.rootfs.diff_ids = diff_ids.to_vec();
    config.created = Some("2020-01-01T00:00:00Z".to_owned());
    config.config = ContainerConfig { cmd: Some(vec!["/bin/true".to_owned()]), ..ContainerConfig::default() };
    config.history = vec![History::default(), History::default()];
    let config = Raw::create(config).expect("config");
    let ids = layers.map(|layer| layer.id().clone());
    let image = store.add_image(&config, MediaType::OciConfig, &ids, None).expect("image");
    store.tag(&name(), &image, None).expect("tag");
    (store, image)
}

fn name() -> Reference {
    "me/app:1".parse().expect("reference")
}

fn save_to(store: &Store, image: ImageId, path: &Path) -> String {
    let selected = Selected { names: vec![name()], images: vec![image], index: None };
    save(store, &[selected], &mut File::create(path).expect("file"), &quiet).expect("save");
    path.display().to_string()
}

fn load_from(directory: &Path, archive: &str) -> (Store, Vec<Loaded>) {
    let store = open(directory);
    let loaded = load(&store, File::open(archive).expect(archive), &quiet).expect("load");
    (store, loaded)
}

#[test]
fn skopeo_reads_what_was_saved() {
    if !have("skopeo") {
        return;
    }
    let home = tempfile::tempdir().expect("directory");
    let (store, image) = store_with_image(home.path());
    let archive = save_to(&store, image, &home.path().join("saved.tar"));
    let manifest = run("skopeo", &["inspect", "--raw", &format!("oci-archive:{archive}:1")]);
    let layout = home.path().join("layout").display().to_string();
    skopeo_copy(&format!("oci-archive:{archive}:1"), &format!("oci:{layout}:1"));
    let copied = fs::read(format!("{layout}/blobs/sha256/{}", Digest::of(manifest.as_bytes()).hex()));
    assert_eq!(copied.expect("the same manifest"), manifest.as_bytes());

    for source in [format!("docker-archive:{archive}"), format!("docker-archive:{archive}:docker.io/me/app:1")] {
        let config = run("skopeo", &["inspect", "--config", "--raw", &source]);
        assert_eq!(Digest::of(config.as_bytes()), *image.digest(), "{source}");
        let target = format!("dir:{}", home.path().join("dir").display());
        run("skopeo", &["--insecure-policy", "copy", "--quiet", &source, &target]);
    }
}

#[test]
fn what_skopeo_wrote_is_loaded() {
    if !have("skopeo") {
        return;
    }
    let home = tempfile::tempdir().expect("directory");
    let (store, image) = store_with_image(home.path());
    let archive = format!("oci-archive:{}:1", save_to(&store, image, &home.path().join("saved.tar")));
    let path = |file: &str| home.path().join(file).display().to_string();

    skopeo_copy(&archive, &format!("oci-archive:{}:docker.io/me/app:1", path("oci.tar")));
    let (there, loaded) = load_from(&home.path().join("1"), &path("oci.tar"));
    assert_eq!(loaded, [Loaded { id: image, references: vec![name()] }]);
    let manifest = run("skopeo", &["inspect", "--raw", &archive]);
    let target = there.resolve(&name()).expect("look-up").expect("name");
    assert_eq!(target.manifest.map(|manifest| manifest.digest), Some(Digest::of(manifest.as_bytes())));

    run(
        "skopeo",
        &["--insecure-policy", "copy", "-q", &archive, &format!("docker-archive:{}:me/app:1", path("d.tar"))],
    );
    let (_, loaded) = load_from(&home.path().join("2"), &path("d.tar"));
    assert_eq!(loaded, [Loaded { id: image, references: vec![name()] }]);
}

#[test]
fn podman_loads_what_was_saved_and_saves_what_is_loaded() {
    if !have("podman") {
        return;
    }
    let home = tempfile::tempdir().expect("directory");
    let (store, image) = store_with_image(home.path());
    let archive = save_to(&store, image, &home.path().join("saved.tar"));
    podman(home.path(), &["load", "--quiet", "--input", &archive]);
    let listed = podman(home.path(), &["images", "--no-trunc", "--format", "{{.Id}} {{.Repository}}:{{.Tag}}"]);
    assert_eq!(listed, format!("{} docker.io/me/app:1", image.digest().hex()));

    for format in ["docker-archive", "oci-archive"] {
        let file = home.path().join(format).display().to_string();
        podman(home.path(), &["save", "--quiet", "--format", format, "--output", &file, "me/app:1"]);
        let (there, loaded) = load_from(&home.path().join(format!("store-{format}")), &file);
        assert_eq!(loaded.len(), 1, "{format}");
        assert_eq!(loaded[0].references, [name()], "{format}");
        let copy = there.image(&loaded[0].id).expect("image");
        let original = store.image(&image).expect("image");
        assert_eq!(copy.config.rootfs, original.config.rootfs, "{format}");
        assert_eq!(copy.config.config.cmd, original.config.config.cmd, "{format}");
    }
    podman(home.path(), &["rmi", "--all", "--force"]);
}
