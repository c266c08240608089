//! What is told at the end of a build that executed steps: a table of them, and where the image's bytes went.

use dhow_layer_store::Store;

use super::account::Account;
use super::made::Made;
use super::weight::{self, Findings, Line};
use crate::args::SquashKind;
use crate::format::human;
use crate::output;
use crate::ui::{Screen, fit};

/// Cells of a step's name that are shown in a log.
const NAME: usize = 120;
/// Cells that are shown of it even on a terminal that has no room for them.
const LEAST: usize = 12;
/// Cells before it in a row.
const BEFORE_NAME: usize = 20;

/// Prints the summary on standard error.
///
/// # Errors
/// A layer cannot be read.
pub(super) fn tell(store: &Store, made: &Made, account: &Account, squash: Option<SquashKind>) -> anyhow::Result<()> {
    let lines = |built| weight::lines(store, built, &made.dockerfile);
    let lines = made.built.iter().map(lines).collect::<anyhow::Result<Vec<Vec<Line>>>>()?;
    let mut text = table(account, &lines.concat());
    for (built, lines) in made.built.iter().zip(&lines) {
        let image = store.image(&built.image)?;
        let what = match made.built.len() {
            1 => "Image".to_owned(),
            _ => image.config.platform().to_string(),
        };
        let layers = match image.layers.len() {
            1 => "1 layer".to_owned(),
            count => format!("{count} layers"),
        };
        text.push(format!("{what}: {} in {layers}", human::size(image.size()?)));
        // In layers that became one, nothing is hidden.
        if squash.is_none() {
            let findings = Findings::of(store, (&image, lines), &|step| account.executed(step))?;
            text.extend(findings.text(lines));
        }
    }
    output::say(&text.join("\n"));
    Ok(())
}

/// A row for each step: time or `cached`, bytes added, name.
fn table(account: &Account, lines: &[Line]) -> Vec<String> {
    let room = Screen::get().room().map_or(NAME, |room| room.saturating_sub(BEFORE_NAME).max(LEAST));
    let mut rows = vec![format!("{:>8}  {:>8}  STEP", "TIME", "ADDED")];
    for row in account.rows() {
        let of_line = lines.iter().find(|line| line.step == row.step).map(|line| line.bytes);
        let bytes = of_line.or(row.written).map_or("-".to_owned(), human::size);
        let time = row.elapsed.map_or("cached".to_owned(), human::elapsed);
        rows.push(format!("{time:>8}  {bytes:>8}  {}", fit(&row.name, room)));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::table;
    use crate::commands::build::account::Account;
    use dhow_builder::{Event, StepId, StepUsage};
    use std::time::Duration;

    #[test]
    fn steps_have_a_row_each() {
        let account = Account::default();
        account
            .note(&Event::Planned { steps: vec!["[1/3] FROM a".into(), "[2/3] RUN b".into(), "[3/3] COPY c".into()] });
        account.note(&Event::Cached { step: StepId(1) });
        account.note(&Event::Started { step: StepId(2) });
        let usage = StepUsage { elapsed: Duration::from_millis(1500), bytes_written: 2000, ..StepUsage::default() };
        account.note(&Event::Finished { step: StepId(2), usage });
        let table = table(&account, &[]);
        assert_eq!(table[1..], ["  cached         -  [2/3] RUN b", "    1.5s       2kB  [3/3] COPY c"]);
    }
}
