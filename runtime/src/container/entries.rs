//! The further programs of a container: the side of its supervisor. See `exec.rs` for the other side.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use crate::bundle::Bundle;
use crate::capabilities::CapabilitySet;
use crate::container::control;
use crate::container::exec::ExecRequest;
use crate::error::{Error, Result};
use crate::process::{Privileges, Process};
use crate::sandbox::{Created, Running};
use crate::seccomp::Seccomp;
use crate::stdio::{Stdio, Stream, WindowSize};
use crate::user::User;

/// The size of a terminal whose window is not known yet; the other side knows it.
const UNSEEN: WindowSize = WindowSize { rows: 24, columns: 80 };

/// What a container's programs may do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Confinement {
    capabilities: CapabilitySet,
    privileges: Privileges,
    seccomp: Seccomp,
}

impl Confinement {
    pub(crate) fn of(bundle: &Bundle) -> Self {
        let process = &bundle.process;
        Self { capabilities: process.capabilities, privileges: process.privileges, seccomp: bundle.seccomp }
    }
}

/// A further program, and who waits for its end.
#[derive(Debug)]
pub(crate) struct Entry {
    running: Running,
    stream: UnixStream,
    ended: bool,
}

impl Entry {
    /// Starts the program that was asked for. A failure is answered, not returned: it is the client's.
    pub(crate) fn start(
        container: &Running,
        confinement: Confinement,
        (request, descriptors): (&ExecRequest, Vec<OwnedFd>),
        stream: UnixStream,
    ) -> Option<Self> {
        match launch(container, confinement, request, descriptors) {
            Ok(mut running) => {
                let terminal = running.take_terminal();
                let terminal: Vec<BorrowedFd<'_>> = terminal.iter().map(AsFd::as_fd).collect();
                // A client that has gone is no reason to fail: its program ends for want of streams.
                let _ = control::send(&stream, "ok\n", &terminal);
                Some(Self { running, stream, ended: false })
            }
            Err(error) => {
                let text = error.to_string().replace('\n', " ");
                control::answer(&stream, &format!("failed {} {text}", error.exit_code()));
                None
            }
        }
    }

    /// Notes that its process can be waited for.
    pub(crate) fn note_end(&mut self) {
        self.ended = true;
    }

    /// Whether its process can be waited for at once.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Tells the client how the program ended, for which it waits.
    pub(crate) fn finish(self) -> Result<()> {
        let exit = self.running.wait()?;
        control::answer(&self.stream, &format!("exit {}", exit.status.code()));
        Ok(())
    }
}

impl AsFd for Entry {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.running.as_fd()
    }
}

fn launch(
    container: &Running,
    confinement: Confinement,
    request: &ExecRequest,
    descriptors: Vec<OwnedFd>,
) -> Result<Running> {
    let mut process = Process::new(&request.args);
    process.env = request.env.iter().map(Into::into).collect();
    process.cwd = request.cwd.clone().into();
    process.user = User::resolve(container.root()?.as_fd(), &request.user)?;
    if !request.env.iter().any(|variable| variable.starts_with("HOME=")) {
        process.env.push(format!("HOME={}", process.user.home.display()).into());
    }
    process.capabilities = confinement.capabilities;
    process.privileges = confinement.privileges;
    let stdio = if request.terminal { Stdio::Terminal(UNSEEN) } else { streams(descriptors)? };
    container.enter(&process, confinement.seccomp, stdio).and_then(Created::start)
}

fn streams(descriptors: Vec<OwnedFd>) -> Result<Stdio> {
    let streams: [OwnedFd; 3] = descriptors.try_into().map_err(|found: Vec<OwnedFd>| Error::InvalidValue {
        what: "number of streams",
        value: found.len().to_string(),
    })?;
    let [stdin, stdout, stderr] = streams.map(Stream::File);
    Ok(Stdio::Streams { stdin, stdout, stderr })
}
