//! A volume in the JSON of `docker volume inspect`.

use serde_json::{Value, json};

use crate::app::App;
use crate::commands::run::Volumes;

/// The volume `name`, if there is one.
///
/// # Errors
/// It is damaged.
pub(crate) fn describe(app: &App, name: &str) -> anyhow::Result<Option<Value>> {
    let found = Volumes::of_store(&app.root()?).find(name)?;
    Ok(found.map(|volume| {
        json!({
            "CreatedAt": volume.record.created,
            "Driver": "local",
            "Labels": if volume.record.anonymous { json!({"com.docker.volume.anonymous": ""}) } else { Value::Null },
            "Mountpoint": volume.data(),
            "Name": volume.name,
            "Options": null,
            "Scope": "local",
        })
    }))
}
