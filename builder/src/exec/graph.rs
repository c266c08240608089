//! Which steps are executed, and when: the plan's graph, asked from its target downwards.
//!
//! Each node has a key and an outcome, each found out once, by whoever needs it first; others wait. A node's outcome is
//! looked up by its key before its inputs are asked for theirs, so that what stands below a hit is not touched, and a
//! miss ends no look-ups: what does not depend on it still hits. Nodes that do not need each other run in parallel.
//!
//! The first failure stops the rest, and is the build's.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Mutex, OnceLock, PoisonError};

use dhow_layer_store::oci::ImageConfig;
use dhow_layer_store::{CacheRecord, LayerId, Stack};

use crate::cache::{MissReason, StepKey, StepLock, Wait, base_key, explain, scratch_key};
use crate::cancel::CancelToken;
use crate::context::BuildContext;
use crate::error::{BuildError, Result};
use crate::event::{Event, StepId};
use crate::exec::selection::Selection;
use crate::exec::slots::Slots;
use crate::exec::step::Step;
use crate::plan::{BaseImage, FilesFrom, Node, NodeId, Op, Plan};
use crate::request::{BuildEnv, BuildRequest, CacheUse, OnError};
use crate::source_image::ResolvedImage;

/// Room for as deep a recursion as the longest Dockerfile needs; only what is used takes memory.
pub(crate) const STACK_SIZE: usize = 64 << 20;

/// What a node came to.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// The layers of its root, its own on top.
    pub(crate) stack: Stack,
    /// When it was made, RFC 3339.
    pub(crate) created: Option<String>,
}

/// A node's key, and what was found out on the way to it.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) key: StepKey,
    /// One for each source of a copy, or for each mount of files of the context; empty for other nodes.
    pub(crate) selections: Mutex<Vec<Selection>>,
}

#[derive(Debug, Default)]
struct Cell {
    prepared: OnceLock<Option<Prepared>>,
    outcome: OnceLock<Option<Outcome>>,
    is_told: AtomicBool,
}

/// A node failed; the failure itself is kept by the executor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StepFailure;

/// Something that must be known before a node can go on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Need {
    Key(NodeId),
    Outcome(NodeId),
}

/// What a plan stands on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sources<'a> {
    pub(crate) images: &'a BTreeMap<BaseImage, ResolvedImage>,
    pub(crate) contexts: &'a BTreeMap<String, BuildContext>,
}

/// Executes a plan.
pub(crate) struct Executor<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) request: &'a BuildRequest<'a>,
    pub(crate) env: BuildEnv<'a>,
    sources: Sources<'a>,
    /// Takes layers of the image as they are made, to have their diff ids computed.
    layers: Mutex<Option<Sender<LayerId>>>,
    /// Cancelled with the build, and by the first failure.
    pub(crate) stop: CancelToken,
    slots: Slots,
    /// Threads that one step may use for files.
    pub(crate) threads: usize,
    cells: Vec<Cell>,
    failure: Mutex<Option<BuildError>>,
    has_failed: AtomicBool,
}

