//! A container in the JSON of `docker container inspect` (Docker Engine API, `ContainerInspect`).

use anyhow::Context;
use dhow_runtime::{Container, ContainerState, ContainerStatus};
use serde_json::{Value, json};

use crate::app::App;
use crate::commands::run::{NetworkMode, Source, Spec, Volumes, Write};
use crate::containers::{find, volume_names};
use crate::format::human;

/// What docker shows for a time that has not come.
const NO_TIME: &str = "0001-01-01T00:00:00Z";
/// Docker's `/dev/shm` in bytes.
const SHM_SIZE: u64 = 64 << 20;

/// The container `name`, if there is one.
///
/// # Errors
/// It is damaged, or an id is ambiguous.
pub(crate) fn describe(app: &App, name: &str) -> anyhow::Result<Option<Value>> {
    let Some(container) = find(app, name)? else { return Ok(None) };
    let config = container.config();
    let spec: Spec = serde_json::from_value(config.data.clone())
        .with_context(|| format!("the container `{}` was made by another version of dhow", config.name))?;
    Ok(Some(json!({
        "Id": config.id,
        "Created": config.created,
        "Path": config.command.first(),
        "Args": config.command.get(1..).unwrap_or_default(),
        "State": state(&container.state()?),
        "Image": config.image_id,
        "ResolvConfPath": "",
        "HostnamePath": "",
        "HostsPath": "",
        "LogPath": container.directory().join("log.json").display().to_string(),
        "Name": format!("/{}", config.name),
        "RestartCount": 0,
        "Driver": "dhow",
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": null,
        "HostConfig": host_config(&container, &spec),
        "GraphDriver": {"Data": null, "Name": "dhow"},
        "Mounts": mounts(app, &container, &spec)?,
        "Config": own_config(&container, &spec),
        "NetworkSettings": network(&spec),
    })))
}

fn state(state: &ContainerState) -> Value {
    json!({
        "Status": state.status.to_string(),
        "Running": state.status == ContainerStatus::Running,
        "Paused": false,
        "Restarting": false,
        "OOMKilled": state.out_of_memory,
        "Dead": false,
        "Pid": state.pid.unwrap_or(0),
        "ExitCode": state.exit_code.unwrap_or(0),
        "Error": state.error.as_deref().unwrap_or_default(),
        "StartedAt": state.started.as_deref().unwrap_or(NO_TIME),
        "FinishedAt": state.finished.as_deref().unwrap_or(NO_TIME),
    })
}

fn host_config(container: &Container, spec: &Spec) -> Value {
    let limits = &spec.limits;
    let list = |items: &[String]| if items.is_empty() { Value::Null } else { json!(items) };
    json!({
        "AutoRemove": container.config().auto_remove,
        "CapAdd": list(&limits.cap_add),
        "CapDrop": list(&limits.cap_drop),
        "Dns": spec.network.dns,
        "ExtraHosts": list(&spec.network.add_host),
        "LogConfig": {"Type": "json-file", "Config": {}},
        "Memory": limits.memory.as_deref().and_then(human::parse_size).unwrap_or(0),
        "NanoCpus": limits.cpus.map_or(0, |cpus| (cpus * 1e9) as u64),
        "NetworkMode": spec.network.network,
        "PidsLimit": limits.pids_limit,
        "PortBindings": {},
        "Privileged": limits.privileged,
        "ReadonlyRootfs": spec.read_only,
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "SecurityOpt": list(&limits.security_opt),
        "ShmSize": spec.shm_size.unwrap_or(SHM_SIZE),
    })
}

fn mounts(app: &App, container: &Container, spec: &Spec) -> anyhow::Result<Vec<Value>> {
    let volumes = Volumes::of_store(&app.root()?);
    let mut names = volume_names(container)?.into_iter();
    let mut mounts = Vec::new();
    for request in &spec.mounts {
        let writable = request.write == Write::Allowed;
        let mut mount = match &request.source {
            Source::Bind { path, .. } => json!({"Type": "bind", "Source": path}),
            Source::Tmpfs { .. } => json!({"Type": "tmpfs", "Source": ""}),
            Source::Volume { .. } => {
                let name = names.next().unwrap_or_default();
                let data = volumes.find(&name)?.map(|volume| volume.data());
                json!({"Type": "volume", "Name": name, "Source": data, "Driver": "local"})
            }
        };
        mount["Destination"] = json!(request.target);
        mount["Mode"] = json!(if writable { "" } else { "ro" });
        mount["RW"] = json!(writable);
        mount["Propagation"] = json!("rprivate");
        mounts.push(mount);
    }
    Ok(mounts)
}

fn own_config(container: &Container, spec: &Spec) -> Value {
    let config = container.config();
    let list = |items: &[String]| if items.is_empty() { Value::Null } else { json!(items) };
    json!({
        "Hostname": crate::commands::run::hostname(container, spec),
        "Domainname": "",
        "User": spec.program.user,
        "AttachStdin": false,
        "AttachStdout": true,
        "AttachStderr": true,
        "Tty": config.terminal,
        "OpenStdin": config.interactive,
        "StdinOnce": false,
        "Env": spec.program.env,
        "Cmd": list(&spec.program.cmd),
        "Image": config.image,
        "Volumes": null,
        "WorkingDir": spec.program.cwd,
        "Entrypoint": list(&spec.program.entrypoint),
        "OnBuild": null,
        "Labels": config.labels,
        "StopSignal": config.stop_signal,
        "StopTimeout": spec.stop_timeout,
    })
}

fn network(spec: &Spec) -> Value {
    let name = NetworkMode::of(&spec.network).name();
    let endpoint = json!({"IPAddress": "", "Gateway": "", "MacAddress": "", "NetworkID": name});
    json!({
        "Ports": {},
        "IPAddress": "",
        "Gateway": "",
        "MacAddress": "",
        "Networks": {name: endpoint},
    })
}
