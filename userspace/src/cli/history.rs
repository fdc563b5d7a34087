//! `zcdiag history`.

use std::{
    io::{self, IsTerminal as _},
    path::PathBuf,
};

use jiff::{Timestamp, ToSpan as _, ZonedDateTime, civil, tz::TimeZone};

use super::{globals::Globals, values::duration_or_none};
use crate::{
    app::{
        daemon::config::DEFAULT_SOCKET,
        history::{self, HistoryForm, HistoryOptions},
        outcome::{Failure, Outcome},
    },
    model::history::{Millis, Question},
};

#[derive(Debug, clap::Args)]
pub(super) struct HistoryArgs {
    /// From when: so long ago, such as 12h, or a time, such as 22:00, "2026-11-29 22:00" or 2026-11-29T22:00:00Z
    #[arg(long, value_name = "T", default_value = "24h", value_parser = moment)]
    since: Millis,

    /// To when, in the same forms; without it up to now
    #[arg(long, value_name = "T", value_parser = moment)]
    until: Option<Millis>,

    /// Only senders of this systemd unit
    #[arg(long, value_name = "UNIT")]
    unit: Option<String>,

    /// Write JSON
    #[arg(long)]
    json: bool,

    /// Write a page of HTML that loads nothing
    #[arg(long, conflicts_with = "json")]
    html: bool,

    /// Read what a daemon has left here, such as one of another machine; without it the daemon is asked
    #[arg(long, value_name = "DIR", conflicts_with = "socket")]
    directory: Option<PathBuf>,

    /// The daemon's socket
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
}

pub(super) fn run_history(globals: &Globals, args: &HistoryArgs) -> Outcome {
    let now = millis(Timestamp::now());
    let until = args.until.unwrap_or(now).min(now);
    if args.since >= until {
        return Err(Failure::new(
            "--until is not later than --since",
            "give a longer time, such as --since 12h",
        ));
    }
    let options = HistoryOptions {
        question: Question { since: args.since, until, unit: args.unit.clone() },
        directory: args.directory.clone(),
        socket: args.socket.clone(),
        form: match (args.json, args.html) {
            (true, _) => HistoryForm::Json,
            (false, true) => HistoryForm::Html,
            (false, false) => HistoryForm::Text,
        },
        color: globals.color(io::stdout().is_terminal()),
    };
    history::run(&options, &mut io::stdout())
}

fn moment(text: &str) -> Result<Millis, String> {
    before(text, &Timestamp::now().to_zoned_datetime(TimeZone::system())).map(millis)
}

/// The moment that is meant `now`, in the time zone of that.
fn before(text: &str, now: &ZonedDateTime) -> Result<Timestamp, String> {
    if let Ok(ago) = duration_or_none(text) {
        return now.timestamp().checked_sub(ago).map_err(|error| error.to_string());
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let local = |at: civil::DateTime| {
        let at = at.to_zoned_datetime(now.time_zone().clone()).map_err(|error| error.to_string())?;
        Ok(at.timestamp())
    };
    // A time is also read out of a date with a time.
    if let Ok(at) = text.parse::<civil::DateTime>() {
        return local(at);
    }
    let time: civil::Time = text.parse().map_err(|_| {
        "give a time ago, such as 12h, or a time, such as 22:00 or \"2026-11-29 22:00\"".to_owned()
    })?;
    let today = now.date().to_datetime(time);
    // The last time that it was so late.
    match local(today)? {
        at if at > now.timestamp() => local(today.saturating_sub(1.day())),
        at => Ok(at),
    }
}

/// There was nothing before 1970.
fn millis(at: Timestamp) -> Millis {
    Millis::try_from(at.as_millisecond()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_given_as_people_name_them() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a time zone");
        let now: Timestamp = "2026-11-30T08:00:00Z".parse().expect("a time");
        let now = now.to_zoned_datetime(zone);
        for (text, meant) in [
            ("12h", "2026-11-29T20:00:00Z"),
            ("90", "2026-11-30T07:58:30Z"),
            ("08:30", "2026-11-30T07:30:00Z"),
            ("22:00", "2026-11-29T21:00:00Z"),
            ("2026-11-29 22:00", "2026-11-29T21:00:00Z"),
            ("2026-07-01 12:00:30", "2026-07-01T10:00:30Z"),
            ("2026-11-29", "2026-11-28T23:00:00Z"),
            ("2026-11-29T22:00:00Z", "2026-11-29T22:00:00Z"),
            ("2026-11-29T22:00:00+05:00", "2026-11-29T17:00:00Z"),
        ] {
            assert_eq!(before(text, &now).map(|at| at.to_string()), Ok(meant.to_owned()), "{text}");
        }
        for wrong in ["", "yesterday", "25:00", "2026-13-01", "-1h", "99999999years"] {
            assert!(before(wrong, &now).is_err(), "{wrong}");
        }
    }
}
