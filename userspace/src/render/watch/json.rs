//! A watch as JSON: the serialisable mirror of the report. Keys are fixed; new ones may be added.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;

use super::groups::{Group, Part, places};
use crate::{
    model::{
        cause::CauseId,
        dropped::Dropped,
        latency::Ages,
        lost::Lost,
        migration::Migration,
        report::{Api, CauseReport, Report, Sender, SenderReport, Verdict},
        start::Start,
        tap::JudgedTap,
    },
    render::{
        advice,
        connections::{self, ConnectionJson},
        filter::FilterJson,
        further::explanation,
        json::{SCHEMA, SplitJson, line},
        migration,
        notifications::held_by,
        remedy::sentences,
        taps::json::{AtJson, CureJson, FurtherJson, TapJson},
    },
};

/// The first line of a watch.
#[derive(Serialize, JsonSchema)]
pub(crate) struct StartJson<'a> {
    #[schemars(extend("const" = "start"))]
    r#type: &'static str,
    schema: u32,
    version: &'static str,
    kernel: &'a str,
    attach: Vec<AttachJson<'a>>,
    degraded: &'a [String],
}

#[derive(Serialize, JsonSchema)]
struct AttachJson<'a> {
    function: &'a str,
    kind: &'a str,
    because: &'a str,
}

/// An interval of a watch, or the whole of it: the last line. Times are in seconds, sizes in bytes.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ReportJson<'a> {
    #[schemars(extend("enum" = ["interval", "summary"]))]
    r#type: &'static str,
    schema: u32,
    kernel: &'a str,
    duration_seconds: f64,
    /// On what the filter selects. `unknown`: none of that was copied, but sends of the selected senders were, for
    /// causes or on devices that the filter leaves out.
    #[schemars(extend("enum" = ["copied", "zerocopied", "mixed", "idle", "unknown"]))]
    verdict: &'static str,
    exact: bool,
    lost_events: u64,
    losses: std::collections::BTreeMap<Lost, u64>,
    sends: SplitJson,
    bytes: SplitJson,
    copy_seconds: f64,
    /// Notifications still to come; `null` before the end.
    in_flight: Option<u64>,
    born_before: u64,
    misreported: u64,
    hidden_copies: Vec<CauseJson<'a>>,
    senders: Vec<SenderJson<'a>>,
    causes: Vec<CauseJson<'a>>,
    /// The same by cause and device, whoever sent, most sends first.
    causes_by_place: Vec<PlaceJson<'a>>,
    taps: Vec<SeenTapJson<'a>>,
    /// What QEMUs say of their migrations, of those that were asked (`--qmp`).
    migrations: Vec<MigrationJson<'a>>,
    /// What has to be changed, all of it, so that none of the taps makes sends copy.
    cure: Option<CureJson<'a>>,
    command: Option<CommandJson<'a>>,
    /// The filter in force; `null` without one.
    filter: Option<FilterJson<'a>>,
}

/// A tap, and what was seen of it. Times are in seconds since the watch began.
#[derive(Serialize, JsonSchema)]
struct SeenTapJson<'a> {
    #[serde(flatten)]
    tap: TapJson<'a>,
    /// `null` if it was not seen to be given any copied packet.
    seen: Option<SightingJson>,
}

#[derive(Serialize, JsonSchema)]
struct SightingJson {
    copied_packets: u64,
    first_seconds: f64,
    last_seconds: f64,
    /// `null` if it was open before.
    opened_seconds: Option<f64>,
    /// `null` if it is still open.
    closed_seconds: Option<f64>,
}

#[derive(Serialize, JsonSchema)]
struct MigrationJson<'a> {
    socket: &'a str,
    /// `null` if the kernel does not say who listens there.
    pid: Option<u32>,
    /// As QEMU names it; `null` if there has been no migration.
    status: Option<&'a str>,
    /// QEMU's `dirty-sync-missed-zero-copy`: flushes in which every send was copied; `null` if it does not count them.
    missed_zero_copy: Option<u64>,
    /// Whether it still answered at the end.
    answers: bool,
    /// Why its sends were copied, most sends first.
    causes: Vec<CauseId>,
}

