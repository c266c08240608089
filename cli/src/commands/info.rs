//! `dhow info`: what dhow found on this machine, and how well it can isolate.

use dhow_layer_store::oci::Platform;
use serde_json::{Value, json};

use crate::app::App;
use crate::args::InfoArgs;
use crate::exit::Exit;
use crate::format::{Template, human};
use crate::output;

/// Runs the command.
pub(crate) fn run(app: &App, args: &InfoArgs) -> anyhow::Result<Exit> {
    let info = gather(app)?;
    let text = match args.format.as_deref() {
        Some("json") => format!("{info}\n"),
        Some(template) => Template::parse(template)?.render(&info)? + "\n",
        None => lines(&info),
    };
    output::print(&text)?;
    Ok(Exit::Success)
}

fn gather(app: &App) -> anyhow::Result<Value> {
    let store = app.store()?;
    let containers = app.containers()?.list()?;
    let running = containers.iter().filter(|container| container.is_running()).count();
    let system = rustix::system::uname();
    let (rung, reason) = match &app.privilege {
        Some(privilege) => (privilege.rung.to_string(), privilege.reason.clone()),
        None => ("none".to_owned(), String::new()),
    };
    Ok(json!({
        "Containers": containers.len(),
        "ContainersRunning": running,
        "ContainersPaused": 0,
        "ContainersStopped": containers.len() - running,
        "Images": store.image_ids()?.len(),
        "Driver": "dhow",
        "DockerRootDir": store.root().display().to_string(),
        "Isolation": rung,
        "IsolationReason": reason,
        "CgroupVersion": cgroup_version(),
        "KernelVersion": system.release().to_string_lossy(),
        "OperatingSystem": operating_system(),
        "OSType": "linux",
        "Architecture": system.machine().to_string_lossy(),
        "Platform": Platform::host().to_string(),
        "NCPU": std::thread::available_parallelism().map_or(1, usize::from),
        "MemTotal": memory(),
        "Name": system.nodename().to_string_lossy(),
        "ServerVersion": env!("CARGO_PKG_VERSION"),
        "InsecureRegistries": app.global.insecure_registries,
    }))
}

fn lines(info: &Value) -> String {
    let text = |key: &str| info[key].as_str().map_or_else(|| info[key].to_string(), str::to_owned);
    let memory = human::binary_size(info["MemTotal"].as_u64().unwrap_or(0));
    let mut lines = vec![
        format!("Containers: {}", text("Containers")),
        format!(" Running: {}", text("ContainersRunning")),
        format!(" Stopped: {}", text("ContainersStopped")),
        format!("Images: {}", text("Images")),
        format!("Version: {}", text("ServerVersion")),
        format!("Store: {}", text("DockerRootDir")),
        format!("Isolation: {}", text("Isolation")),
    ];
    if !text("IsolationReason").is_empty() {
        lines.push(format!(" Reason: {}", text("IsolationReason")));
    }
    lines.extend([
        format!("Cgroup Version: {}", text("CgroupVersion")),
        format!("Kernel Version: {}", text("KernelVersion")),
        format!("Operating System: {}", text("OperatingSystem")),
        format!("Architecture: {}", text("Architecture")),
        format!("CPUs: {}", text("NCPU")),
        format!("Total Memory: {memory}"),
        format!("Name: {}", text("Name")),
    ]);
    lines.join("\n") + "\n"
}

fn cgroup_version() -> &'static str {
    if std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists() { "2" } else { "1" }
}

fn operating_system() -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or_else(|| "Linux".to_owned(), |name| name.trim_matches('"').to_owned())
}

/// Bytes.
fn memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}
