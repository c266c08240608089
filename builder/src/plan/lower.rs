//! Lowers stages in order, instruction by instruction, into one [`Plan`].

use dhow_layer_store::oci::ImageConfig;

use super::chain::Nodes;
use super::graph::{Node, NodeId, Plan, PlannedImage};
use super::history;
use super::observation::{Fact, Observation};
use super::op::{BaseImage, CopyFiles, CopyOp, CopySource, FilesFrom, Op};
use super::options::{Options, Selection};
use super::platform;
use super::settings;
use super::stage::{Progress, Shared, StageLowering, State, counts};
use super::stages::{Bases, From, FromKind, FromPlace, Stages};
use super::unset::unset;
use crate::diagnostic::Diagnostic;
use crate::dockerfile::Dockerfile;
use crate::dockerfile::ast::{Instruction, Statement};
use crate::dockerfile::env::Env;
use crate::source::Span;

/// The search path of images that set none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Plans the build of `dockerfile`. `bases` holds the configs of all base images that [`bases`](super::bases) names.
///
/// # Errors
/// Everything that is wrong, in the order of the text. A base that is missing from `bases` is one of these things.
pub fn lower(dockerfile: &Dockerfile, options: &Options, bases: &Bases) -> Result<Plan, Vec<Diagnostic>> {
    let mut diagnostics = Vec::new();
    let Some(stages) = Stages::new(dockerfile, options, bases, &mut diagnostics) else { return Err(diagnostics) };
    let settings = settings::settings(&stages, &mut diagnostics);
    diagnostics.extend(settings::unused_args(dockerfile, options, &stages.globals));
    let target = stages.target;
    let mut shared = lower_stages(dockerfile, stages, bases, diagnostics);
    let state = shared.states[target].take();
    match state {
        Some(state) if !shared.diagnostics.iter().any(Diagnostic::is_error) => Ok(finish(shared, state, settings)),
        _ => Err(shared.diagnostics),
    }
}

/// What comes to light when the selected stages are lowered, and what is wrong; base images that are not in `bases`
/// count as empty ones.
pub(crate) fn observe(
    dockerfile: &Dockerfile,
    options: &Options,
    bases: &Bases,
) -> (Vec<Observation>, Vec<Diagnostic>) {
    let mut bases = bases.clone();
    loop {
        let mut diagnostics = Vec::new();
        let Some(stages) = Stages::new(dockerfile, options, &bases, &mut diagnostics) else {
            return (Vec::new(), diagnostics);
        };
        if stages.requests.is_empty() {
            settings::settings(&stages, &mut diagnostics);
            let shared = lower_stages(dockerfile, stages, &bases, diagnostics);
            return (shared.observations, shared.diagnostics);
        }
        for request in stages.requests {
            let config = ImageConfig::new(&request.image.platform);
            bases.insert(request.image, config);
        }
    }
}

fn lower_stages<'a>(
    dockerfile: &Dockerfile,
    stages: Stages<'a>,
    bases: &'a Bases,
    diagnostics: Vec<Diagnostic>,
) -> Shared<'a> {
    let mut shared = Shared {
        nodes: Nodes::default(),
        states: vec![None; stages.nodes.len()],
        observations: stages.observations.clone(),
        escape: dockerfile.escape,
        diagnostics,
        options: stages.options,
        bases,
        stages,
    };
    for index in 0..shared.stages.nodes.len() {
        if shared.stages.nodes[index].needed {
            lower_stage(&mut shared, index);
        }
    }
    shared.diagnostics.sort_by_key(|diagnostic| diagnostic.primary.span.start);
    shared
}

/// Turns the state of the target into the plan, and drops nodes that nothing needs after all.
fn finish(shared: Shared<'_>, mut state: State, settings: super::Settings) -> Plan {
    let options = shared.options;
    if let Some(platform) = &options.platform {
        state.config.os.clone_from(&platform.os);
        state.config.architecture.clone_from(&platform.architecture);
        state.config.variant.clone_from(&platform.variant);
    }
    state.config.created = None;
    let labels = options.labels.iter().map(|(key, value)| (key.clone(), value.clone()));
    state.config.config.labels.extend(labels);
    let mut image = PlannedImage {
        target: state.root,
        base: state.base,
        layers: state.layers,
        config: state.config,
        base_history: state.base_history,
    };
    let mut nodes = shared.nodes.list;
    if options.selection == Selection::Needed {
        prune(&mut nodes, &mut image);
    }
    Plan { nodes, images: vec![image], settings, warnings: shared.diagnostics }
}

/// Keeps the nodes that the image needs, in order.
fn prune(nodes: &mut Vec<Node>, image: &mut PlannedImage) {
    let mut needed = vec![false; nodes.len()];
    needed[image.target.0] = true;
    for index in (0..nodes.len()).rev() {
        if needed[index] {
            nodes[index].inputs.iter().for_each(|input| needed[input.0] = true);
        }
    }
    let mut next = 0;
    let places: Vec<Option<NodeId>> = needed
        .iter()
        .map(|needed| {
            next += usize::from(*needed);
            needed.then(|| NodeId(next - 1))
        })
        .collect();
    let place = |id: NodeId| places[id.0].unwrap_or(id);
    let mut index = 0;
    nodes.retain(|_| {
        index += 1;
        needed[index - 1]
    });
    nodes.iter_mut().for_each(|node| node.relocate(place));
    image.relocate(place);
}

