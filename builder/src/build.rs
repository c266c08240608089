//! The whole pipeline: parse, resolve bases, plan, execute, assemble.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, channel};

use dhow_layer_store::oci::{ImageId, Platform};
use dhow_layer_store::{LayerId, Store};

use crate::assemble::assemble;
use crate::context::BuildContext;
use crate::diagnostic::{Diagnostic, Paint};
use crate::dockerfile::ast::Stage;
use crate::dockerfile::{Dockerfile, Parsed, parse};
use crate::epoch::{Settled, settle};
use crate::error::{BuildError, Result};
use crate::event::{Event, StepId};
use crate::exec::{Executor, STACK_SIZE, Sight, Sources, check_platforms, check_support};
use crate::lint::{self, Check};
use crate::plan::{BaseImage, BaseSource, Bases, Op, Options, Plan, StepNames, bases, join, lower, problems};
use crate::request::{BuildEnv, BuildRequest};
use crate::source::Span;
use crate::source_image::ResolvedImage;
use crate::suggest;

/// What a build made.
#[derive(Debug, Clone)]
pub struct Built {
    /// The image. It has no name yet.
    pub image: ImageId,
    /// What the rules found in the Dockerfile, and what is dubious about the rules that it names.
    pub findings: Vec<Diagnostic>,
    /// The layers that the target's steps made, lowest first, as they were before `SOURCE_DATE_EPOCH` or `--squash` made
    /// others of them.
    pub layers: Vec<BuiltLayer>,
    /// The date that `SOURCE_DATE_EPOCH` stands for, in seconds since 1970.
    pub epoch: Option<i64>,
}

/// A layer that a step of the target made, now or in an earlier build.
#[derive(Debug, Clone)]
pub struct BuiltLayer {
    /// The step.
    pub step: StepId,
    /// Its instruction in the Dockerfile.
    pub span: Span,
    /// The layer.
    pub layer: LayerId,
}

/// Builds the image of a Dockerfile's target.
///
/// # Errors
/// Everything in [`BuildError`]. The store then is as it was, but for the results of finished steps.
pub fn build(request: &BuildRequest<'_>, env: BuildEnv<'_>) -> Result<Built> {
    let built = build_each(request, std::slice::from_ref(request.options), env)?;
    built.into_iter().next().ok_or(BuildError::Cancelled)
}

/// Builds an image for each of `platforms`, in their order. They share the places for steps, and what is the same for
/// several is done once; the first failure ends all.
///
/// # Errors
/// As of [`build`].
pub fn build_platforms(request: &BuildRequest<'_>, platforms: &[Platform], env: BuildEnv<'_>) -> Result<Vec<Built>> {
    let options = |platform: &Platform| Options {
        platform: Some(platform.clone()),
        step_names: StepNames::WithPlatform,
        ..request.options.clone()
    };
    build_each(request, &platforms.iter().map(options).collect::<Vec<_>>(), env)
}

fn build_each(request: &BuildRequest<'_>, platforms: &[Options], env: BuildEnv<'_>) -> Result<Vec<Built>> {
    let parsed = parse(request.dockerfile);
    if parsed.has_errors() {
        return Err(wrong(&parsed, request, (request.options, &Bases::new())));
    }
    warn(request, env, &parsed.diagnostics);
    let settled = settle_once(&parsed, (request, env), platforms)?;
    let mut images = BTreeMap::new();
    let (mut plans, mut findings) = (Vec::new(), Vec::new());
    for options in platforms {
        let options = options.with_epoch(settled.seconds);
        let (plan, found) = plan(&parsed, (request, env), (&options, &mut images))?;
        plans.push(plan);
        findings.push(found);
    }
    let Some(plan) = join(plans) else { return Ok(Vec::new()) };
    warn(request, env, &plan.warnings);
    env.events.event(Event::Planned { steps: plan.nodes.iter().map(|node| node.display.clone()).collect() });
    let contexts = open_contexts(&plan, env, settled.contexts)?;
    let built = execute(&plan, (request, env), Sources { images: &images, contexts: &contexts })?;
    Ok(built.into_iter().zip(findings).map(|(built, findings)| Built { findings, ..built }).collect())
}

