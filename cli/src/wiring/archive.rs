//! Shows the events of saving and loading an archive.

use std::collections::BTreeMap;
use std::sync::Mutex;

use dhow_layer_store::archive::Event;

use crate::ui::{Step, Transfer};

/// Characters of a member's name that are shown.
const SHOWN: usize = 12;

/// A taker of events that shows them on `progress`.
pub(crate) fn archive_events(progress: &Transfer) -> impl Fn(Event<'_>) + Sync {
    let done: Mutex<BTreeMap<String, u64>> = Mutex::default();
    move |event| match event {
        // The small documents at an archive's top are no layers.
        Event::Started { name, .. } | Event::Advanced { name, .. } | Event::Done { name } if !name.contains('/') => {}
        Event::Started { name, size } => progress.step(&short(name), Step::Started(Some(size))),
        Event::Advanced { name, bytes } => {
            let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let sum = done.entry(name.to_owned()).or_default();
            *sum += bytes;
            progress.step(&short(name), Step::Moved(*sum));
        }
        Event::Done { name } => progress.step(&short(name), Step::Done("Done")),
        Event::Verified { name } => progress.step(&short(name), Step::Done("Verified")),
    }
}

/// The digits of a blob, or the directory of a layer in an old archive.
fn short(name: &str) -> String {
    let name = name.strip_suffix("/layer.tar").unwrap_or(name);
    let last = name.rsplit('/').next().unwrap_or(name);
    last.chars().take(SHOWN).collect()
}
