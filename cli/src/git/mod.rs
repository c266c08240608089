//! Repositories of other machines: which commit a name stands for, and its files, without a `git` program.
//!
//! Speaks protocol version 2 (gitprotocol-v2(5)), with older servers 0 and 1, over HTTP and with git's own daemon, for one
//! commit without its past, or with it where the server knows no other way. `.gitattributes` change nothing: files are those of the commit, byte for byte, and large files that are
//! kept elsewhere stay pointers.

mod checkout;
mod dates;
mod dot_git;
mod error;
mod greeting;
mod index;
mod old_protocol;
mod pack;
mod pkt_line;
mod protocol;
mod sideband;
mod submodules;
mod transport;

use std::path::Path;

use dhow_builder::plan::GitSource;
use dhow_builder::{Checkout, GitCommit, GitRequest};
use dhow_layer_store::{Root, Store};

pub(crate) use error::GitError;

use checkout::{CheckoutPlan, committed};
use pack::Pack;
use protocol::{Depth, Objects, RemoteRef, Session, Wanted};
use submodules::Submodules;
use transport::Address;

use crate::wiring::Remote;

/// Submodules of submodules of submodules… end here.
const MAX_DEPTH: usize = 8;

/// A way to repositories.
pub(crate) struct Git<'a> {
    pub(crate) remote: &'a Remote,
    /// Where packs are while they are read.
    pub(crate) store: &'a Store,
}

impl Git<'_> {
    /// The commit that the request's reference stands for now: a branch before a tag of the same name, the default branch
    /// without one.
    ///
    /// # Errors
    /// The repository cannot be reached, or has no such reference.
    pub(crate) fn commit(&self, request: &GitRequest<'_>) -> anyhow::Result<GitCommit> {
        let name = request.source.reference.as_deref();
        if let Some(commit) = name.filter(|name| is_commit(name)) {
            return Ok(GitCommit { commit: commit.to_owned(), tag: None, reference: None });
        }
        let mut session = Session::open(&self.address(request))?;
        let wanted = wanted_refs(name);
        let refs = session.refs(&wanted)?;
        let found = wanted.iter().find_map(|wanted| refs.iter().find(|found| found.name == *wanted));
        let Some(RemoteRef { name, id, peeled }) = found else {
            let reference = name.unwrap_or("HEAD").to_owned();
            return Err(GitError::NoReference { reference, remote: shown(request.source) }.into());
        };
        Ok(GitCommit {
            commit: peeled.as_ref().unwrap_or(id).clone(),
            tag: peeled.is_some().then(|| id.clone()),
            reference: Some(name.clone()),
        })
    }

    /// Writes the files of a commit, or of the request's directory in it, to `into`, which is empty.
    ///
    /// The date of the commit, in seconds since 1970.
    ///
    /// # Errors
    /// The repository or a submodule cannot be had; it holds names that no checkout may have.
    pub(crate) fn checkout(
        &self,
        request: &GitRequest<'_>,
        checkout: &Checkout<'_>,
        into: &Root,
    ) -> anyhow::Result<i64> {
        let source = request.source;
        let job = Job { git: self, main: request, depth: 0 };
        let subdirectory = source.subdirectory.as_deref().map(Path::new);
        let plan = CheckoutPlan { subdirectory, into };
        let done = job.run(&source.remote, &checkout.commit.commit, &plan)?;
        if checkout.keep_git_dir && subdirectory.is_none() {
            dot_git::write(into, &done.pack, &dot_git::State { source, commit: checkout.commit, index: &done.index })?;
        }
        if source.mtime.as_deref() == Some("commit") {
            dates::set_all(into, Path::new("."), done.date)?;
        }
        Ok(done.date)
    }

    /// The date of a commit, in seconds since 1970.
    ///
    /// # Errors
    /// The repository cannot be reached, or does not have the commit.
    pub(crate) fn date(&self, request: &GitRequest<'_>, commit: &GitCommit) -> anyhow::Result<i64> {
        let pack = self.fetch(&self.address(request), (&commit.commit, Objects::Commit))?;
        Ok(committed(&pack.commit(&commit.commit)?)?)
    }

    fn address<'r>(&'r self, request: &'r GitRequest<'_>) -> Address<'r> {
        Address { remote: self.remote, url: &request.source.remote, authorization: request.authorization }
    }

    /// Objects of a commit. From a server that does not give it out by its name, all that its branches and tags lead to.
    fn fetch(&self, address: &Address<'_>, (commit, objects): (&str, Objects)) -> anyhow::Result<Pack> {
        let ids = [commit.to_owned()];
        let wanted = Wanted { ids: &ids, objects, depth: Depth::One };
        let mut session = Session::open(address)?;
        let missing =
            || GitError::NoCommit { commit: commit.to_owned(), remote: transport::without_secret(address.url) };
        match session.fetch(&wanted, self.store.staging()?) {
            Err(error) if matches!(error.downcast_ref(), Some(GitError::NotGivenByName(_))) => {}
            done => return done,
        }
        let ids = session.tips();
        // Some servers have one connection for each client.
        drop(session);
        if ids.is_empty() {
            return Err(missing().into());
        }
        let all = Wanted { ids: &ids, objects, depth: Depth::Full };
        let pack = Session::open(address)?.fetch(&all, self.store.staging()?)?;
        match pack.commit(commit) {
            Err(GitError::MissingObject(_)) => Err(missing().into()),
            _ => Ok(pack),
        }
    }
}

