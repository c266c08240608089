//! One node of the plan: its key, and its execution.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use dhow_layer_store::{ActiveSnapshot, Layer, Root, Stack};

use crate::cache::{RunSurroundings, copy_key, run_key, workdir_key};
use crate::context::{Match, SourceTree, select_exact};
use crate::error::{BuildError, Result};
use crate::event::{Event, OutputStream, StepId, StepUsage};
use crate::exec::about::about;
use crate::exec::blind::{self, Sees};
use crate::exec::copy::{Archives, Copier, Means, make_workdir};
use crate::exec::graph::{Executor, Need, Prepared};
use crate::exec::inspect;
use crate::exec::mounts::{MountMaker, MountSet};
use crate::exec::previous::CopyPlace;
use crate::exec::run::{Run, effective_network, host_lines};
use crate::exec::selection::{self, Remembered, Selection};
use crate::exec::sight::Sight;
use crate::plan::{CopyFiles, CopyOp, CopySource, FilesFrom, Mount, MountKind, Node, NodeId, Op, RunOp};
use crate::request::{CacheUse, OnError};

/// A node that makes a layer.
#[derive(Clone, Copy)]
pub(crate) struct Step<'a> {
    pub(crate) executor: &'a Executor<'a>,
    pub(crate) id: NodeId,
    pub(crate) node: &'a Node,
}

impl<'a> Step<'a> {
    /// The key. `None` if something that it needs failed.
    pub(crate) fn prepare(&self) -> Result<Option<Prepared>> {
        if self.executor.need(&self.needs_of_key()).is_err() {
            return Ok(None);
        }
        let Some(below) = self.node.inputs.first() else { return Err(self.not_a_layer()) };
        let Ok(below) = self.executor.prepared(*below) else { return Ok(None) };
        let below = &below.key.key;
        let mut selections = Vec::new();
        let key = match &self.node.op {
            Op::Copy(op) => {
                selections = op.sources.iter().map(|source| self.select(op, source)).collect::<Result<_>>()?;
                let contents: Vec<String> = selections.iter().map(|selection| selection.digest.clone()).collect();
                copy_key(op, below, &contents)
            }
            Op::Workdir(op) => workdir_key(op, below),
            Op::Run(op) => {
                let shown =
                    op.mounts.iter().map(|mount| self.shown(mount, &mut selections)).collect::<Result<Vec<_>>>()?;
                let defaults = self.executor.request.run;
                let around = RunSurroundings { network: effective_network(op, defaults), hosts: &host_lines(defaults) };
                run_key(op, below, &shown, &around)
            }
            Op::Scratch | Op::Base(_) | Op::NamedContext(_) | Op::Download(_) | Op::Git(_) => {
                return Err(self.not_a_layer());
            }
        };
        let key = key.with_about(about(self.executor, self.node));
        Ok(Some(Prepared { key, selections: Mutex::new(selections) }))
    }

    /// The key below, and the files or keys of what is copied from or mounted.
    fn needs_of_key(&self) -> Vec<Need> {
        let mut needs: Vec<Need> = self.node.inputs.first().map(|below| Need::Key(*below)).into_iter().collect();
        let rest = self.node.inputs.iter().skip(1);
        needs.extend(match &self.node.op {
            Op::Copy(_) => rest.map(|input| Need::Outcome(*input)).collect::<Vec<_>>(),
            _ => rest.map(|input| Need::Key(*input)).collect(),
        });
        needs
    }

    fn select(&self, op: &CopyOp, source: &CopySource) -> Result<Selection> {
        match source {
            CopySource::Inline { name, content } => Ok(Selection::known(selection::inline_digest(name, content))),
            CopySource::Files(files) => match files.from {
                FilesFrom::Node(node) if self.executor.context(files.from).is_none() => {
                    self.select_in_stage(op, files, node)
                }
                from => self.in_context(from, |tree| selection::look(tree, files, &op.excludes, self.threads())),
            },
            CopySource::Download { node, name, unpack } => {
                let files = files_of_download(*node, (name, *unpack));
                self.select_in_stage(op, &files, *node)
            }
            CopySource::Repository { node } => self.select_in_stage(op, &files_of_repository(*node), *node),
        }
    }

    fn select_in_stage(&self, op: &CopyOp, files: &CopyFiles, node: NodeId) -> Result<Selection> {
        let stack = self.stack_of(node);
        let store = self.executor.env.store;
        let remembered = Remembered::of(&stack, files, &op.excludes);
        if let Some(digest) = remembered.recall(store)? {
            return Ok(Selection::known(digest));
        }
        let view = self.sight().view(&stack)?;
        let selection = selection::look(&SourceTree::of_image(view.root()), files, &op.excludes, self.threads())?;
        remembered.remember(store, &selection.digest)?;
        Ok(selection)
    }

