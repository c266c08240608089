//! An image in the JSON of `docker image inspect` (Docker Engine API, `ImageInspect`).

use dhow_layer_store::oci::{ContainerConfig, Platform, Reference};
use dhow_layer_store::{Image, RefTarget};
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::wiring::missing_platform;

/// The image `name`, if there is one, and one for `platform` if that is given.
///
/// # Errors
/// The store is damaged, or an id is ambiguous; or the image is for other platforms.
pub(crate) fn describe(app: &App, name: &str, platform: Option<&str>) -> anyhow::Result<Option<Value>> {
    let store = app.store()?;
    let Some(found) = store.find(name)? else { return Ok(None) };
    let image = match platform.map(str::parse::<Platform>).transpose()? {
        None => store.image(&found.image)?,
        Some(platform) => match store.image_for(&found, &platform)? {
            Some(image) => image,
            None => return Err(missing_platform(&store, (name, &found), &platform)?.into()),
        },
    };
    let references: Vec<_> =
        store.references()?.into_iter().filter(|(_, target)| target.stands_for(&image.id)).collect();
    let size = image.size()?;
    Ok(Some(json!({
        "Id": image.id.to_string(),
        "RepoTags": tags(&references),
        "RepoDigests": digests(&references),
        "Parent": "",
        "Comment": image.config.history.last().and_then(|entry| entry.comment.clone()).unwrap_or_default(),
        "Created": image.config.created.clone().unwrap_or_default(),
        "DockerVersion": "",
        "Author": image.config.author.clone().unwrap_or_default(),
        "Config": config(&image.config.config),
        "Architecture": image.config.architecture,
        "Variant": image.config.variant.clone().unwrap_or_default(),
        "Os": image.config.os,
        "Size": size,
        "VirtualSize": size,
        "GraphDriver": {"Data": null, "Name": "dhow"},
        "RootFS": {"Type": "layers", "Layers": image.config.rootfs.diff_ids},
        "Metadata": {"LastTagTime": image.added_at},
        "Descriptor": descriptor(&image),
    })))
}

fn tags(references: &[(Reference, RefTarget)]) -> Vec<String> {
    let tagged = references.iter().filter(|(reference, _)| reference.digest().is_none());
    tagged.map(|(reference, _)| reference.familiar()).collect()
}

fn digests(references: &[(Reference, RefTarget)]) -> Vec<String> {
    let digest = |(reference, target): &(Reference, RefTarget)| {
        let digest = reference.digest().copied().or(target.manifest.as_ref().map(|manifest| manifest.digest))?;
        Some(format!("{}@{digest}", reference.familiar_name()))
    };
    let mut digests: Vec<String> = references.iter().filter_map(digest).collect();
    digests.sort();
    digests.dedup();
    digests
}

fn descriptor(image: &Image) -> Value {
    image.manifests.first().map_or(
        Value::Null,
        |manifest| json!({"mediaType": manifest.media_type, "digest": manifest.digest, "size": manifest.size}),
    )
}

/// Docker's `ContainerConfig` with all fields that scripts ask for, also the empty ones.
pub(crate) fn config(config: &ContainerConfig) -> Value {
    let set = |keys: Vec<&String>| -> Value {
        match keys.is_empty() {
            true => Value::Null,
            false => keys.into_iter().map(|key| (key.clone(), json!({}))).collect::<Map<_, _>>().into(),
        }
    };
    let mut value = json!({
        "Hostname": "",
        "Domainname": "",
        "User": config.user,
        "AttachStdin": false,
        "AttachStdout": false,
        "AttachStderr": false,
        "ExposedPorts": set(config.exposed_ports.keys().collect()),
        "Tty": false,
        "OpenStdin": false,
        "StdinOnce": false,
        "Env": config.env,
        "Cmd": config.cmd,
        "Image": "",
        "Volumes": set(config.volumes.keys().collect()),
        "WorkingDir": config.working_dir,
        "Entrypoint": config.entrypoint,
        "OnBuild": if config.on_build.is_empty() { Value::Null } else { json!(config.on_build) },
        "Labels": if config.labels.is_empty() { Value::Null } else { json!(config.labels) },
    });
    add_optional(&mut value, config);
    value
}

/// Docker leaves these out where they are not set.
fn add_optional(value: &mut Value, config: &ContainerConfig) {
    let optional = [
        ("Healthcheck", json!(config.healthcheck)),
        ("StopSignal", json!(config.stop_signal)),
        ("Shell", json!(config.shell)),
    ];
    if let Value::Object(map) = value {
        map.extend(
            optional.into_iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.to_owned(), value)),
        );
        map.retain(|key, value| key != "ExposedPorts" || !value.is_null());
        map.extend(config.other.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
}