#[derive(Serialize, JsonSchema)]
struct SenderJson<'a> {
    pid: u32,
    comm: Option<&'a str>,
    exe: Option<&'a str>,
    unit: Option<&'a str>,
    container: Option<&'a str>,
    pod: Option<&'a str>,
    uid: Option<u32>,
    netns: u32,
    family: u16,
    protocol: String,
    sends: SplitJson,
    bytes: SplitJson,
    copy_seconds: f64,
    api: &'static str,
    /// Failed sends by the name of their errno.
    failed: std::collections::BTreeMap<&'a str, u64>,
    failure_reasons: std::collections::BTreeMap<&'a str, &'a str>,
    /// Packets with data of its sends that the kernel dropped here, without a copy before.
    dropped: Vec<DroppedJson<'a>>,
    misreported: u64,
    /// Sends of io_uring that asked for no report.
    unasked: u64,
    /// One may stand for several sends.
    notifications: u64,
    /// Notifications that told otherwise than the one before on the same socket.
    flips: u64,
    not_requested: u64,
    /// Notifications still to come at the end.
    waiting: u64,
    /// For how long the oldest of them is waited for; `null` if there is none.
    waiting_seconds: Option<f64>,
    /// The same as `waiting`; `null` if there is nothing.
    pending: Option<PendingJson>,
    /// Its busiest connections; empty in intervals.
    connections: Vec<ConnectionJson<'a>>,
    /// Sends that are of none of these: of other connections, or counted by none.
    connections_rest: SplitJson,
    /// From send to notification; `null` if none was timed.
    latency_seconds: Option<LatencyJson>,
    advice: Vec<String>,
}

/// Sends whose notification is still to come at the end.
#[derive(Serialize, JsonSchema)]
struct PendingJson {
    sends: u64,
    notifications: u64,
    oldest_seconds: f64,
    /// What is known of why, or what would tell.
    why: String,
}

/// Some are timed, at least one in each jiffy. The minimum and the maximum are exact, the others within an eighth; of an
/// interval all are so.
#[derive(Serialize, JsonSchema)]
struct LatencyJson {
    min: f64,
    median: f64,
    p99: f64,
    max: f64,
    /// Notifications that were timed.
    timed: u64,
}

impl From<Ages> for LatencyJson {
    fn from(ages: Ages) -> Self {
        let Ages { timed, least, median, p99, most } = ages;
        let [min, median, p99, max] = [least, median, p99, most].map(|age| age.as_secs_f64());
        Self { min, median, p99, max, timed }
    }
}

#[derive(Serialize, JsonSchema)]
struct DroppedJson<'a> {
    packets: u64,
    /// `enum skb_drop_reason` of the kernel, without its prefix; `null` if it gives none (before 5.17).
    reason: Option<&'a str>,
    /// The function that dropped them; `null` if the kernel hides its symbols.
    function: Option<&'a str>,
    device: Option<AtJson<'a>>,
}

impl<'a> From<&'a Dropped> for DroppedJson<'a> {
    fn from(Dropped { packets, facts, device }: &'a Dropped) -> Self {
        Self {
            packets: *packets,
            reason: facts.reason.as_deref(),
            function: known(&facts.function),
            device: device.as_ref().map(AtJson::from),
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct CauseJson<'a> {
    cause: CauseId,
    sends: u64,
    bytes: u64,
    copies: u64,
    copied_bytes: u64,
    copy_seconds: f64,
    sender_pid: u32,
    sender_comm: Option<&'a str>,
    protocol: String,
    device: Option<AtJson<'a>>,
    taps: &'a [u64],
    stack: &'a [String],
    /// What happened, and what else copies these sends.
    explanation: String,
    /// What to do. What is no cure begins with "not enough alone: " or "may not be enough alone: ".
    remedies: Vec<String>,
    /// Whether the remedies bring zero copy back; `null` if that could not be told.
    enough: Option<bool>,
    /// What else copies these sends, or may, and would do so without this cause.
    also: Vec<FurtherJson<'a>>,
}

/// Copies of one cause on one device.
#[derive(Serialize, JsonSchema)]
struct PlaceJson<'a> {
    cause: CauseId,
    device: Option<AtJson<'a>>,
    sends: u64,
    bytes: u64,
    copies: u64,
    copied_bytes: u64,
    copy_seconds: f64,
    /// Its part of all copied sends, from 0 to 1; `null` if it only copied data that had been copied before.
    share: Option<f64>,
    /// Inodes of the packet sockets to blame.
    taps: Vec<u64>,
    /// Whose they are, busiest first.
    senders: Vec<PartJson<'a>>,
}

