//! What kind of failure an error of a library is: its exit code and its remedy. One place that knows all error types.

use std::error::Error;
use std::io;

use dhow_builder::BuildError;
use dhow_layer_store::Error as StoreError;
use dhow_runtime::Error as SandboxError;

use crate::exit::Exit;
use crate::from_host::FromHostError;
use crate::git::GitError;
use crate::interrupt::Interrupted;
use crate::problem::Problem;
use crate::wiring::Misspelt;

/// The exit code of an error, if its type is known.
pub(crate) fn exit(error: &(dyn Error + 'static)) -> Option<Exit> {
    if let Some(problem) = error.downcast_ref::<Problem>() {
        return Some(problem.code());
    }
    if let Some(error) = error.downcast_ref::<StoreError>() {
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
    error.downcast_ref::<SandboxError>().and_then(of_sandbox)
}

/// The exit code of a step that failed where the step itself is not to blame, but the store or the sandbox.
pub(crate) fn beside_the_step(error: &BuildError) -> Option<Exit> {
    match error {
        BuildError::Step { source, .. } => beside_the_step(source),
        BuildError::Sandbox(SandboxError::System { .. }) => Some(Exit::Sandbox),
        BuildError::Sandbox(error) => of_sandbox(error),
        BuildError::Store(store) if is_damage(store) => Some(Exit::Store),
        other => {
            let first: &(dyn Error + 'static) = other;
            std::iter::successors(Some(first), |error: &&(dyn Error + 'static)| (*error).source())
                .find_map(of_deep_cause)
        }
    }
}

/// What a step's files came to is the step's business, but not a store that is full or damaged.
fn of_deep_cause(error: &(dyn Error + 'static)) -> Option<Exit> {
    let is_full = error.downcast_ref::<io::Error>().is_some_and(is_store_full);
    let is_damaged = error.downcast_ref::<StoreError>().is_some_and(is_damage);
    (is_full || is_damaged).then_some(Exit::Store)
}

fn is_damage(error: &StoreError) -> bool {
    use StoreError::{BlobMissing, Damaged, DigestMismatch, LayerLost, LayerMissing, SizeMismatch};
    matches!(
        error,
        Damaged { .. } | LayerMissing(_) | LayerLost(_) | BlobMissing(_) | DigestMismatch { .. } | SizeMismatch { .. }
    )
}

/// What the image or the Dockerfile got wrong is no failure of the sandbox.
fn of_sandbox(error: &SandboxError) -> Option<Exit> {
    use SandboxError::{Died, KernelTooOld, Limit, Mount, NoCgroupParent, Setup};
    matches!(
        error,
        Setup { .. } | Died { .. } | KernelTooOld { .. } | Limit { .. } | NoCgroupParent { .. } | Mount { .. }
    )
    .then_some(Exit::Sandbox)
}

fn is_store_full(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem)
}

/// The remedy for an error, if there is one.
pub(crate) fn hint(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(problem) = error.downcast_ref::<Problem>() {
        return problem.remedy().map(str::to_owned);
    }
    if let Some(error) = error.downcast_ref::<FromHostError>() {
        return error.hint();
    }
    if let Some(error) = error.downcast_ref::<StoreError>() {
        return error.hint();
    }
    if let Some(error) = error.downcast_ref::<dhow_registry_client::Error>() {
        return error.hint();
    }
    if let Some(error) = error.downcast_ref::<SandboxError>() {
        return error.hint();
    }
    if let Some(error) = error.downcast_ref::<GitError>() {
        return error.hint();
    }
    if let Some(error) = error.downcast_ref::<Misspelt>() {
        return Some(error.hint());
    }
    None
}

/// What a user got wrong is no failure of the store.
fn of_store(error: &StoreError) -> Exit {
    use StoreError as Error;
    match error {
        Error::ImageNotFound { .. } | Error::AmbiguousId { .. } | Error::ImageInUse { .. } => Exit::Failure,
        _ => Exit::Store,
    }
}
