//! What to do against all causes together, each thing once.

use super::groups::{cases, deciding};
use crate::{
    model::{
        further::Enough,
        remedy::{Action, Remedy},
        report::{CauseReport, Report},
    },
    render::{
        further,
        lines::harmless,
        phrases::on_device,
        remedy::{bare, called},
        taps::changes,
        words::{listed, plural},
    },
};

/// The head of the list.
pub(crate) const HEAD: &str = "What to do, in order of the copied sends it is for";

/// How many causes one step names.
const NAMED: usize = 3;

struct Step {
    what: String,
    enough: Enough,
    /// What copies all the same, if that is known, to follow `what`.
    then: String,
    places: Vec<String>,
    sends: u64,
}

/// The first thing to do against each cause, most copied sends first; nothing if it is only one.
pub(crate) fn steps(report: &Report) -> Vec<String> {
    let mut steps: Vec<Step> = Vec::new();
    for group in cases(deciding(report)) {
        let Some(step) = step(&group.all, report) else { continue };
        let is_same = |known: &&mut Step| {
            (&known.what, known.enough, &known.then) == (&step.what, step.enough, &step.then)
        };
        match steps.iter_mut().find(is_same) {
            Some(known) => {
                known.sends += step.sends;
                for place in step.places {
                    if !known.places.contains(&place) {
                        known.places.push(place);
                    }
                }
            }
            None => steps.push(step),
        }
    }
    if steps.len() < 2 {
        return Vec::new();
    }
    steps.sort_by_key(|step| std::cmp::Reverse(step.sends));
    steps.iter().map(sentence).collect()
}

fn step(cause: &CauseReport, report: &Report) -> Option<Step> {
    let place = format!("{}{}", cause.cause, on_device(cause));
    let several_taps = !cause.taps.is_empty() && report.cure.changes() > 1;
    let (what, enough, then) = if several_taps {
        // All of it is needed: one tap that is left is enough for the copy.
        let changes: Vec<String> = changes(&report.cure).collect();
        (changes.join("; and "), report.cure.enough(), String::new())
    } else {
        let remedy = cause.remedies.iter().find(|remedy| is_to_be_done(remedy))?;
        (bare(remedy), remedy.enough, further::even_without(cause))
    };
    let what = harmless(&what).into_owned();
    Some(Step { what, enough, then, places: vec![place], sends: cause.sends })
}

fn is_to_be_done(remedy: &Remedy) -> bool {
    !matches!(remedy.what, Action::NothingAnyMore(_) | Action::NothingUntilOpen)
}

/// `tap_tx on v0 (67 copied sends), not enough alone: zcdiag mute ..; even without it ..`
fn sentence(step: &Step) -> String {
    let Step { what, enough, then, places, sends } = step;
    let label = match enough {
        Enough::Yes => String::new(),
        enough => format!(", {}", called(*enough)),
    };
    let sends = plural(*sends, "copied send");
    format!("{} ({sends}){label}: {what}{then}", listed(places, NAMED))
}

#[cfg(test)]
mod tests;
