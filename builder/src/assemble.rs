//! From the finished steps to an image: layers, dates, config.
//!
//! Dates are the reference's: a step that made a layer has the date of the layer, an instruction between steps that of
//! the step before it or, before all, of the first; the image has that of its last entry. They come from the records of
//! the steps, so that a build that finds all of them makes the same image again.

use dhow_layer_store::oci::{History, ImageConfig, MediaType, Raw};
use dhow_layer_store::{LayerId, Stack};

use crate::build::{Built, BuiltLayer};
use crate::error::{BuildError, Result};
use crate::event::StepId;
use crate::exec::Executor;
use crate::finish::{finish, squash_history};
use crate::plan::{NodeId, PlannedImage};

/// Puts an image of `executor`'s plan together and adds it to the store.
pub(crate) fn assemble(executor: &Executor<'_>, plan: &PlannedImage) -> Result<Built> {
    let dates = plan.layers.iter().map(|id| executor.created(*id)).collect::<Result<Vec<_>>>()?;
    let stack = &executor.finished(plan.target)?.stack;
    let epoch = executor.plan.settings.epoch;
    let mut config = plan.config.clone();
    let from_base = config.rootfs.diff_ids.len();
    let finished = finish(executor, (stack, from_base), epoch)?;
    config.rootfs.diff_ids.truncate(finished.from_base);
    for layer in &finished.stack.layers()[finished.from_base..] {
        config.rootfs.diff_ids.push(executor.env.store.layer(layer)?.diff_id()?);
    }
    date(&mut config, (plan.base_history, &dates), epoch)?;
    squash_history(&mut config, executor.request.finish.squash, plan.base_history);
    fill_dates(&mut config.history);
    let raw = Raw::create(config).map_err(|source| BuildError::Encode { what: "the image's config", source })?;
    let image = executor.env.store.add_image(&raw, MediaType::OciConfig, finished.stack.layers(), None)?;
    let layers = built_layers(executor, plan, (stack, from_base));
    Ok(Built { image, layers, findings: Vec::new(), epoch })
}

/// The layers that the steps made, before anything became of them.
fn built_layers(executor: &Executor<'_>, plan: &PlannedImage, (stack, from_base): (&Stack, usize)) -> Vec<BuiltLayer> {
    let new = stack.layers().iter().skip(from_base);
    let layer = |(id, layer): (&NodeId, &LayerId)| BuiltLayer {
        step: StepId(id.0),
        span: executor.plan.node(*id).span,
        layer: layer.clone(),
    };
    plan.layers.iter().zip(new).map(layer).collect()
}

fn date(config: &mut ImageConfig, (base_history, dates): (usize, &[Option<String>]), epoch: Option<i64>) -> Result<()> {
    let epoch = epoch.map(timestamp).transpose()?;
    let mut dates = dates.iter();
    for entry in config.history.iter_mut().skip(base_history) {
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
