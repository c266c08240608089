//! What kind of failure an error of a library is: its exit code and its remedy. One place that knows all error types.

use std::error::Error;

use crate::exit::Exit;
use crate::from_host::FromHostError;
use crate::git::GitError;
use crate::interrupt::Interrupted;
use crate::problem::Problem;

/// The exit code of an error, if its type is known.
pub(crate) fn exit(error: &(dyn Error + 'static)) -> Option<Exit> {
    if let Some(problem) = error.downcast_ref::<Problem>() {
        return Some(problem.code());
    }
    if let Some(error) = error.downcast_ref::<dhow_layer_store::Error>() {
        return Some(of_store(error));
    }
    if let Some(interrupted) = error.downcast_ref::<Interrupted>() {
        return Some(interrupted.exit());
    }
    if let Some(error) = error.downcast_ref::<dhow_registry_client::Error>() {
        return match error {
            dhow_registry_client::Error::Store { .. } => None,
            _ => Some(Exit::Registry),
        };
    }
    None
}

/// The remedy for an error, if there is one.
pub(crate) fn hint(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(problem) = error.downcast_ref::<Problem>() {
        return problem.remedy().map(str::to_owned);
    }
    if let Some(error) = error.downcast_ref::<FromHostError>() {
        return error.hint();
    }
    if let Some(error) = error.downcast_ref::<dhow_layer_store::Error>() {
        return error.hint();
    }
    if let Some(error) = error.downcast_ref::<dhow_registry_client::Error>() {
        return error.hint();
    }
    if let Some(error) = error.downcast_ref::<dhow_runtime::Error>() {
        return error.hint();
    }
    if let Some(error) = error.downcast_ref::<GitError>() {
        return error.hint();
    }
    None
}

/// What a user got wrong is no failure of the store.
fn of_store(error: &dhow_layer_store::Error) -> Exit {
    use dhow_layer_store::Error;
    match error {
        Error::ImageNotFound { .. } | Error::AmbiguousId { .. } | Error::ImageInUse { .. } => Exit::Failure,
        _ => Exit::Store,
    }
}
