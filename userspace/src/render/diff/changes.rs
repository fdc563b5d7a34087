//! What all forms say in the same words.

use std::time::Duration;

use crate::{
    model::{
        difference::{
            Amount, CauseChange, Change, CulpritChange, Difference, Doubt, SenderChange, Side, Trend,
        },
        report::{Report, Split},
    },
    render::{
        event, filter,
        lines::harmless,
        losses,
        watch::headline::headline,
        words::{bytes, percent, plural},
    },
};

/// A difference, and the names of the two recordings.
#[derive(Clone, Copy, Debug)]
pub struct Compared<'a> {
    /// What changed.
    pub difference: &'a Difference,
    /// What the user calls the first recording.
    pub before: &'a str,
    /// The same of the second.
    pub after: &'a str,
}

impl Compared<'_> {
    /// The name of a recording, harmless.
    pub(super) fn name(&self, side: Side) -> String {
        harmless(match side {
            Side::Before => self.before,
            Side::After => self.after,
        })
        .into_owned()
    }

    /// The answer, in one line.
    pub(super) fn answer(&self) -> String {
        let Some(trend) = self.difference.verdict() else {
            return format!("cannot be told: {}", self.doubts().join("; "));
        };
        format!("{}: {}", word(trend), self.shares())
    }

    /// `copied 93 % → 0 %`
    fn shares(&self) -> String {
        let [before, after] = self.difference.copied().map(|copied| percent(copied.share));
        format!("copied {before} → {after}")
    }

    /// Why it cannot be told, in sentences.
    pub(super) fn doubts(&self) -> Vec<String> {
        self.difference.doubts().into_iter().map(|doubt| self.doubt(doubt)).collect()
    }

    fn doubt(&self, doubt: Doubt) -> String {
        let (Doubt::Inexact(side) | Doubt::Filtered(side) | Doubt::Idle(side)) = doubt;
        let (name, report) = (self.name(side), self.difference.report(side));
        match (doubt, &report.filtered) {
            (Doubt::Filtered(_), Some(filtered)) => format!(
                "a filter is in force in {name} ({}), and --unfiltered compares all that was recorded",
                filter::typed(&filtered.filter)
            ),
            (Doubt::Inexact(_), _) => {
                format!("counts of {name} are lower bounds ({})", losses::told(report))
            }
            _ => format!("in {name} {}, so record while something sends", headline(report)),
        }
    }

    /// What to bear in mind.
    pub(super) fn notes(&self) -> Vec<String> {
        let [before, after] = [&self.difference.before, &self.difference.after].map(|side| &side.kernel);
        let kernels = (before != after).then(|| {
            format!(
                "the kernels differ, Linux {} and {}: that alone may change what is copied",
                harmless(before),
                harmless(after)
            )
        });
        let ended = |side: Side, report: &Report| {
            let command = report.command.as_ref().filter(|command| command.status != Some(0))?;
            let how = match command.status {
                Some(code) => format!("ended with code {code}"),
                None => "did not end by itself".to_owned(),
            };
            Some(format!("the command that {} watched {how}", self.name(side)))
        };
        let Difference { before, after, .. } = self.difference;
        kernels.into_iter().chain(ended(Side::Before, before)).chain(ended(Side::After, after)).collect()
    }

    /// Everything of a kind that was compared, what changed first.
    pub(super) fn rows(&self, kind: Kind) -> Vec<Row> {
        let Difference { causes, culprits, senders, .. } = self.difference;
        let mut rows: Vec<Row> = match kind {
            Kind::Cause => causes.iter().map(of_cause).collect(),
            Kind::Culprit => culprits.iter().map(of_culprit).collect(),
            Kind::Sender => senders.iter().map(of_sender).collect(),
        };
        rows.sort_by_key(|row| !row.is_news());
        rows
    }

    /// Of every kind what a machine is shown, what became worse first.
    pub(super) fn worst(&self) -> impl Iterator<Item = Row> {
        Kind::ALL.into_iter().flat_map(|kind| {
            let mut rows = self.rows(kind);
            rows.sort_by_key(|row| row.trend != Trend::Worse);
            rows.into_iter().take(ROWS)
        })
    }
}