impl<'a> Executor<'a> {
    /// An executor of `plan`; `sources` holds all its base images and named contexts.
    pub(crate) fn new(
        plan: &'a Plan,
        (request, env): (&'a BuildRequest<'a>, BuildEnv<'a>),
        sources: Sources<'a>,
        layers: Sender<LayerId>,
    ) -> Self {
        Self {
            plan,
            request,
            env,
            sources,
            layers: Mutex::new(Some(layers)),
            stop: env.cancel.below(),
            slots: Slots::new(request.jobs),
            threads: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            cells: plan.nodes.iter().map(|_| Cell::default()).collect(),
            failure: Mutex::new(None),
            has_failed: AtomicBool::new(false),
        }
    }

    /// Executes what the targets need.
    pub(crate) fn run(&self) -> Result<()> {
        let targets: Vec<Need> = self.plan.images.iter().map(|image| Need::Outcome(image.target)).collect();
        self.need(&targets).map_err(|StepFailure| self.take_failure())
    }

    /// When a node below the target was made; `None` if its record is gone.
    pub(crate) fn created(&self, id: NodeId) -> Result<Option<String>> {
        if let Some(outcome) = self.cells[id.0].outcome.get() {
            return Ok(outcome.as_ref().and_then(|outcome| outcome.created.clone()));
        }
        let prepared = self.prepared(id).map_err(|StepFailure| self.take_failure())?;
        Ok(self.recall(prepared)?.map(|record| record.created))
    }

    /// What the node `id` came to.
    pub(crate) fn finished(&self, id: NodeId) -> Result<&Outcome> {
        self.outcome(id).map_err(|StepFailure| self.take_failure())
    }

    fn take_failure(&self) -> BuildError {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failure.unwrap_or(BuildError::Cancelled)
    }

    /// The key of `id`.
    pub(crate) fn prepared(&self, id: NodeId) -> Result<&Prepared, StepFailure> {
        let find = || self.attempt(id, || self.prepare(id));
        self.cells[id.0].prepared.get_or_init(find).as_ref().ok_or(StepFailure)
    }

    /// The outcome of `id`, from the cache or by executing it.
    pub(crate) fn outcome(&self, id: NodeId) -> Result<&Outcome, StepFailure> {
        let find = || self.attempt(id, || self.find_outcome(id));
        self.cells[id.0].outcome.get_or_init(find).as_ref().ok_or(StepFailure)
    }

    /// Finds out several things, in parallel.
    pub(crate) fn need(&self, needs: &[Need]) -> Result<(), StepFailure> {
        let find = |need: &Need| match need {
            Need::Key(id) => self.prepared(*id).map(drop),
            Need::Outcome(id) => self.outcome(*id).map(drop),
        };
        let open: Vec<&Need> = needs.iter().filter(|need| !self.is_known(**need)).collect();
        let Some((last, others)) = open.split_last() else { return needs.iter().try_for_each(find) };
        std::thread::scope(|scope| {
            let spawn =
                |need| std::thread::Builder::new().stack_size(STACK_SIZE).spawn_scoped(scope, move || find(need));
            // Where no thread can be had, this one does the work.
            let threads: Vec<_> = others.iter().map(|need| spawn(*need).map_err(|_| *need)).collect();
            let mut result = find(last);
            for thread in threads {
                result = result.and(match thread {
                    Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                    Err(need) => find(need),
                });
            }
            result
        })
    }

    fn is_known(&self, need: Need) -> bool {
        match need {
            Need::Key(id) => self.cells[id.0].prepared.get().is_some(),
            Need::Outcome(id) => self.cells[id.0].outcome.get().is_some(),
        }
    }

    /// Keeps the first failure, and stops the others. `Ok(None)` stands for a failure that is kept already.
    fn attempt<T>(&self, id: NodeId, work: impl FnOnce() -> Result<Option<T>>) -> Option<T> {
        let result = self.stop.check().and_then(|()| work());
        result.unwrap_or_else(|error| {
            let node = self.plan.node(id);
            let error = match error {
                BuildError::Cancelled => BuildError::Cancelled,
                source => BuildError::Step { name: node.display.clone(), span: node.span, source: Box::new(source) },
            };
            let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
            // A step that is looked at before it is told stops the others first.
            if failure.as_ref().is_none_or(|failure| matches!(failure, BuildError::Cancelled)) {
                *failure = Some(error);
            }
            drop(failure);
            self.stop.cancel();
            None
        })
    }

    /// Whether a step that fails is the first, and its sandbox is to be looked at; the other steps are stopped then.
    pub(crate) fn fail_first(&self) -> bool {
        if self.request.run.on_error == OnError::Stop {
            return false;
        }
        let is_first = !self.stop.is_cancelled() && !self.has_failed.swap(true, Ordering::Relaxed);
        self.stop.cancel();
        is_first
    }

    fn prepare(&self, id: NodeId) -> Result<Option<Prepared>> {
        let node = self.plan.node(id);
        let key = match &node.op {
            // Whoever shows the files of a context keys them itself.
            Op::Scratch | Op::NamedContext(_) => scratch_key(),
            Op::Base(image) => base_key(&self.base(image)?.config.rootfs.diff_ids),
            _ => return Step { executor: self, id, node }.prepare(),
        };
        Ok(Some(Prepared { key, selections: Mutex::default() }))
    }

    pub(crate) fn base(&self, image: &BaseImage) -> Result<&ResolvedImage> {
        self.sources.images.get(image).ok_or_else(|| BuildError::Unsupported(format!("the context `{}`", image.name())))
    }

    /// The context that `from` leads to, if it leads to one that is there.
    pub(crate) fn context(&self, from: FilesFrom) -> Option<&'a BuildContext> {
        match from {
            FilesFrom::Context => self.request.context,
            FilesFrom::Empty => None,
            FilesFrom::Node(id) => match &self.plan.node(id).op {
                Op::NamedContext(name) => self.sources.contexts.get(name),
                _ => None,
            },
        }
    }

    /// The config of the image that the node `id` stands on, if it stands on one.
    pub(crate) fn base_config(&self, id: NodeId) -> Option<&ImageConfig> {
        let mut node = self.plan.node(id);
        loop {
            match &node.op {
                Op::Base(image) => return self.sources.images.get(image).map(|resolved| &resolved.config),
                _ => node = self.plan.node(*node.inputs.first()?),
            }
        }
    }

