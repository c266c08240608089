//! From a bundle to the list of steps that its first process takes.
//!
//! All that can be decided, opened and allocated before the clone is done here, in the parent. The order of the
//! steps is this module's main content. OCI runtime spec, `runtime.md` (lifecycle) and `config-linux.md`.

use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::process::{Gid, Rlimit, Uid};
use rustix::thread::UnshareFlags;

use crate::bundle::Bundle;
use crate::capabilities::Capability;
use crate::error::{Error, Result};
use crate::exec_problem;
use crate::mount_plan::MountPlan;
use crate::mountpoint::Stubs;
use crate::namespaces::Namespaces;
use crate::network::Network;
use crate::process::{Privileges, Process};
use crate::rights::Rights;
use crate::seccomp;
use crate::stdio::{StreamEnds, WindowSize};
use crate::step::Step;
use crate::sys::CStringArray;

/// The `PATH` that is searched when the environment has none: execvp's.
const DEFAULT_PATH: &str = "/usr/local/bin:/bin:/usr/bin";

/// The steps, and the program at their end.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    pub(crate) program: Program,
}

/// Ready arguments for execve(2).
#[derive(Debug)]
pub(crate) struct Program {
    /// Paths to try in turn.
    pub(crate) candidates: Vec<CString>,
    pub(crate) arguments: CStringArray,
    pub(crate) environment: CStringArray,
    /// The `PATH` that the candidates come from, if the name has no slash.
    pub(crate) search_path: Option<String>,
}

/// The standard streams of the child.
#[derive(Debug)]
pub(crate) enum Streams {
    Separate([StreamEnds; 3]),
    Terminal(WindowSize),
}

/// Makes the plan of `bundle`, whose opened root is `root`, and the mount points that the root lacks.
pub(crate) fn build(bundle: Bundle, root: OwnedFd, streams: Streams) -> Result<(Plan, Stubs)> {
    let rights = Rights::probe();
    let program = program(&bundle.process)?;
    let mut mounts = MountPlan::new(&rights, bundle.network);
    for mount in bundle.mounts {
        mounts.add(mount, &root)?;
    }
    mounts.make_directory(&bundle.process.cwd, &root)?;
    let (staging, mount_steps, stubs) = mounts.finish();

    let mut steps = vec![
        Step::DieWithParent,
        Step::AwaitPlacement,
        Step::SetUmask(0),
        Step::NewSession,
        Step::NewCgroupNamespace,
        Step::EnterNamespaceRoot,
        Step::MakeMountsPrivate,
    ];
    steps.extend(staging);
    steps.push(Step::PivotRoot { root, access: bundle.root_access });
    steps.extend(mount_steps);
    steps.push(Step::LeaveOldRoot);
    steps.extend(bundle.hostname.map(|name| Step::SetHostname(name.into_bytes())));
    steps.extend((bundle.network == Network::None).then_some(Step::BringLoopbackUp));
    steps.extend(paths(&bundle.readonly_paths)?.map(Step::MakeReadOnly));
    steps.extend(paths(&bundle.masked_paths)?.map(Step::Mask));
    let has_terminal = matches!(streams, Streams::Terminal(_));
    stream_steps(&mut steps, streams, bundle.process.user.uid);
    steps.extend(has_terminal.then_some(Step::BindConsole));
    steps.push(Step::MakeWorkingDirectory(c_string("working directory", bundle.process.cwd.as_os_str())?));
    process_steps(&mut steps, &bundle.process)?;
    credential_steps(&mut steps, &bundle.process, &rights);
    steps.push(Step::AwaitStart);
    confinement_steps(&mut steps, &bundle.process, &rights, bundle.seccomp);
    Ok((Plan { steps, program }, stubs))
}

/// Makes the plan of another program in the sandbox of `target`.
pub(crate) fn build_entry(
    (process, seccomp): (&Process, seccomp::Seccomp),
    target: Namespaces,
    streams: Streams,
) -> Result<Plan> {
    let rights = Rights::probe();
    let program = program(process)?;
    let mut steps = vec![
        Step::DieWithParent,
        Step::AwaitPlacement,
        Step::JoinNamespaces(target),
        Step::GoOnInChild,
        // Its parent must know of it before it speaks for itself.
        Step::AwaitPlacement,
        Step::DieWithParent,
        Step::NewSession,
    ];
    stream_steps(&mut steps, streams, process.user.uid);
    process_steps(&mut steps, process)?;
    credential_steps(&mut steps, process, &rights);
    steps.push(Step::AwaitStart);
    confinement_steps(&mut steps, process, &rights, seccomp);
    Ok(Plan { steps, program })
}

impl Plan {
    /// Puts the step first that closes all descriptors but those that the others use, and `link`.
    pub(crate) fn close_all_but(&mut self, link: BorrowedFd<'_>) {
        let mut kept: Vec<RawFd> = self.steps.iter().flat_map(descriptors).collect();
        kept.push(link.as_raw_fd());
        kept.sort_unstable();
        self.steps.insert(0, Step::CloseOthers(kept));
    }
}

fn descriptors(step: &Step) -> Vec<RawFd> {
    match step {
        Step::PivotRoot { root: fd, .. }
        | Step::Attach { tree: fd, .. }
        | Step::JoinNamespaces(Namespaces { process: fd, .. }) => {
            vec![fd.as_raw_fd()]
        }
        Step::Mount(file_system) => file_system.fallback.iter().map(|fd| fd.as_raw_fd()).collect(),
        Step::SetStreams(streams) => streams.iter().flatten().map(|fd| fd.as_raw_fd()).collect(),
        _ => Vec::new(),
    }
}