/// Rows of each kind that are shown: all are for programs, as JSON.
pub(super) const ROWS: usize = 50;

/// `better`, as in every form.
pub(super) fn word(trend: Trend) -> &'static str {
    match trend {
        Trend::Better => "better",
        Trend::Worse => "worse",
        Trend::Unchanged => "unchanged",
    }
}

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Cause,
    Culprit,
    Sender,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Cause, Self::Culprit, Self::Sender];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cause => "cause",
            Self::Culprit => "culprit",
            Self::Sender => "sender",
        }
    }
}

/// Something of which there was more or less.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) kind: Kind,
    pub(super) trend: Trend,
    /// What became of it, in a word.
    pub(super) change: &'static str,
    /// What it is.
    pub(super) name: String,
    /// In numbers.
    pub(super) numbers: String,
}

impl Row {
    /// What became of it, in words and numbers.
    pub(super) fn said(&self) -> String {
        format!("{}: {}", self.change, self.numbers)
    }

    /// Whether something changed.
    pub(super) fn is_news(&self) -> bool {
        self.trend != Trend::Unchanged || self.kind == Kind::Sender && self.change != word(Trend::Unchanged)
    }
}

pub(super) fn change(change: Change) -> &'static str {
    match change {
        Change::Came => "came",
        Change::Went => "went",
        Change::Grew => "grew",
        Change::Shrank => "shrank",
        Change::Stayed => "stayed",
    }
}

fn on(device: Option<&str>) -> String {
    device.map_or(String::new(), |name| format!(" on {}", harmless(name)))
}

/// `93 % → 0 % of sends (93 → 0), 1.5 MiB → 0 B`
fn amounts(before: Amount, after: Amount) -> String {
    format!(
        "{} → {} of sends ({} → {}), {} → {}",
        percent(before.share),
        percent(after.share),
        before.sends,
        after.sends,
        bytes(before.bytes),
        bytes(after.bytes)
    )
}

fn of_cause(row: &CauseChange) -> Row {
    let hidden = if row.hidden { ", reported zc=y" } else { "" };
    Row {
        kind: Kind::Cause,
        trend: row.change().trend(),
        change: change(row.change()),
        name: format!("{}{}{hidden}", row.cause, on(row.device.as_deref())),
        numbers: amounts(row.before, row.after),
    }
}

fn of_culprit(row: &CulpritChange) -> Row {
    let program = row.program.as_deref().unwrap_or("a packet socket whose holder was not found");
    Row {
        kind: Kind::Culprit,
        trend: row.change().trend(),
        change: change(row.change()),
        name: format!("{}{}", harmless(program), on(row.device.as_deref())),
        numbers: amounts(row.before, row.after),
    }
}

fn of_sender(row: &SenderChange) -> Row {
    Row {
        kind: Kind::Sender,
        trend: row.trend(),
        change: match row.trend() {
            _ if row.before == Split::default() => "came",
            _ if row.after == Split::default() => "went",
            trend => word(trend),
        },
        name: event::who(&row.identity),
        numbers: format!("{} → {}", sends(row.before), sends(row.after)),
    }
}

/// `all of 93 sends copied`
fn sends(sends: Split) -> String {
    let total = sends.zerocopied.saturating_add(sends.copied);
    match sends {
        Split { zerocopied: 0, copied: 0 } => "no sends".to_owned(),
        Split { copied: 0, .. } => format!("none of {} copied", plural(total, "send")),
        Split { zerocopied: 0, .. } => format!("all of {} copied", plural(total, "send")),
        Split { copied, .. } => format!("{copied} of {} copied", plural(total, "send")),
    }
}

/// Time of a processor for each gigabyte.
pub(super) fn per_gigabyte(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}