/// Finds out the date of `SOURCE_DATE_EPOCH`, which is one for all platforms.
fn settle_once(
    parsed: &Parsed,
    (request, env): (&BuildRequest<'_>, BuildEnv<'_>),
    platforms: &[Options],
) -> Result<Settled> {
    let options = platforms.first().unwrap_or(request.options);
    let request = &BuildRequest { options, ..*request };
    settle(&parsed.dockerfile, (request, env)).map_err(|error| match error {
        BuildError::Dockerfile(_) => wrong(parsed, request, (options, &Bases::new())),
        other => other,
    })
}

/// The plan for one platform, which can be executed here, and what the rules find; its images join `images`.
fn plan(
    parsed: &Parsed,
    (request, env): (&BuildRequest<'_>, BuildEnv<'_>),
    (options, images): (&Options, &mut BTreeMap<BaseImage, ResolvedImage>),
) -> Result<(Plan, Vec<Diagnostic>)> {
    let dockerfile = &parsed.dockerfile;
    let nearest = |error| with_nearest_stage(error, dockerfile);
    let configs = resolve_bases(parsed, (request, env), (options, images)).map_err(nearest)?;
    let plan = lower(dockerfile, options, &configs).map_err(BuildError::Dockerfile)?;
    let findings = apply_rules(dockerfile, request, (options, &configs))?;
    check_support(&plan)?;
    resolve_others(&plan, (request, env), images).map_err(nearest)?;
    check_platforms(&plan, options, images, Sight { store: env.store, images: env.images })?;
    Ok((plan, findings))
}

/// Everything that is wrong with the file.
fn wrong(parsed: &Parsed, request: &BuildRequest<'_>, (options, bases): (&Options, &Bases)) -> BuildError {
    BuildError::Dockerfile(problems(request.dockerfile, parsed, options, bases))
}

/// What the rules find; an error where the file says that it is one.
fn apply_rules(
    dockerfile: &Dockerfile,
    request: &BuildRequest<'_>,
    (options, bases): (&Options, &Bases),
) -> Result<Vec<Diagnostic>> {
    let ignore = request.context.map(BuildContext::ignore_rules);
    let check = Check { source: request.dockerfile, dockerfile, options, bases, ignore };
    let report = lint::check(&check).map_err(|error| BuildError::Dockerfile(vec![*error]))?;
    let mut findings = report.remarks;
    findings.extend(report.findings);
    match report.violation {
        Some(violation) => Err(BuildError::Dockerfile(findings.into_iter().chain([violation]).collect())),
        None => Ok(findings),
    }
}

fn warn(request: &BuildRequest<'_>, env: BuildEnv<'_>, warnings: &[Diagnostic]) {
    for warning in warnings {
        env.events.event(Event::Warning { text: warning.render(request.dockerfile, Paint::Plain) });
    }
}

/// Asks for the base images that the target needs, and for those that their triggers need, unless `images` has them; returns
/// their configs.
fn resolve_bases(
    parsed: &Parsed,
    (request, env): (&BuildRequest<'_>, BuildEnv<'_>),
    (options, images): (&Options, &mut BTreeMap<BaseImage, ResolvedImage>),
) -> Result<Bases> {
    let mut configs: Bases = images.iter().map(|(image, resolved)| (image.clone(), resolved.config.clone())).collect();
    loop {
        let missing = bases(&parsed.dockerfile, options, &configs);
        let missing = missing.map_err(|_| wrong(parsed, request, (options, &configs)))?;
        if missing.is_empty() {
            return Ok(configs);
        }
        for base in missing {
            let resolved = resolve(&base.image, base.span, (request, env))?;
            configs.insert(base.image.clone(), resolved.config.clone());
            images.insert(base.image, resolved);
        }
    }
}