/// What one process has of them.
#[derive(Serialize, JsonSchema)]
struct PartJson<'a> {
    pid: u32,
    comm: Option<&'a str>,
    sends: u64,
    copies: u64,
}

#[derive(Serialize, JsonSchema)]
struct CommandJson<'a> {
    argv: &'a [String],
    status: Option<i32>,
}

/// The first line.
pub(super) fn start(out: &mut dyn Write, start: &Start) -> io::Result<()> {
    let attach = start
        .attached
        .iter()
        .map(|step| AttachJson { function: &step.function, kind: &step.kind, because: &step.because })
        .collect();
    line(
        out,
        &StartJson {
            r#type: "start",
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            kernel: &start.kernel,
            attach,
            degraded: &start.degraded,
        },
    )
}

/// An interval, or the summary.
pub(super) fn report(out: &mut dyn Write, kind: &'static str, report: &Report) -> io::Result<()> {
    let places = places(&report.causes);
    line(
        out,
        &ReportJson {
            r#type: kind,
            schema: SCHEMA,
            kernel: &report.kernel,
            duration_seconds: report.duration.as_secs_f64(),
            verdict: match report.verdict() {
                Verdict::Copied => "copied",
                Verdict::Zerocopied => "zerocopied",
                Verdict::Mixed => "mixed",
                Verdict::Idle => "idle",
                Verdict::Elsewhere => "unknown",
            },
            exact: report.exact(),
            lost_events: report.lost_events(),
            losses: report.losses.iter().copied().collect(),
            sends: report.sends.into(),
            bytes: report.bytes.into(),
            copy_seconds: report.copy_time.as_secs_f64(),
            in_flight: report.in_flight,
            born_before: report.born_before,
            misreported: report.misreported,
            hidden_copies: report.hidden.iter().map(cause).collect(),
            senders: report.senders.iter().map(sender).collect(),
            causes: report.causes.iter().map(cause).collect(),
            causes_by_place: places.iter().map(|group| place(group, report)).collect(),
            taps: report.taps.iter().map(|tap| seen_tap(tap, report)).collect(),
            migrations: report.migrations.iter().map(|migration| migrated(migration, report)).collect(),
            cure: (!report.cure.is_empty()).then(|| (&report.cure).into()),
            command: report
                .command
                .as_ref()
                .map(|command| CommandJson { argv: &command.argv, status: command.status }),
            filter: report.filtered.as_ref().map(FilterJson::from),
        },
    )
}

fn seen_tap<'a>(tap: &'a JudgedTap, report: &Report) -> SeenTapJson<'a> {
    let seen = report.sightings.get(&tap.tap.inode).map(|sighting| SightingJson {
        copied_packets: sighting.packets,
        first_seconds: sighting.first.as_secs_f64(),
        last_seconds: sighting.last.as_secs_f64(),
        opened_seconds: sighting.lifetime.opened.map(|time| time.as_secs_f64()),
        closed_seconds: sighting.lifetime.closed.map(|time| time.as_secs_f64()),
    });
    SeenTapJson { tap: TapJson::from(tap), seen }
}

fn migrated<'a>(migration: &'a Migration, report: &Report) -> MigrationJson<'a> {
    let mut causes: Vec<CauseId> = Vec::new();
    for cause in migration::causes(migration, report) {
        if !causes.contains(&cause.cause) {
            causes.push(cause.cause);
        }
    }
    MigrationJson {
        socket: &migration.socket,
        pid: migration.pid,
        status: migration.status.as_deref(),
        missed_zero_copy: migration.missed,
        answers: migration.answers,
        causes,
    }
}