fn lower_stage(shared: &mut Shared<'_>, index: usize) {
    let node = &shared.stages.nodes[index];
    let (stage, replaced, base) = (node.stage, node.replaced, node.base.clone());
    let triggers = std::mem::take(&mut shared.stages.nodes[index].triggers);
    let statements: &[Statement] = if replaced { &[] } else { &stage.statements };
    let total = usize::from(matches!(base, From::Base(_) | From::Files(_)))
        + triggers.iter().filter(|trigger| counts(&trigger.statement.instruction)).count()
        + statements.iter().filter(|statement| counts(&statement.instruction)).count();
    let name = match stage.name() {
        _ if shared.stages.nodes.len() == 1 => String::new(),
        Some(name) => name.to_owned(),
        None => format!("stage-{index}"),
    };
    let platforms = shared.options.step_names;
    let mut progress = Progress { name, platforms, total, done: 0, prefix: "" };
    let Some(state) = begin(shared, index, &mut progress) else { return };
    let mut lowering = StageLowering { shared, state, index, commands: Vec::new(), statement: stage.span, progress };
    lowering.progress.prefix = "ONBUILD ";
    for trigger in &triggers {
        lowering.trigger(&trigger.statement, &trigger.text);
    }
    lowering.progress.prefix = "";
    for statement in statements {
        lowering.statement = statement.span;
        lowering.lower(statement);
    }
    let state = lowering.state;
    shared.states[index] = Some(state);
}

/// The state in which a stage begins: its base's, with what the reference always does to it.
fn begin(shared: &mut Shared<'_>, index: usize, progress: &mut Progress) -> Option<State> {
    let node = &shared.stages.nodes[index];
    let span = node.stage.span;
    let mut state = match node.base.clone() {
        From::Stage(base) => {
            let Some(mut state) = shared.states.get(base).cloned().flatten() else {
                refuse_order(shared, index, base);
                return None;
            };
            state.config.config.on_build.clear();
            state
        }
        From::Scratch => {
            let mut config = ImageConfig::new(shared.options.target_platform());
            config.config.working_dir = "/".to_owned();
            state_of(config, shared.nodes.scratch(span))
        }
        From::Base(image) => begin_base(shared, index, &image, progress)?,
        From::Files(name) => begin_files(shared, index, &name, progress),
    };
    let config = &mut state.config.config;
    if !config.env.iter().any(|variable| variable.starts_with("PATH=")) {
        config.env.push(format!("PATH={DEFAULT_PATH}"));
    }
    for variable in &config.env {
        let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
        state.env.set(name, value);
    }
    if !config.working_dir.is_empty() && !config.working_dir.starts_with('/') {
        config.working_dir = crate::pattern::clean(&format!("/{}", config.working_dir));
    }
    Some(state)
}

fn begin_base(shared: &mut Shared<'_>, index: usize, image: &BaseImage, progress: &mut Progress) -> Option<State> {
    let stage = shared.stages.nodes[index].stage;
    let mut config = match (shared.bases.get(image), shared.options.selection) {
        (Some(config), _) => {
            observe_platform(shared, index, image, config);
            config.clone()
        }
        (None, Selection::All) => ImageConfig::new(&image.platform),
        (None, Selection::Needed) => {
            let message = format!("the base image `{}` is not resolved", image.name());
            shared.diagnostics.push(Diagnostic::error("unresolved-base", stage.from.base.span, message));
            return None;
        }
    };
    config.config.on_build.clear();
    config.created = None;
    unset(&shared.stages, index, &mut config);
    let display = progress.next(&format!("FROM {}", image.name()), &platform::of_stage(&config));
    let node = shared.nodes.base(image, stage.span, display);
    Some(state_of(config, node))
}

/// All files of a context, as a copy on the empty root.
fn begin_files(shared: &mut Shared<'_>, index: usize, name: &str, progress: &mut Progress) -> State {
    let span = shared.stages.nodes[index].stage.span;
    let mut config = ImageConfig::new(shared.options.target_platform());
    config.config.working_dir = "/".to_owned();
    history::layer(&mut config, history::marked(&format!("FROM {name}")));
    let mut state = state_of(config, shared.nodes.scratch(span));
    state.base_history = 0;
    let files = shared.nodes.context(name, span);
    let all = CopyFiles {
        from: FilesFrom::Node(files),
        written: "/".to_owned(),
        path: "/".to_owned(),
        parents: None,
        unpack: false,
    };
    let op = CopyOp {
        sources: vec![CopySource::Files(all)],
        destination: "/".to_owned(),
        excludes: Vec::new(),
        owner: None,
        mode: None,
        link: false,
    };
    let display = progress.next(&format!("FROM {name}"), &platform::of_stage(&state.config));
    let inputs = vec![state.root, files];
    let root = shared.nodes.push(Node { op: Op::Copy(op), inputs, span, display, stage: Some(index) });
    state.root = root;
    state.layers.push(root);
    state
}

