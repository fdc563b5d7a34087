//! What a daemon remembers, as JSON.

use std::io::{self, Write};

use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Serialize;

use super::{missing, moment::Zone};
use crate::{
    model::{
        fleet::Identity,
        history::{Coming, Culprit, Gap, History, Millis, TapChange, Unknown, Window},
    },
    render::json::{SCHEMA, SplitJson, line},
};

/// What a daemon remembers of a stretch of time. Times are seconds since 1970.
#[derive(Serialize, JsonSchema)]
pub(crate) struct HistoryJson<'a> {
    schema: u32,
    /// Name of the machine; `null` if the history does not tell.
    host: Option<&'a str>,
    /// Time zone of the times in `missing`.
    zone: String,
    /// What the stretch begins with.
    since: f64,
    /// And ends with: later times nobody knows of yet.
    until: f64,
    /// Whether all of it is known.
    complete: bool,
    /// What is not known, in sentences.
    missing: Vec<String>,
    /// The same as times.
    gaps: Vec<GapJson>,
    /// Sends of all selected senders, copied or not.
    sends: SplitJson,
    /// In which sends were copied, oldest first.
    windows: Vec<WindowJson<'a>>,
    /// Taps to blame for these that were opened or closed, oldest first.
    taps: Vec<TapJson<'a>>,
}

/// A time of which nothing is known, or not everything.
#[derive(Serialize, JsonSchema)]
struct GapJson {
    from: f64,
    to: f64,
    /// `before` the first row, `not_running`, `rebooted`, `cut_off` (the daemon ended without writing it down), `disabled`,
    /// `clock` (it was set, or the machine slept), `deleted`, `lost` (it could not be written), `unreadable`, `too_much`.
    why: &'static str,
    /// Intervals that could not be written; `null` if that is not why.
    intervals: Option<u64>,
}

/// A time in which sends of one sender were copied in one way.
#[derive(Serialize, JsonSchema)]
struct WindowJson<'a> {
    from: f64,
    to: f64,
    sender: &'a Identity,
    /// The sender's that nothing copied, and those that this cause copied.
    sends: SplitJson,
    /// All of the sender's, also those that other causes copied.
    all_sends: u64,
    /// The bytes of `sends`.
    bytes: SplitJson,
    /// CPU time that the copies took; 0 where the send call itself copies.
    copy_seconds: f64,
    /// Whether the counts are complete; else they are lower bounds.
    exact: bool,
    cause: &'a str,
    /// Name of the device; `null` if there was none, or it is unknown.
    device: Option<&'a str>,
    /// Processes whose taps are to blame; empty where none is.
    culprits: Vec<CulpritJson<'a>>,
}

/// A process whose tap is to blame; all `null` if the holder of the tap was not found.
#[derive(Serialize, JsonSchema)]
struct CulpritJson<'a> {
    comm: Option<&'a str>,
    pid: Option<u32>,
    unit: Option<&'a str>,
    uid: Option<u32>,
    /// Name of its user on that machine.
    user: Option<&'a str>,
}

/// A tap that was opened or closed.
#[derive(Serialize, JsonSchema)]
struct TapJson<'a> {
    at: f64,
    /// `opened` or `closed`.
    change: &'static str,
    culprit: CulpritJson<'a>,
}

/// Writes it as one line.
///
/// # Errors
/// The output cannot be written to.
pub fn write(history: &History, zone: &TimeZone, out: &mut dyn Write) -> io::Result<()> {
    let zone = Zone::new(zone);
    line(
        out,
        &HistoryJson {
            schema: SCHEMA,
            host: Some(history.host.as_str()).filter(|host| !host.is_empty()),
            zone: zone.name(history.until),
            since: seconds(history.since),
            until: seconds(history.until),
            complete: history.gaps.is_empty(),
            missing: history.gaps.iter().map(|gap| missing(gap, |at| zone.date_and_time(at))).collect(),
            gaps: history.gaps.iter().map(gap).collect(),
            sends: history.sends.into(),
            windows: history.windows.iter().map(window).collect(),
            taps: history.taps.iter().map(tap).collect(),
        },
    )
}

fn gap(gap: &Gap) -> GapJson {
    let (why, intervals) = match gap.why {
        Unknown::Before => ("before", None),
        Unknown::NotRunning => ("not_running", None),
        Unknown::Rebooted => ("rebooted", None),
        Unknown::CutOff => ("cut_off", None),
        Unknown::Disabled => ("disabled", None),
        Unknown::Clock => ("clock", None),
        Unknown::Deleted => ("deleted", None),
        Unknown::Lost(intervals) => ("lost", Some(intervals)),
        Unknown::Unreadable => ("unreadable", None),
        Unknown::TooMuch => ("too_much", None),
    };
    GapJson { from: seconds(gap.from), to: seconds(gap.until), why, intervals }
}

fn window(window: &Window) -> WindowJson<'_> {
    WindowJson {
        from: seconds(window.from),
        to: seconds(window.until),
        sender: &window.identity,
        sends: window.sends.into(),
        all_sends: window.all,
        bytes: window.bytes.into(),
        copy_seconds: window.copy_seconds,
        exact: window.exact,
        cause: &window.cause,
        device: window.device.as_deref(),
        culprits: window.culprits.iter().map(culprit).collect(),
    }
}

fn culprit(culprit: &Culprit) -> CulpritJson<'_> {
    CulpritJson {
        comm: culprit.comm.as_deref(),
        pid: culprit.pid,
        unit: culprit.unit.as_deref(),
        uid: culprit.uid,
        user: culprit.user.as_deref(),
    }
}

fn tap(change: &TapChange) -> TapJson<'_> {
    let kind = match change.change {
        Coming::Came => "opened",
        Coming::Went => "closed",
    };
    TapJson { at: seconds(change.at), change: kind, culprit: culprit(&change.culprit) }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 need 41 bits")]
fn seconds(at: Millis) -> f64 {
    at as f64 / 1e3
}
