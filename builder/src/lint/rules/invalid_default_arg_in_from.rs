//! `InvalidDefaultArgInFrom`: with the defaults of its `ARG`s alone, every `FROM` has a base.

use dhow_layer_store::oci::Reference;

use crate::dockerfile::word::expand;
use crate::lint::rule::{Finding, Rule, Standing, Subject};
use crate::plan;

/// The rule.
pub(crate) const RULE: Rule = Rule {
    name: "InvalidDefaultArgInFrom",
    summary: "with the defaults of its `ARG`s alone, every `FROM` has a base",
    standing: Standing::On,
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let dockerfile = subject.check.dockerfile;
    let globals = plan::default_globals(dockerfile, subject.check.options);
    let bases = subject.stages().iter().map(|stage| (stage, &stage.from.base)).filter(|(_, base)| base.has_variable());
    bases
        .filter_map(|(stage, base)| {
            let name = expand(base, &globals, dockerfile.escape).ok()?.text;
            if name == "scratch" || name.parse::<Reference>().is_ok() {
                return None;
            }
            let message = format!("without build arguments, `{}` is `{name}`, which is no image", base.text);
            Some(Finding::new(base.span, stage.span, message).hint("give the `ARG` a default"))
        })
        .collect()
}
