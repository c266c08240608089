//! Runs a program in a root directory, on the best rung of the ladder that this user reaches.
//!
//! `sandbox [--network none] [--terminal] [--user U] [--file PATH=TEXT]... [--repeat N] [--privilege] ROOT COMMAND...`
//! It is what the tests run as an ordinary user, and with `--repeat` what shows the cost of a sandbox.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit)]

use std::fs::File;
use std::os::fd::AsFd;
use std::process::exit;
use std::time::Instant;

use dhow_runtime::{
    Bundle, Entered, Error, Mount, Network, Process, Rootfs, Sandbox, Signal, Stdio, User, WindowSize, enter,
};

struct Options {
    network: Network,
    terminal: Option<WindowSize>,
    user: String,
    files: Vec<(String, String)>,
    memory: Option<u64>,
    repeat: u32,
    show_privilege: bool,
    root: String,
    command: Vec<String>,
}

fn parse(mut words: impl Iterator<Item = String>) -> Option<Options> {
    let mut options = Options {
        network: Network::Host,
        terminal: None,
        user: String::new(),
        files: Vec::new(),
        memory: None,
        repeat: 1,
        show_privilege: false,
        root: String::new(),
        command: Vec::new(),
    };
    loop {
        match words.next()?.as_str() {
            "--network" => options.network = if words.next()? == "none" { Network::None } else { Network::Host },
            "--terminal" => options.terminal = Some(WindowSize { rows: 33, columns: 77 }),
            "--user" => options.user = words.next()?,
            "--file" => options.files.push(words.next()?.split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned()))?),
            "--memory" => options.memory = words.next()?.parse().ok(),
            "--repeat" => options.repeat = words.next()?.parse().ok()?,
            "--privilege" => options.show_privilege = true,
            root => {
                options.root = root.to_owned();
                options.command = words.collect();
                return Some(options);
            }
        }
    }
}

fn bundle(options: &Options) -> Result<Bundle, Error> {
    let root = File::open(&options.root).unwrap_or_else(|error| fail(&error));
    let mut process = Process::new(&options.command);
    process.user = User::resolve(root.as_fd(), &options.user)?;
    process.env = vec!["PATH=/usr/sbin:/usr/bin:/sbin:/bin".into()];
    let mut bundle = Bundle::docker_default(Rootfs::Dir((&options.root).into()), process);
    bundle.hostname = Some("sandbox".to_owned());
    bundle.network = options.network;
    bundle.resources.memory = options.memory;
    for (path, content) in &options.files {
        bundle.mounts.push(Mount::file(content.clone(), path));
    }
    Ok(bundle)
}

fn run(options: &Options) -> Result<i32, Error> {
    let mut code = 0;
    let mut costs = Vec::new();
    for _ in 0..options.repeat {
        let begin = Instant::now();
        let stdio = options.terminal.map_or_else(Stdio::inherit, Stdio::Terminal);
        let mut running = Sandbox::create(bundle(options)?, stdio)?.start()?;
        forward_interrupt(&running);
        if let Some(terminal) = running.take_terminal() {
            let _ = std::io::copy(&mut File::from(terminal), &mut std::io::stdout());
        }
        code = running.wait()?.status.code();
        costs.push(begin.elapsed());
    }
    if options.repeat > 1 {
        costs.sort();
        eprintln!("{} runs: median {:?}, best {:?}", costs.len(), costs[costs.len() / 2], costs[0]);
    }
    Ok(code)
}

/// SIGTERM ends the sandbox, as a caller with a signal handler would have it.
fn forward_interrupt(running: &dhow_runtime::Running) {
    let Ok(signaller) = running.signaller() else { return };
    std::thread::spawn(move || {
        let mut set = nix::sys::signal::SigSet::empty();
        set.add(nix::sys::signal::Signal::SIGTERM);
        let _ = set.wait();
        let _ = signaller.signal(Signal::KILL);
    });
}

fn fail(error: &dyn std::error::Error) -> ! {
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(inner) = cause {
        eprintln!("caused by: {inner}");
        cause = inner.source();
    }
    exit(125)
}

fn main() {
    let Some(options) = parse(std::env::args().skip(1)) else {
        eprintln!("usage: sandbox [options] ROOT COMMAND...");
        exit(2)
    };
    let privilege = match enter() {
        Ok(Entered::Inside(privilege)) => privilege,
        Ok(Entered::Outside(status)) => exit(status.code()),
        Err(error) => fail(&error),
    };
    if options.show_privilege {
        println!("{}: {}", privilege.rung, privilege.reason);
    }
    let mut term = nix::sys::signal::SigSet::empty();
    term.add(nix::sys::signal::Signal::SIGTERM);
    let _ = term.thread_block();
    match run(&options) {
        Ok(code) => exit(code),
        Err(error) => {
            eprintln!("error: {error}");
            if let Some(hint) = error.hint() {
                eprintln!("hint: {hint}");
            }
            if let Some(cause) = std::error::Error::source(&error) {
                eprintln!("caused by: {cause}");
            }
            exit(error.exit_code())
        }
    }
}
