//! What becomes of a build's new layers before they are an image's: times that are not later than `SOURCE_DATE_EPOCH`,
//! and one layer instead of many. The steps' own layers stay, so that the cache does not know of it; what was made of
//! them is remembered in records of its own. Layers of the base are never changed.

use dhow_layer_store::oci::{Compression, History, ImageConfig};
use dhow_layer_store::{CacheKey, CacheRecord, LayerId, Stack, Store};
use serde_json::json;

use crate::cache::KeyBuilder;
use crate::error::Result;
use crate::exec::{Executor, Sight};

/// Which layers become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Squash {
    /// None.
    #[default]
    None,
    /// Those that this build adds (`--squash=new`).
    New,
    /// All, with those of the base (`--squash=all`).
    All,
}

/// The times of files in new layers when there is a `SOURCE_DATE_EPOCH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FileTimes {
    /// Later ones become that of the epoch.
    #[default]
    Clamp,
    /// They stay (`rewrite-timestamp=false`).
    Keep,
}

/// What becomes of the new layers when all steps are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finish {
    /// Which layers become one.
    pub squash: Squash,
    /// The times of files in new layers.
    pub times: FileTimes,
    /// The form in which layers with other times are kept, best that in which the image will leave.
    pub compression: Compression,
}

impl Default for Finish {
    fn default() -> Self {
        Self { squash: Squash::None, times: FileTimes::Clamp, compression: Compression::Gzip }
    }
}

/// The image's layers.
pub(crate) struct Finished {
    pub(crate) stack: Stack,
    /// How many of them are the base's.
    pub(crate) from_base: usize,
}

/// The layers of an image whose steps made `stack` on `from_base` layers of the base.
pub(crate) fn finish(
    executor: &Executor<'_>,
    (stack, from_base): (&Stack, usize),
    epoch: Option<i64>,
) -> Result<Finished> {
    let store = executor.env.store;
    let finish = executor.request.finish;
    let latest = epoch.filter(|_| finish.times == FileTimes::Clamp);
    let (base, new) = stack.layers().split_at(from_base.min(stack.layers().len()));
    let timed = |layer: &LayerId| (layer.clone(), latest);
    let (below, squashed) = match finish.squash {
        Squash::New if new.len() > 1 => (Stack(base.to_vec()), new.iter().map(timed).collect::<Vec<_>>()),
        Squash::All if stack.layers().len() > 1 => {
            let untouched = base.iter().map(|layer| (layer.clone(), None));
            (Stack::default(), untouched.chain(new.iter().map(timed)).collect())
        }
        _ => {
            let mut layers = base.to_vec();
            for layer in new {
                layers.push(
                    latest.map_or(Ok(layer.clone()), |latest| clamp(store, layer, (latest, finish.compression)))?,
                );
            }
            return Ok(Finished { stack: Stack(layers), from_base: base.len() });
        }
    };
    let from_base = below.layers().len();
    Sight { store, images: executor.env.images }.fetch(stack)?;
    let one = squash(store, &below, &squashed)?;
    Ok(Finished { stack: below.with(one), from_base })
}

/// The entries of the history no longer have layers of their own, but for one at the end.
pub(crate) fn squash_history(config: &mut ImageConfig, squash: Squash, base_history: usize) {
    let kept = match squash {
        Squash::None => return,
        Squash::New => base_history,
        Squash::All => 0,
    };
    if config.history.iter().skip(kept).filter(|entry| !entry.empty_layer).count() < 2 {
        return;
    }
    config.history.iter_mut().skip(kept).for_each(|entry| entry.empty_layer = true);
    config.history.push(History {
        created_by: Some("squash".to_owned()),
        comment: Some("the layers of the entries before".to_owned()),
        ..History::default()
    });
}

fn clamp(store: &Store, layer: &LayerId, (latest, compression): (i64, Compression)) -> Result<LayerId> {
    let mut key = KeyBuilder::new("clamped");
    key.text("layer", layer.as_str());
    key.text("latest", &latest.to_string());
    let key = key.finish().key;
    if let Some(known) = recall(store, &key)? {
        return Ok(known);
    }
    let made = store.layer(layer)?.clamped(latest, compression)?.id().clone();
    remember(store, (&key, "clamped"), &made)?;
    Ok(made)
}

fn squash(store: &Store, below: &Stack, layers: &[(LayerId, Option<i64>)]) -> Result<LayerId> {
    let mut key = KeyBuilder::new("squashed");
    let below_ids: Vec<&str> = below.layers().iter().map(LayerId::as_str).collect();
    key.list("below", &below_ids);
    let timed: Vec<String> = layers.iter().map(|(layer, latest)| format!("{layer} {latest:?}")).collect();
    key.list("layers", &timed);
    let key = key.finish().key;
    if let Some(known) = recall(store, &key)? {
        return Ok(known);
    }
    let made = store.squash(below, layers)?.id().clone();
    remember(store, (&key, "squashed"), &made)?;
    Ok(made)
}

fn recall(store: &Store, key: &CacheKey) -> Result<Option<LayerId>> {
    Ok(store.record(key)?.and_then(|record| record.layer))
}

fn remember(store: &Store, (key, kind): (&CacheKey, &str), layer: &LayerId) -> Result<()> {
    let record = CacheRecord::new(Some(layer.clone()), Stack(vec![layer.clone()]), json!({ "kind": kind }));
    Ok(store.put_record(key, &record)?)
}

#[cfg(test)]
mod tests {
    use dhow_layer_store::oci::{History, ImageConfig};

    use super::{Squash, squash_history};

    #[test]
    fn one_entry_at_the_end_has_the_layer() {
        for (squash, history, expected) in [
            (Squash::New, "bl-l", "b---l"),
            (Squash::All, "bl-l", "----l"),
            (Squash::New, "bl-", "bl-"),
            (Squash::All, "bl", "--l"),
            (Squash::None, "bl-l", "bl-l"),
        ] {
            let entry = |mark: char| History { empty_layer: mark == '-', ..History::default() };
            let mut config = ImageConfig { history: history.chars().map(entry).collect(), ..ImageConfig::default() };
            squash_history(&mut config, squash, 1);
            let found: String = config.history.iter().map(|entry| if entry.empty_layer { '-' } else { 'l' }).collect();
            assert_eq!(found, expected.replace('b', "l"), "{squash:?} {history}");
        }
    }
}
