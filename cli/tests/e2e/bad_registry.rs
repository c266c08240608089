//! A registry that lies, breaks off or is not there: the error says so, and the store stays as it was.

use std::fs;

use crate::bad_build::contents;
use crate::context::{BUSYBOX, import_busybox};
use crate::dhow::Dhow;
use crate::registry::{Registry, free_port};
use crate::skip::need;

/// A registry that has `busybox:1`, and a dhow with an empty store.
fn filled() -> Result<(Registry, Dhow, String), String> {
    let registry = Registry::start()?;
    let writer = Dhow::new();
    import_busybox(&writer)?;
    let name = registry.image("busybox:1");
    writer.ok(["tag", BUSYBOX, &name]);
    writer.ok(["push", &name]);
    Ok((registry, Dhow::new(), name))
}

#[test]
fn a_blob_with_other_bytes_is_refused() {
    let (registry, dhow, name) = need!(filled());
    let layer = registry.blobs().remove(0);
    let mut bytes = fs::read(&layer).expect("the layer's blob");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&layer, bytes).expect("writes the blob");
    let error = dhow.fails(["pull", &name]);
    assert!(error.contains("sha256:"), "the digests are named: {error}");
    assert!(error.contains("hint"), "{error}");
    assert_eq!(dhow.ok(["images", "-q"]), "");
    let layers = contents(&dhow.store()).into_iter().filter(|line| line.contains("tmp/")).collect::<Vec<_>>();
    assert_eq!(layers, Vec::<String>::new(), "nothing half-written stays");
}

#[test]
fn a_truncated_blob_is_refused() {
    let (registry, dhow, name) = need!(filled());
    let layer = registry.blobs().remove(0);
    let size = fs::metadata(&layer).expect("the layer's blob").len();
    fs::OpenOptions::new().write(true).open(&layer).and_then(|file| file.set_len(size / 2)).expect("cuts the blob");
    let error = dhow.fails(["pull", &name]);
    assert!(error.contains("sha256:") || error.contains("bytes"), "{error}");
    assert_eq!(dhow.ok(["images", "-q"]), "");
}

#[test]
fn an_unknown_image_and_tag_are_named() {
    let (registry, dhow, _) = need!(filled());
    for name in ["no/such/image:1", "busybox:nope"] {
        let name = registry.image(name);
        let error = dhow.fails(["pull", &name]);
        assert!(error.contains(&name), "{error}");
    }
}

#[test]
fn a_registry_that_is_down_is_named() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let name = format!("127.0.0.1:{}/busybox:1", free_port());
    let host = name.split('/').next().expect("a host");
    let error = dhow.fails(["pull", &name]);
    assert!(error.contains(host) && error.contains("hint"), "{error}");
    dhow.ok(["tag", BUSYBOX, &name]);
    let error = dhow.fails(["push", &name]);
    assert!(error.contains(host), "{error}");
}