/// Asks for the images that are only copied from or mounted.
fn resolve_others(
    plan: &Plan,
    (request, env): (&BuildRequest<'_>, BuildEnv<'_>),
    images: &mut BTreeMap<BaseImage, ResolvedImage>,
) -> Result<()> {
    for node in &plan.nodes {
        if let Op::Base(image) = &node.op
            && !images.contains_key(image)
        {
            images.insert(image.clone(), resolve(image, node.span, (request, env))?);
        }
    }
    Ok(())
}

fn resolve(image: &BaseImage, span: Span, (request, env): (&BuildRequest<'_>, BuildEnv<'_>)) -> Result<ResolvedImage> {
    env.cancel.check()?;
    let reference = match &image.source {
        BaseSource::Image(reference) => reference,
        BaseSource::NamedContext(name) => {
            let found = env.contexts.image(name, &image.platform);
            return found.map_err(|source| BuildError::Context { name: name.clone(), source });
        }
    };
    let resolved = env.images.resolve(reference, &image.platform, request.pull);
    resolved.map_err(|source| BuildError::Image { reference: Box::new(reference.clone()), span, nearest: None, source })
}

/// An image that cannot be had may be a stage that is misspelt.
fn with_nearest_stage(mut error: BuildError, dockerfile: &Dockerfile) -> BuildError {
    if let BuildError::Image { reference, nearest, .. } = &mut error {
        let name = reference.familiar();
        let name = name.strip_suffix(":latest").unwrap_or(&name);
        *nearest = suggest::nearest(name, dockerfile.stages.iter().filter_map(Stage::name)).map(str::to_owned);
    }
    error
}

/// Opens the named contexts whose files the plan needs, apart from those that are open.
fn open_contexts(
    plan: &Plan,
    env: BuildEnv<'_>,
    mut contexts: BTreeMap<String, BuildContext>,
) -> Result<BTreeMap<String, BuildContext>> {
    for node in &plan.nodes {
        if let Op::NamedContext(name) = &node.op
            && !contexts.contains_key(name)
        {
            env.cancel.check()?;
            let opened = env.contexts.files(name);
            let opened = opened.map_err(|source| BuildError::Context { name: name.clone(), source })?;
            contexts.insert(name.clone(), opened);
        }
    }
    Ok(contexts)
}

/// Executes the plan; the diff ids of finished layers are computed meanwhile.
fn execute(plan: &Plan, (request, env): (&BuildRequest<'_>, BuildEnv<'_>), sources: Sources<'_>) -> Result<Vec<Built>> {
    let (sender, receiver) = channel();
    let executor = Executor::new(plan, (request, env), sources, sender);
    let executor = &executor;
    std::thread::scope(|scope| {
        let hashing = scope.spawn(move || compute_diff_ids(env.store, receiver));
        let main = std::thread::Builder::new().stack_size(STACK_SIZE).spawn_scoped(scope, move || executor.run());
        let main = main.map_err(BuildError::io("start", "a thread"));
        let joined = main.map(std::thread::ScopedJoinHandle::join);
        // Before a panic goes on: the other thread waits for more until it is told that there are none.
        executor.finish_layers();
        let result = joined.and_then(|joined| joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        let mut contexts = request.context.into_iter().chain(sources.contexts.values());
        let remembered = contexts.try_for_each(|context| context.remember(env.store));
        result.and(remembered)?;
        env.events.event(Event::Assembling);
        // A diff id that failed there fails again here, with its reason.
        let _ = hashing.join();
        plan.images.iter().map(|image| assemble(executor, image)).collect()
    })
}

fn compute_diff_ids(store: &Store, layers: Receiver<LayerId>) {
    for layer in layers {
        let _ = store.layer(&layer).and_then(|layer| layer.diff_id());
    }
}