/// The namespaces that a sandbox gets at its clone; the cgroup namespace follows when its cgroup is settled.
pub(crate) fn namespaces(network: Network) -> UnshareFlags {
    let always = UnshareFlags::NEWNS | UnshareFlags::NEWPID | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS;
    match network {
        Network::None => always | UnshareFlags::NEWNET,
        Network::Host => always,
    }
}

fn stream_steps(steps: &mut Vec<Step>, streams: Streams, uid: u32) {
    let uid = Uid::from_raw(uid);
    match streams {
        Streams::Terminal(size) => {
            steps.push(Step::OpenTerminal { rows: size.rows, columns: size.columns });
            steps.push(Step::OwnStream { stream: 0, uid });
        }
        Streams::Separate(ends) => {
            let pipes: Vec<usize> = (0..ends.len()).filter(|stream| ends[*stream].is_pipe).collect();
            steps.push(Step::SetStreams(ends.map(|end| end.child)));
            steps.extend(pipes.into_iter().map(|stream| Step::OwnStream { stream, uid }));
        }
    }
}

fn process_steps(steps: &mut Vec<Step>, process: &Process) -> Result<()> {
    let cwd = c_string("working directory", process.cwd.as_os_str())?;
    steps.extend(process.oom_score_adj.map(|score| Step::SetOomScore(score.to_string().into_bytes())));
    steps.extend(process.rlimits.iter().map(|limit| Step::SetRlimit {
        resource: limit.resource.to_kernel(),
        limit: Rlimit { current: limit.soft, maximum: limit.hard },
    }));
    steps.push(Step::ChangeDirectory(cwd));
    Ok(())
}

fn credential_steps(steps: &mut Vec<Step>, process: &Process, rights: &Rights) {
    let user = &process.user;
    let allowed = process.capabilities.intersection(rights.capabilities);
    steps.push(Step::LimitBoundingSet(allowed.to_kernel()));
    steps.push(Step::KeepCapabilities);
    // With a single mapped id there are no other groups to be in, and the kernel refuses to hear of them.
    if rights.may_set_groups {
        steps.push(Step::SetGroups(user.additional_gids.iter().copied().map(Gid::from_raw).collect()));
    }
    steps.push(Step::BecomeGroup(Gid::from_raw(user.gid)));
    steps.push(Step::BecomeUser(Uid::from_raw(user.uid)));
    steps.push(Step::SetUmask(0o022));
}

/// The filter needs CAP_SYS_ADMIN or no-new-privileges to be installed, so it comes before the capabilities go.
fn confinement_steps(steps: &mut Vec<Step>, process: &Process, rights: &Rights, filter: seccomp::Seccomp) {
    let allowed = process.capabilities.intersection(rights.capabilities);
    let with_admin = allowed.with(Capability::SYS_ADMIN).intersection(rights.capabilities);
    steps.extend((process.privileges == Privileges::NoNew).then_some(Step::ForbidNewPrivileges));
    if let Some(program) = seccomp::compile(filter, process.capabilities) {
        steps.push(Step::RaiseCapabilities(with_admin.to_kernel()));
        steps.push(Step::SetSeccompFilter(program));
    }
    steps.push(Step::SetCapabilities(allowed.to_kernel()));
}

fn paths(paths: &[PathBuf]) -> Result<impl Iterator<Item = CString>> {
    let paths: Result<Vec<CString>> = paths.iter().map(|path| c_string("path", path.as_os_str())).collect();
    Ok(paths?.into_iter())
}

fn program(process: &Process) -> Result<Program> {
    let Some(name) = process.args.first().filter(|name| !name.is_empty()) else {
        return Err(Error::InvalidValue { what: "command", value: String::new() });
    };
    Ok(Program {
        candidates: candidates(name, &process.env)?,
        arguments: c_strings("argument", &process.args)?,
        environment: c_strings("environment variable", &process.env)?,
        search_path: exec_problem::search_path(name, &path_variable(&process.env)),
    })
}

/// Where to look for a program: its own path if it has a slash, else each directory of the container's `PATH`.
fn candidates(name: &OsStr, env: &[OsString]) -> Result<Vec<CString>> {
    if name.as_bytes().contains(&b'/') {
        return Ok(vec![c_string("command", name)?]);
    }
    let path = path_variable(env);
    std::env::split_paths(&path).map(|directory| c_string("command", directory.join(name).as_os_str())).collect()
}

/// The container's `PATH`; of several, the last.
fn path_variable(env: &[OsString]) -> OsString {
    let values = env.iter().rev().filter_map(|variable| variable.as_bytes().strip_prefix(b"PATH="));
    values.map(|value| OsStr::from_bytes(value).to_owned()).next().unwrap_or_else(|| DEFAULT_PATH.into())
}

fn c_strings(what: &'static str, values: &[OsString]) -> Result<CStringArray> {
    let strings: Result<Vec<CString>> = values.iter().map(|value| c_string(what, value)).collect();
    Ok(CStringArray::new(strings?))
}

pub(crate) fn c_string(what: &'static str, value: &OsStr) -> Result<CString> {
    CString::new(value.as_bytes()).map_err(|_| invalid(what, value))
}

pub(crate) fn invalid(what: &'static str, value: &OsStr) -> Error {
    Error::InvalidValue { what, value: value.to_string_lossy().into_owned() }
}