    /// Works on the context; where there is none, on an empty directory.
    fn in_context<T>(&self, from: FilesFrom, work: impl FnOnce(&SourceTree<'_>) -> Result<T>) -> Result<T> {
        match self.executor.context(from) {
            Some(context) => work(&context.tree().with_threads(self.threads())),
            None => {
                let staging = self.executor.env.store.staging()?;
                work(&SourceTree::of_image(&Root::open(staging.path())?))
            }
        }
    }

    /// What a mount shows, as a text for the key; files of the context join `selections`.
    fn shown(&self, mount: &Mount, selections: &mut Vec<Selection>) -> Result<String> {
        let (MountKind::Bind { from, source } | MountKind::Cache { from, source, .. }) = &mount.kind else {
            return Ok(String::new());
        };
        match from {
            FilesFrom::Node(node) if self.executor.context(*from).is_none() => {
                let prepared = self.executor.prepared(*node).map_err(|_| BuildError::Cancelled)?;
                Ok(prepared.key.key.0.to_string())
            }
            FilesFrom::Empty => Ok("nothing".to_owned()),
            from => self.in_context(*from, |tree| {
                let selection = Selection::of(tree, vec![select_exact(tree, Path::new(source))?], self.threads())?;
                let digest = selection.digest.clone();
                selections.push(selection);
                Ok(digest)
            }),
        }
    }

    /// Makes the node's layer. All inputs have their outcomes.
    pub(crate) fn execute(&self, prepared: &Prepared) -> Result<(Layer, StepUsage)> {
        let start = Instant::now();
        let below = self.below(prepared)?;
        if let Op::Copy(op) = &self.node.op {
            let layer = self.execute_copy(op, &below, prepared)?;
            return Ok((layer, StepUsage { elapsed: start.elapsed(), ..StepUsage::default() }));
        }
        let snapshot = match &self.node.op {
            Op::Run(_) => self.sight().prepare_for_run(&below)?,
            _ => self.sight().prepare(&below)?,
        };
        let mut usage = StepUsage::default();
        match &self.node.op {
            Op::Run(op) => match self.run(op, &snapshot) {
                Ok(used) => usage = used,
                Err(error) => return Err(self.inspect(op, (snapshot, &below), error)),
            },
            Op::Workdir(op) => make_workdir(op, snapshot.root(), self.means())?,
            Op::Copy(_) | Op::Scratch | Op::Base(_) | Op::NamedContext(_) | Op::Download(_) | Op::Git(_) => {}
        }
        self.executor.stop.check()?;
        let layer = snapshot.commit()?;
        usage.elapsed = start.elapsed();
        Ok((layer, usage))
    }

    /// Makes the layer of a copy: whole, or what changed over what the same copy made before.
    fn execute_copy(&self, op: &CopyOp, below: &Stack, prepared: &Prepared) -> Result<Layer> {
        let store = self.executor.env.store;
        let selections = std::mem::take(&mut *prepared.selections.lock().unwrap_or_else(PoisonError::into_inner));
        let place = CopyPlace::of(op, below, store).filter(|_| self.executor.request.cache == CacheUse::Use);
        let previous = match (&place, selections.first()) {
            (Some(place), Some(selection)) => place.previous(store, selection)?,
            _ => None,
        };
        let digest = selections.first().map(|selection| selection.digest.clone());
        let stack = previous.as_ref().map_or(below.clone(), |previous| below.with(previous.layer.clone()));
        let snapshot = self.sight().prepare(&stack)?;
        let means = Means { changed: previous.as_ref().map(|previous| &previous.changed), ..self.means() };
        self.copy(op, selections, (snapshot.root(), means))?;
        self.executor.stop.check()?;
        let layer = match &previous {
            Some(previous) => snapshot.commit_onto(&previous.layer)?,
            None => snapshot.commit()?,
        };
        if let (Some(place), Some(digest)) = (place, digest) {
            place.remember(store, &digest, layer.id())?;
        }
        Ok(layer)
    }

    /// What has to be seen of the layers below.
    fn below(&self, prepared: &Prepared) -> Result<Stack> {
        if matches!(&self.node.op, Op::Copy(op) if op.link) {
            return Ok(Stack::default());
        }
        let below = self.stack_of(self.node.inputs[0]);
        let present = self.sight().present(&below)?;
        if present == below {
            return Ok(below);
        }
        let selections = prepared.selections.lock().unwrap_or_else(PoisonError::into_inner);
        let config = self.executor.base_config(self.node.inputs[0]);
        let sees = config.map_or(Sees::Files, |config| blind::sees(&self.node.op, &selections, config));
        let is_reproducible = self.executor.plan.settings.epoch.is_some();
        Ok(match sees {
            Sees::Nothing => present,
            Sees::Dates if !is_reproducible => present,
            Sees::Dates | Sees::Files => below,
        })
    }

    fn copy(&self, op: &CopyOp, selections: Vec<Selection>, (root, means): (&Root, Means<'_>)) -> Result<()> {
        let copier = Copier::new(op, root, means)?;
        let store = self.executor.env.store;
        let mut selections = selections.into_iter();
        for source in &op.sources {
            let known = selections.next().and_then(|selection| selection.matches);
            match source {
                CopySource::Inline { name, content } => {
                    let (_staging, staged) = selection::inline_tree(store, name, content)?;
                    let tree = SourceTree::of_build(&staged);
                    let found = select_exact(&tree, Path::new(name))?;
                    copier.copy(&tree, &[found], Archives::Copy)?;
                }
                CopySource::Files(files) => self.copy_files(&copier, files, known)?,
                CopySource::Download { node, name, unpack } => {
                    self.copy_files(&copier, &files_of_download(*node, (name, *unpack)), known)?;
                }
                CopySource::Repository { node } => {
                    self.copy_files(&copier, &files_of_repository(*node), known)?;
                }
            }
        }
        Ok(())
    }

    fn copy_files(&self, copier: &Copier<'_>, files: &CopyFiles, known: Option<Vec<Match>>) -> Result<()> {
        let archives = if files.unpack { Archives::Unpack } else { Archives::Copy };
        let copy = |tree: &SourceTree<'_>| {
            let matches = match known {
                Some(matches) => matches,
                None => selection::matches(tree, files, &copier.op().excludes)?,
            };
            copier.copy(tree, &matches, archives)
        };
        match files.from {
            FilesFrom::Node(node) if self.executor.context(files.from).is_none() => {
                let view = self.sight().view(&self.stack_of(node))?;
                copy(&SourceTree::of_image(view.root()))
            }
            from => self.in_context(from, copy),
        }
    }

    /// What is asked for when a command fails; the error is the command's, or says why nothing could be looked at.
    fn inspect(&self, op: &RunOp, (snapshot, below): (ActiveSnapshot, &Stack), error: BuildError) -> BuildError {
        if !matches!(error, BuildError::Exit { .. } | BuildError::OutOfMemory { .. }) || !self.executor.fail_first() {
            return error;
        }
        let (events, step) = (self.executor.env.events, StepId(self.id.0));
        let looked = match self.executor.request.run.on_error {
            OnError::Stop => Ok(()),
            OnError::Shell => {
                events.event(Event::Inspecting { step });
                // The other steps are stopped by now; what they held is waited for.
                let (defaults, cancel) = (self.executor.request.run, self.executor.env.cancel);
                let run = Run { op, defaults, cancel, output: &|_, _| () };
                let means = Means { threads: self.threads(), cancel, changed: None };
                self.with_mounts((op, means), |mounts| inspect::shell(&run, &snapshot, mounts))
            }
            OnError::Keep => inspect::keep(self.executor.env.store, (op, below), snapshot)
                .map(|image| events.event(Event::Kept { step, image })),
        };
        looked.err().unwrap_or(error)
    }

    /// Works with the mounts of `op`.
    fn with_mounts<T>(
        &self,
        (op, means): (&RunOp, Means<'_>),
        work: impl FnOnce(&mut MountSet) -> Result<T>,
    ) -> Result<T> {
        let maker = MountMaker {
            sight: self.sight(),
            context: &|from| self.executor.context(from),
            defaults: self.executor.request.run,
            namespace: self.executor.plan.settings.cache_mount_namespace.as_deref(),
            stack_of: &|node| self.stack_of(node),
            means,
        };
        work(&mut maker.make(&op.mounts)?)
    }

    fn run(&self, op: &RunOp, snapshot: &ActiveSnapshot) -> Result<StepUsage> {
        let output = |stream: OutputStream, bytes: Vec<u8>| {
            self.executor.env.events.event(Event::Output { step: StepId(self.id.0), stream, bytes });
        };
        let run = Run { op, defaults: self.executor.request.run, cancel: &self.executor.stop, output: &output };
        let usage = self.with_mounts((op, self.means()), |mounts| run.execute(snapshot, mounts))?;
        let cpu = Some(usage.user_time + usage.system_time);
        Ok(StepUsage { cpu, peak_memory: Some(usage.peak_memory), ..StepUsage::default() })
    }

    /// What [`check_support`](super::check_support) keeps from here.
    fn not_a_layer(&self) -> BuildError {
        BuildError::Unsupported(format!("`{}`", self.node.display))
    }

    fn stack_of(&self, node: NodeId) -> Stack {
        self.executor.outcome(node).map(|outcome| outcome.stack.clone()).unwrap_or_default()
    }

    fn sight(&self) -> Sight<'a> {
        Sight { store: self.executor.env.store, images: self.executor.env.images }
    }

    fn threads(&self) -> usize {
        self.executor.threads
    }

    fn means(&self) -> Means<'a> {
        Means { threads: self.threads(), cancel: &self.executor.stop, changed: None }
    }
}

/// The file of a download as files of the root that its node makes.
fn files_of_download(node: NodeId, (name, unpack): (&str, bool)) -> CopyFiles {
    let path = format!("/{}", escaped(name));
    CopyFiles { from: FilesFrom::Node(node), written: name.to_owned(), path, parents: None, unpack }
}

/// The name as a pattern that matches nothing else.
fn escaped(name: &str) -> String {
    name.chars().flat_map(|c| matches!(c, '*' | '?' | '[' | '\\').then_some('\\').into_iter().chain([c])).collect()
}

/// All files of a repository.
fn files_of_repository(node: NodeId) -> CopyFiles {
    let all = || "/".to_owned();
    CopyFiles { from: FilesFrom::Node(node), written: all(), path: all(), parents: None, unpack: false }
}