/// A stage that a later one takes the place of, or itself, by way of a named context.
fn refuse_order(shared: &mut Shared<'_>, index: usize, base: usize) {
    // A stage that failed has reported why.
    if base < index {
        return;
    }
    let (stage, later) = (shared.stages.nodes[index].stage, shared.stages.nodes[base].stage);
    let message = "the named context stands for a stage that is not above this one";
    let diagnostic = Diagnostic::error("stage-order", stage.from.base.span, message).also(later.span, "this stage");
    shared.diagnostics.push(diagnostic);
}

fn observe_platform(shared: &mut Shared<'_>, index: usize, image: &BaseImage, config: &ImageConfig) {
    let found = config.platform();
    let stage = shared.stages.nodes[index].stage;
    if found.os != image.platform.os || found.architecture != image.platform.architecture {
        let (wanted, found) = (image.platform.to_string(), found.to_string());
        let kind = Fact::OtherBasePlatform { image: image.name(), wanted, found };
        let span = stage.from.base.span;
        shared.observations.push(Observation { kind, span, statement: stage.span });
    }
}

fn state_of(config: ImageConfig, root: NodeId) -> State {
    State {
        root,
        base: root,
        layers: Vec::new(),
        env: Env::new(),
        base_history: config.history.len(),
        config,
        args: Vec::new(),
        workdir_set: false,
    }
}

impl StageLowering<'_, '_> {
    /// Lowers a trigger. What is wrong with it is reported at the base that left it.
    fn trigger(&mut self, statement: &Statement, text: &str) {
        let stage = self.shared.stages.nodes[self.index].stage;
        let (base, before) = (stage.from.base.span, self.shared.diagnostics.len());
        let observed = self.shared.observations.len();
        self.statement = stage.span;
        self.lower(statement);
        for diagnostic in &mut self.shared.diagnostics[before..] {
            diagnostic.primary.span = base;
            diagnostic.secondary.clear();
            diagnostic.help = Some(format!("it comes from an `ONBUILD` trigger of the base: `{text}`"));
        }
        self.shared.observations[observed..].iter_mut().for_each(|observation| observation.span = base);
    }

    fn lower(&mut self, statement: &Statement) {
        let done = match &statement.instruction {
            Instruction::Add(add) => self.add(add, statement),
            Instruction::Arg(args) => self.arg(args),
            Instruction::Cmd(form) => self.cmd(form),
            Instruction::Copy(copy) => self.copy(copy, statement),
            Instruction::Entrypoint(form) => self.entrypoint(form),
            Instruction::Env(pairs) => self.env(pairs),
            Instruction::Expose(ports) => self.expose(ports),
            Instruction::Healthcheck(check) => self.healthcheck(check),
            Instruction::Label(pairs) => self.label(pairs),
            Instruction::Maintainer(name) => {
                self.state.config.author = Some(name.value.clone());
                history::note(&mut self.state.config, format!("MAINTAINER {}", name.value));
                Some(())
            }
            Instruction::Onbuild(onbuild) => {
                self.state.config.config.on_build.push(onbuild.expression.clone());
                Some(())
            }
            Instruction::Run(run) => self.run(run, statement),
            Instruction::Shell(shell) => self.shell(shell),
            Instruction::Stopsignal(word) => self.stopsignal(word),
            Instruction::User(word) => self.user(word),
            Instruction::Volume(words) => self.volume(words),
            Instruction::Workdir(word) => self.workdir(word, statement),
        };
        // An instruction that failed has reported why; its place in the count is taken all the same.
        if done.is_none() && counts(&statement.instruction) {
            self.progress.done += 1;
        }
    }

    /// Where a `--from` or a mount's `from` leads, as files.
    pub(super) fn files_from(&mut self, name: &str, kind: FromKind, span: Span) -> Option<FilesFrom> {
        let from = self.shared.stages.from(name, FromPlace { kind, span }, &mut self.shared.diagnostics)?;
        match from {
            From::Scratch => Some(FilesFrom::Empty),
            From::Base(image) => {
                let display = format!("[internal] FROM {}", image.name());
                Some(FilesFrom::Node(self.shared.nodes.base(&image, span, display)))
            }
            From::Files(name) => Some(FilesFrom::Node(self.shared.nodes.context(&name, span))),
            From::Stage(index) if index < self.index => {
                self.shared.states[index].as_ref().map(|state| FilesFrom::Node(state.root))
            }
            From::Stage(index) => {
                let message = match index == self.index {
                    true => "a stage cannot take files from itself".to_owned(),
                    false => format!("stage `{name}` comes later: a stage can only take files from those above it"),
                };
                let stage = self.shared.stages.nodes[index].stage;
                self.fail(Diagnostic::error("stage-order", span, message).also(stage.span, "this stage"));
                None
            }
        }
    }
}