/// One checkout, of the repository itself or of a submodule.
struct Job<'a> {
    git: &'a Git<'a>,
    main: &'a GitRequest<'a>,
    depth: usize,
}

/// What a checkout leaves for `.git`.
struct Done {
    pack: Pack,
    index: Vec<index::Entry>,
    date: i64,
}

impl Job<'_> {
    fn run(&self, remote: &str, commit: &str, plan: &CheckoutPlan<'_>) -> anyhow::Result<Done> {
        let address = Address { remote: self.git.remote, url: remote, authorization: self.authorization(remote) };
        let pack = self.git.fetch(&address, (commit, Objects::All))?;
        let written = checkout::run(&pack, commit, plan)?;
        if self.main.source.submodules != Some(false) && !written.submodules.is_empty() {
            let known = Submodules::parse(&written.gitmodules);
            for module in &written.submodules {
                self.submodule(remote, &known, (module, plan))?;
            }
        }
        Ok(Done { pack, index: written.index, date: written.date })
    }

    fn submodule(
        &self,
        parent: &str,
        known: &Submodules,
        (module, plan): (&checkout::Link, &CheckoutPlan<'_>),
    ) -> anyhow::Result<()> {
        let path = module.path_in_repository.display().to_string();
        // A link without an address is what a repository has whose submodule was removed by halves.
        let Some(url) = known.url_of(&path) else { return Ok(()) };
        if self.depth >= MAX_DEPTH {
            return Err(GitError::TooDeep(path).into());
        }
        let url = submodules::resolve(parent, url);
        let into = plan.into.open_root(&module.path)?;
        let below = CheckoutPlan { subdirectory: None, into: &into };
        let job = Job { git: self.git, main: self.main, depth: self.depth + 1 };
        let done = job.run(&url, &module.commit, &below);
        done.map(drop).map_err(|error| error.context(format!("cannot get the submodule `{path}`")))
    }

    /// The secret is for the repository's own host alone.
    fn authorization(&self, remote: &str) -> Option<&str> {
        (transport::origin(remote) == transport::origin(&self.main.source.remote))
            .then_some(self.main.authorization)
            .flatten()
    }
}

/// Whether the name is a whole commit's.
pub(crate) fn is_commit(name: &str) -> bool {
    name.len() == 40 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The full names that `name` may stand for, what goes first first.
fn wanted_refs(name: Option<&str>) -> Vec<String> {
    let Some(name) = name.filter(|name| *name != "HEAD") else { return vec!["HEAD".to_owned()] };
    let below = |prefix: &str| format!("{prefix}{}", name.strip_prefix(prefix).unwrap_or(name));
    if name.starts_with("refs/") {
        return vec![name.to_owned()];
    }
    vec![below("refs/heads/"), below("refs/tags/"), below("refs/")]
}

/// The repository's address for messages.
fn shown(source: &GitSource) -> String {
    transport::without_secret(&source.remote)
}

#[cfg(test)]
mod tests {
    use super::{is_commit, wanted_refs};

    #[test]
    fn names_stand_for_branches_first() {
        assert_eq!(wanted_refs(None), ["HEAD"]);
        assert_eq!(wanted_refs(Some("v1")), ["refs/heads/v1", "refs/tags/v1", "refs/v1"]);
        assert_eq!(wanted_refs(Some("refs/pull/1/head")), ["refs/pull/1/head"]);
        assert_eq!(wanted_refs(Some("heads/x"))[2], "refs/heads/x");
        assert!(is_commit("0123456789abcdef0123456789abcdef01234567") && !is_commit("0123456") && !is_commit("main"));
    }
}