fn place<'a>(group: &'a Group<'a>, report: &Report) -> PlaceJson<'a> {
    let all = &group.all;
    let part = |part: Part<'a>| PartJson {
        pid: part.sender.process.pid,
        comm: known(&part.sender.process.comm),
        sends: part.sends,
        copies: part.copies,
    };
    PlaceJson {
        cause: all.cause,
        device: all.device.as_ref().map(AtJson::from),
        sends: all.sends,
        bytes: all.bytes,
        copies: all.copies,
        copied_bytes: all.copy_bytes,
        copy_seconds: all.copy_time.as_secs_f64(),
        share: group.share(report),
        taps: all.taps.clone(),
        senders: group.parts().into_iter().map(part).collect(),
    }
}

fn known(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn sender(row: &SenderReport) -> SenderJson<'_> {
    let Sender { process, netns, family, .. } = &row.sender;
    SenderJson {
        pid: process.pid,
        comm: known(&process.comm),
        exe: process.exe.as_deref(),
        unit: process.unit.as_deref(),
        container: process.container.as_deref(),
        pod: process.pod.as_deref(),
        uid: process.uid,
        netns: *netns,
        family: *family,
        protocol: row.sender.protocol_name(),
        sends: row.sends.into(),
        bytes: row.bytes.into(),
        copy_seconds: row.copy_time.as_secs_f64(),
        api: match row.sender.api {
            Api::MsgZerocopy => "msg_zerocopy",
            Api::IoUring => "io_uring",
        },
        failed: row.failed.iter().map(|failed| (failed.errno.as_str(), failed.sends)).collect(),
        failure_reasons: row
            .failed
            .iter()
            .map(|failed| (failed.errno.as_str(), failed.reason.as_str()))
            .collect(),
        dropped: row.dropped.iter().map(DroppedJson::from).collect(),
        misreported: row.misreported,
        unasked: row.unasked,
        notifications: row.notifications,
        flips: row.flips,
        not_requested: row.not_requested,
        waiting: row.waiting.map_or(0, |waiting| waiting.notifications),
        waiting_seconds: row.waiting.map(|waiting| waiting.oldest.as_secs_f64()),
        pending: row.waiting.as_ref().map(|waiting| PendingJson {
            sends: waiting.sends,
            notifications: waiting.notifications,
            oldest_seconds: waiting.oldest.as_secs_f64(),
            why: held_by(row),
        }),
        connections: row.connections.iter().map(ConnectionJson::from).collect(),
        connections_rest: connections::rest(row).into(),
        latency_seconds: row.latency.map(LatencyJson::from),
        advice: row.advice.iter().map(advice::sentence).collect(),
    }
}

pub(crate) fn cause(cause: &CauseReport) -> CauseJson<'_> {
    CauseJson {
        cause: cause.cause,
        sends: cause.sends,
        bytes: cause.bytes,
        copies: cause.copies,
        copied_bytes: cause.copy_bytes,
        copy_seconds: cause.copy_time.as_secs_f64(),
        sender_pid: cause.sender.process.pid,
        sender_comm: known(&cause.sender.process.comm),
        protocol: cause.sender.protocol_name(),
        device: cause.device.as_ref().map(AtJson::from),
        taps: &cause.taps,
        stack: &cause.stack,
        explanation: explanation(cause),
        remedies: sentences(&cause.remedies),
        enough: cause.enough.told(),
        also: cause.further.iter().map(FurtherJson::from).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn written(report: &Report) -> Value {
        let mut out = Vec::new();
        super::report(&mut out, "interval", report).expect("write to memory");
        serde_json::from_slice(&out).expect("it is JSON")
    }

    #[test]
    fn what_is_in_flight_is_known_at_the_end() {
        assert_eq!(written(&Report::default()).get("in_flight"), Some(&Value::Null));
        let ended = Report { in_flight: Some(0), ..Report::default() };
        assert_eq!(written(&ended)["in_flight"], json!(0));
    }
}
