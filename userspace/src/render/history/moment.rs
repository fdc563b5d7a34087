//! Times as the clock on the wall shows them.

use jiff::{Timestamp, ZonedDateTime, tz::TimeZone};

use crate::model::history::{Gap, Millis};

/// What is shorter is told with seconds.
const SHORT: Millis = 2 * 60_000;

/// A time zone.
pub struct Zone<'a>(&'a TimeZone);

impl<'a> Zone<'a> {
    /// This one.
    pub(super) fn new(zone: &'a TimeZone) -> Self {
        Self(zone)
    }

    /// Its name; the one of its offset `at` that time if it has none.
    pub(super) fn name(&self, at: Millis) -> String {
        let info = self.0.to_offset_info(timestamp(at));
        match self.0.iana_name() {
            Some(name) if name != info.abbreviation() && name != "Etc/Unknown" => {
                format!("{name} ({})", info.abbreviation())
            }
            _ => info.abbreviation().to_owned(),
        }
    }

    pub(super) fn date(&self, at: Millis) -> String {
        self.show(at, "%Y-%m-%d")
    }

    pub(super) fn date_and_time(&self, at: Millis) -> String {
        self.show(at, "%Y-%m-%d %H:%M:%S")
    }

    pub(super) fn time(&self, at: Millis) -> String {
        self.show(at, "%H:%M:%S")
    }

    /// One end of a gap: with its date if the other end is on another day.
    pub(super) fn moment(&self, at: Millis, gap: &Gap) -> String {
        if self.date(gap.from) == self.date(gap.until) { self.time(at) } else { self.date_and_time(at) }
    }

    /// `12:03–12:09`
    pub(super) fn span(&self, from: Millis, until: Millis) -> String {
        let form = if until < from.saturating_add(SHORT) { "%H:%M:%S" } else { "%H:%M" };
        let day = if self.date(from) == self.date(until) { String::new() } else { self.date(until) + " " };
        format!("{}–{day}{}", self.show(from, form), self.show(until, form))
    }

    fn show(&self, at: Millis, form: &str) -> String {
        self.at(at).strftime(form).to_string()
    }

    fn at(&self, at: Millis) -> ZonedDateTime {
        timestamp(at).to_zoned_datetime(self.0.clone())
    }
}

/// Beyond the year 9999 there is none.
fn timestamp(at: Millis) -> Timestamp {
    i64::try_from(at).ok().and_then(|at| Timestamp::from_millisecond(at).ok()).unwrap_or(Timestamp::MAX)
}
