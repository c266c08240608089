//! What the language has and the engine cannot do yet: found before the first step is executed, and said by name.

use crate::error::{BuildError, Result};
use crate::plan::{Op, Plan};

/// Checks that every step of the plan can be executed.
///
/// # Errors
/// [`BuildError::Unsupported`] within the first step that cannot.
pub(crate) fn check_support(plan: &Plan) -> Result<()> {
    for node in &plan.nodes {
        let missing = match &node.op {
            Op::Run(op) if !op.devices.is_empty() => format!("`RUN --device={}`", op.devices[0].name),
            _ => continue,
        };
        let source = Box::new(BuildError::Unsupported(missing));
        return Err(BuildError::Step { name: node.display.clone(), span: node.span, source });
    }
    Ok(())
}
