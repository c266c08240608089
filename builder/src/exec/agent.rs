//! The socket of `RUN --mount=type=ssh`: it has the owner and the mode that the mount asks for, and passes everything on
//! to the agent, whose own socket the step never sees.

use std::fs;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use dhow_layer_store::{StagingDir, Store};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::error::{BuildError, Result};

/// How long the end of the step may go on unseen.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
const SOCKET: &str = "agent";
const BUFFER: usize = 16 * 1024;

/// A socket that passes on to an agent until it is dropped.
#[derive(Debug)]
pub(crate) struct AgentSocket {
    /// Where it is.
    pub(crate) path: PathBuf,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    _staging: StagingDir,
}

impl AgentSocket {
    /// A socket for those whom `(uid, gid, mode)` lets in.
    pub(crate) fn open(store: &Store, agent: &Path, (uid, gid, mode): (u32, u32, u32)) -> Result<Self> {
        let staging = store.staging()?;
        let path = staging.path().join(SOCKET);
        let failed = || BuildError::io("create", &path);
        let directory = fs::File::open(staging.path()).map_err(failed())?;
        // Addresses of sockets are short, and the store's path may be long.
        let short = format!("/proc/self/fd/{}/{SOCKET}", directory.as_raw_fd());
        let listener = UnixListener::bind(short).map_err(failed())?;
        listener.set_nonblocking(true).map_err(failed())?;
        chown(&path, Some(uid), Some(gid)).map_err(failed())?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).map_err(failed())?;
        let ended = Arc::new(AtomicBool::new(false));
        let (until, agent) = (Arc::clone(&ended), agent.to_owned());
        let work = move || accept(&listener, &agent, &until);
        let thread = thread::Builder::new().name("ssh".to_owned()).spawn(work).map_err(failed())?;
        Ok(Self { path, ended, thread: Some(thread), _staging: staging })
    }
}

impl Drop for AgentSocket {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Takes connections until the end, and ends those that are left.
fn accept(listener: &UnixListener, agent: &Path, ended: &AtomicBool) {
    thread::scope(|scope| {
        while !ended.load(Ordering::Relaxed) {
            let _ = poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&PATIENCE));
            let Ok((client, _)) = listener.accept() else { continue };
            // Where the agent is gone, the client's connection ends: it sees what it would see without a relay.
            scope.spawn(move || drop(UnixStream::connect(agent).and_then(|agent| relay(&client, &agent, ended))));
        }
    });
}

fn relay(client: &UnixStream, agent: &UnixStream, ended: &AtomicBool) -> io::Result<()> {
    client.set_nonblocking(false)?;
    let mut buffer = vec![0; BUFFER];
    while !ended.load(Ordering::Relaxed) {
        let mut fds = [PollFd::new(client, PollFlags::IN), PollFd::new(agent, PollFlags::IN)];
        let ready = poll(&mut fds, Some(&PATIENCE)).map_or([false; 2], |_| fds.each_ref().map(is_ready));
        for (is_ready, (mut from, mut to)) in ready.into_iter().zip([(client, agent), (agent, client)]) {
            if !is_ready {
                continue;
            }
            match from.read(&mut buffer)? {
                0 => return client.shutdown(Shutdown::Both),
                count => to.write_all(&buffer[..count])?,
            }
        }
    }
    Ok(())
}

fn is_ready(fd: &PollFd<'_>) -> bool {
    !fd.revents().is_empty()
}
