//! From the finished steps to an image: layers, dates, config.
//!
//! Dates are the reference's: a step that made a layer has the date of the layer, an instruction between steps that of
//! the step before it or, before all, of the first; the image has that of its last entry. They come from the records of
//! the steps, so that a build that finds all of them makes the same image again.

use dhow_layer_store::oci::{History, ImageConfig, ImageId, MediaType, Raw};
use dhow_layer_store::{LayerId, Stack};

use crate::error::{BuildError, Result};
use crate::exec::Executor;
use crate::plan::{Epoch, Plan};

/// Puts the image of `executor`'s plan together and adds it to the store.
pub(crate) fn assemble(executor: &Executor<'_>) -> Result<ImageId> {
    let plan = executor.plan;
    let dates = plan.layers.iter().map(|id| executor.created(*id)).collect::<Result<Vec<_>>>()?;
    let stack = &executor.finished(plan.target)?.stack;
    let mut config = plan.config.clone();
    let new = new_layers(&config, stack);
    for layer in new {
        config.rootfs.diff_ids.push(executor.env.store.layer(layer)?.diff_id()?);
    }
    date(&mut config, plan, &dates)?;
    let raw = Raw::create(config).map_err(|source| BuildError::Encode { what: "the image's config", source })?;
    Ok(executor.env.store.add_image(&raw, MediaType::OciConfig, stack.layers(), None)?)
}

/// The layers above those of the base.
fn new_layers<'a>(config: &ImageConfig, stack: &'a Stack) -> &'a [LayerId] {
    &stack.layers()[config.rootfs.diff_ids.len().min(stack.layers().len())..]
}

fn date(config: &mut ImageConfig, plan: &Plan, dates: &[Option<String>]) -> Result<()> {
    let epoch = match &plan.settings.epoch {
        None => None,
        Some(Epoch::Seconds(seconds)) => Some(timestamp(*seconds)?),
        Some(Epoch::Context | Epoch::Named(_)) => {
            return Err(BuildError::Unsupported("`SOURCE_DATE_EPOCH` of a context or stage".to_owned()));
        }
    };
    let mut dates = dates.iter();
    for entry in config.history.iter_mut().skip(plan.base_history) {
        let made = if entry.empty_layer { None } else { dates.next().cloned().flatten() };
        entry.created = epoch.clone().or(made);
    }
    fill_dates(&mut config.history);
    config.created = epoch.or_else(|| config.history.iter().rev().find_map(|entry| entry.created.clone()));
    Ok(())
}

/// Gives entries without a date that of the last one before them that has one; those before all, the first that comes.
fn fill_dates(history: &mut [History]) {
    let first_gap = history.iter().position(|entry| entry.created.is_none());
    let Some(first_gap) = first_gap else { return };
    let next = history[first_gap..].iter().find_map(|entry| entry.created.clone());
    let mut date = next.or_else(|| history[..first_gap].iter().rev().find_map(|entry| entry.created.clone()));
    for entry in &mut history[first_gap..] {
        match &entry.created {
            Some(created) => date = Some(created.clone()),
            None => entry.created.clone_from(&date),
        }
    }
}

fn timestamp(seconds: i64) -> Result<String> {
    let time = jiff::Timestamp::from_second(seconds);
    time.map(|time| time.to_string())
        .map_err(|_| BuildError::Unsupported(format!("the date {seconds} of `SOURCE_DATE_EPOCH`")))
}

#[cfg(test)]
mod tests {
    use dhow_layer_store::oci::History;

    use super::{fill_dates, timestamp};

    #[test]
    fn gaps_take_the_first_new_date_then_the_one_before() {
        for (dates, expected) in [
            ("b1 b2 - - s1 - s2 -", "b1 b2 s1 s1 s1 s1 s2 s2"),
            ("b1 - -", "b1 b1 b1"),
            ("- s1", "s1 s1"),
            ("- -", "- -"),
            ("b1 s1", "b1 s1"),
        ] {
            let created = |date: &str| (date != "-").then(|| date.to_owned());
            let entry = |date| History { created: created(date), ..History::default() };
            let mut history: Vec<History> = dates.split(' ').map(entry).collect();
            fill_dates(&mut history);
            let filled: Vec<&str> = history.iter().map(|entry| entry.created.as_deref().unwrap_or("-")).collect();
            assert_eq!(filled.join(" "), expected);
        }
    }

    #[test]
    fn the_epoch_is_a_date() {
        assert_eq!(timestamp(0).unwrap(), "1970-01-01T00:00:00Z");
        assert!(timestamp(i64::MAX).is_err());
    }
}