    fn find_outcome(&self, id: NodeId) -> Result<Option<Outcome>> {
        let node = self.plan.node(id);
        match &node.op {
            Op::Scratch | Op::NamedContext(_) => {
                return Ok(Some(Outcome { stack: Stack::default(), created: None }));
            }
            Op::Base(image) => {
                let stack = self.base(image)?.stack.clone();
                return Ok(Some(Outcome { stack, created: None }));
            }
            Op::Download(op) => return Step { executor: self, id, node }.download(op).map(Some),
            Op::Git(op) => return Step { executor: self, id, node }.repository(op).map(Some),
            _ => {}
        }
        let Ok(prepared) = self.prepared(id) else { return Ok(None) };
        if let Some(record) = self.recall(prepared)? {
            return self.hit(id, record);
        }
        let inputs: Vec<Need> = node.inputs.iter().map(|input| Need::Outcome(*input)).collect();
        if self.need(&inputs).is_err() {
            return Ok(None);
        }
        let on_wait = || self.tell(Event::Waiting { step: StepId(id.0) });
        let lock =
            StepLock::acquire(self.env.store, &prepared.key.key, Wait { cancel: &self.stop, on_wait: &on_wait })?;
        if let Some(record) = self.recall(prepared)? {
            return self.hit(id, record);
        }
        let outcome = self.execute(id, node, prepared);
        drop(lock);
        outcome.map(Some)
    }

    fn recall(&self, prepared: &Prepared) -> Result<Option<CacheRecord>> {
        match self.request.cache {
            CacheUse::Use => Ok(self.env.store.record(&prepared.key.key)?),
            CacheUse::Ignore | CacheUse::Bypass => Ok(None),
        }
    }

    fn hit(&self, id: NodeId, record: CacheRecord) -> Result<Option<Outcome>> {
        let node = self.plan.node(id);
        let mut stack = record.stack;
        if let (true, Some(layer)) = (is_linked(node), &record.layer) {
            let Ok(below) = self.outcome(node.inputs[0]) else { return Ok(None) };
            stack = below.stack.with(layer.clone());
        }
        self.tell_cached(id);
        self.send_layer(id, record.layer.as_ref());
        Ok(Some(Outcome { stack, created: Some(record.created) }))
    }

    fn execute(&self, id: NodeId, node: &Node, prepared: &Prepared) -> Result<Outcome> {
        let _slot = self.slots.take();
        self.stop.check()?;
        for selection in prepared.selections.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // Without it an explanation is shorter; no reason to fail.
            let _ = selection.save_listing(self.env.store);
        }
        if self.env.events.wants_reasons() {
            let reasons = match self.request.cache {
                CacheUse::Use => explain(self.env.store, &prepared.key, &node.display)?,
                CacheUse::Ignore | CacheUse::Bypass => vec![MissReason::NotAsked],
            };
            self.tell(Event::Missed { step: StepId(id.0), reasons });
        }
        self.cells[id.0].is_told.store(true, Ordering::Relaxed);
        self.tell(Event::Started { step: StepId(id.0) });
        let executed = Step { executor: self, id, node }.execute(prepared);
        let (layer, mut usage) = executed.inspect_err(|error| self.tell_failed(id, error))?;
        usage.bytes_written = layer.disk_size();
        let below = self.outcome(node.inputs[0]).map_err(|StepFailure| BuildError::Cancelled)?;
        let stack = below.stack.with(layer.id().clone());
        let record = CacheRecord::new(Some(layer.id().clone()), stack.clone(), prepared.key.inputs.clone());
        let record = record.named(&node.display).sized(usage.bytes_written);
        if self.request.cache != CacheUse::Bypass {
            self.env.store.put_record(&prepared.key.key, &record)?;
        }
        self.send_layer(id, record.layer.as_ref());
        self.tell(Event::Finished { step: StepId(id.0), usage });
        Ok(Outcome { stack, created: Some(record.created) })
    }

    fn send_layer(&self, id: NodeId, layer: Option<&LayerId>) {
        let is_of_image = self.plan.images.iter().any(|image| image.layers.contains(&id));
        if let (true, Some(layer)) = (is_of_image, layer) {
            // Without a taker the diff id is computed when it is needed.
            let layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = layers.as_ref().map(|layers| layers.send(layer.clone()));
        }
    }

    /// No more layers come.
    pub(crate) fn finish_layers(&self) {
        self.layers.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Tells of a hit, and first of everything below that nobody had to ask for.
    fn tell_cached(&self, id: NodeId) {
        if self.cells[id.0].is_told.swap(true, Ordering::Relaxed) {
            return;
        }
        let node = self.plan.node(id);
        node.inputs.iter().for_each(|input| self.tell_cached(*input));
        if node.op.makes_layer() {
            self.tell(Event::Cached { step: StepId(id.0) });
        }
    }

    fn tell_failed(&self, id: NodeId, error: &BuildError) {
        let step = StepId(id.0);
        let is_stopped = matches!(error, BuildError::Cancelled);
        self.tell(if is_stopped { Event::Stopped { step } } else { Event::Failed { step } });
    }

    fn tell(&self, event: Event) {
        self.env.events.event(event);
    }
}

/// Whether the layer of `node` is the same on whatever it stands.
fn is_linked(node: &Node) -> bool {
    matches!(&node.op, Op::Copy(copy) if copy.link)
}
