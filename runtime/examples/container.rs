//! Keeps containers over plain root directories: the smallest program that does what `dhow run -d` and its kin do.
//!
//! `container DIRECTORY run|detach [--rm] [--terminal] NAME ROOT COMMAND...`, `container DIRECTORY list`, and
//! `stop|kill|wait|logs|follow|remove|inspect NAME`, and `exec|exec-terminal NAME COMMAND...`.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, exit};
use std::time::Duration;

use dhow_runtime::{
    Bundle, Console, Container, ContainerConfig, Containers, Ended, Entered, ExecRequest, Input, LogQuery, Network,
    Process, Result, Rootfs, Signal, become_supervisor, enter,
};

fn bundle(container: &Container) -> Bundle {
    let config = container.config();
    let mut process = Process::new(&config.command);
    process.env = vec!["PATH=/bin".into()];
    let root = config.data["root"].as_str().unwrap_or_default();
    let mut bundle = Bundle::docker_default(Rootfs::Dir(root.into()), process);
    bundle.network = Network::None;
    bundle
}

fn create(set: &Containers, words: &[String]) -> Result<Container> {
    let flag = |name: &str| words.iter().any(|word| word == name);
    let rest: Vec<&String> = words.iter().skip_while(|word| word.starts_with("--")).collect();
    set.create(ContainerConfig {
        id: String::new(),
        name: rest[0].clone(),
        image: "example".to_owned(),
        image_id: String::new(),
        created: String::new(),
        command: rest[2..].iter().map(ToString::to_string).collect(),
        terminal: flag("--terminal"),
        interactive: false,
        auto_remove: flag("--rm"),
        stop_signal: "SIGTERM".to_owned(),
        labels: BTreeMap::new(),
        data: serde_json::json!({ "root": rest[1] }),
    })
}

fn end(container: &Container, ended: Ended) -> Result<i32> {
    let code = ended.exit.status.code();
    if container.config().auto_remove {
        ended.remove()?;
    }
    Ok(code)
}

fn detach(directory: &str, container: &Container) -> Result<i32> {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("/proc/self/exe"));
    let mut command = Command::new(program);
    command.args([directory, "supervise", &container.config().id]);
    container.start_supervisor(command)?;
    println!("{}", container.config().id);
    Ok(0)
}

fn act(directory: &str, verb: &str, words: &[String]) -> Result<i32> {
    let set = Containers::open(directory)?;
    let named = || set.find(words.first().map_or("", String::as_str));
    match verb {
        "run" => {
            let container = create(&set, words)?;
            end(&container, container.supervise(bundle(&container), Console::Foreground(Input::Forwarded))?)
        }
        "detach" => detach(directory, &create(&set, words)?),
        "supervise" => {
            let container = named()?;
            end(&container, container.supervise(bundle(&container), Console::Detached)?)
        }
        "list" => {
            for container in set.list()? {
                println!("{} {}", container.config().name, container.state()?.status);
            }
            Ok(0)
        }
        "exec" | "exec-terminal" => {
            let request = ExecRequest {
                args: words[1..].to_vec(),
                env: vec!["PATH=/bin".to_owned()],
                cwd: "/".to_owned(),
                user: String::new(),
                terminal: verb == "exec-terminal",
            };
            named()?.exec(&request, Input::Forwarded)
        }
        "stop" => named()?.stop(None, Duration::from_secs(2)).map(|()| 0),
        "kill" => named()?.signal(Signal::KILL).map(|()| 0),
        "wait" => named()?.wait(),
        "remove" => named()?.remove().map(|()| 0),
        "inspect" => {
            println!("{:?}", named()?.state()?);
            Ok(0)
        }
        "logs" | "follow" => {
            let container = named()?;
            let follow = (verb == "follow").then(|| container.clone());
            for line in container.logs(LogQuery { follow, ..LogQuery::default() })? {
                print!("{}", line?.text);
            }
            Ok(0)
        }
        _ => usage(),
    }
}

fn usage() -> ! {
    eprintln!("usage: container DIRECTORY VERB ARGUMENTS...");
    exit(2)
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [directory, verb, rest @ ..] = &words[..] else { usage() };
    if verb == "supervise" {
        become_supervisor();
    }
    match enter() {
        Ok(Entered::Inside(_)) => {}
        Ok(Entered::Outside(status)) => exit(status.code()),
        Err(error) => {
            eprintln!("error: {error}");
            exit(125)
        }
    }
    match act(directory, verb, rest) {
        Ok(code) => exit(code),
        Err(error) => {
            eprintln!("error: {error}");
            exit(error.exit_code())
        }
    }
}
