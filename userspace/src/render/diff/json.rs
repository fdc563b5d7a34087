//! As one JSON document.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;

use super::changes::{Compared, change, word};
use crate::{
    model::{
        cause::CauseId,
        difference::{Amount, Difference, Side, copying_per_gigabyte, hidden},
        fleet::Identity,
        report::{Report, Split, Verdict},
    },
    render::{
        filter::FilterJson,
        json::{SCHEMA, SplitJson, line},
    },
};

/// What changed between two recordings.
#[derive(Serialize, JsonSchema)]
pub(crate) struct DiffJson<'a> {
    schema: u32,
    /// Whether a smaller or a greater share of sends is copied.
    #[schemars(extend("enum" = ["better", "worse", "unchanged", "unknown"]))]
    verdict: &'static str,
    /// Why the verdict is unknown, in sentences.
    doubts: Vec<String>,
    /// What to bear in mind, in sentences.
    notes: Vec<String>,
    before: WatchJson<'a>,
    after: WatchJson<'a>,
    /// Causes of copied sends by device name, what changed most first.
    causes: Vec<CauseJson<'a>>,
    /// Programs whose packet sockets are to blame, by device name.
    culprits: Vec<CulpritJson<'a>>,
    /// Senders whose verdict changed, or that came or went.
    senders: Vec<SenderJson<'a>>,
}

/// One of the two recordings.
#[derive(Serialize, JsonSchema)]
struct WatchJson<'a> {
    file: &'a str,
    kernel: &'a str,
    duration_seconds: f64,
    exact: bool,
    sends: SplitJson,
    bytes: SplitJson,
    /// Sends that were reported zerocopied and copied all the same, at least in part; among the zerocopied ones.
    hidden_copies: u64,
    /// All sends that were copied, hidden copies included.
    copied: AmountJson,
    copy_seconds: f64,
    /// Seconds of a processor that copying took for each gigabyte (10⁹ bytes) sent; `null` if nothing was.
    copy_seconds_per_gigabyte: Option<f64>,
    /// Failed sends; not among the others.
    failed: u64,
    filter: Option<FilterJson<'a>>,
}

/// Copied sends. Shares are parts of all sends and bytes of their recording, from 0 to 1.
#[derive(Serialize, JsonSchema)]
struct AmountJson {
    sends: u64,
    bytes: u64,
    share: f64,
    byte_share: f64,
}

#[derive(Serialize, JsonSchema)]
struct CauseJson<'a> {
    cause: CauseId,
    /// `null` if the sends never came so far, or its name is unknown.
    device: Option<&'a str>,
    /// Whether these sends were reported zerocopied.
    hidden: bool,
    #[schemars(extend("enum" = ["came", "went", "grew", "shrank", "stayed"]))]
    change: &'static str,
    before: AmountJson,
    after: AmountJson,
}

#[derive(Serialize, JsonSchema)]
struct CulpritJson<'a> {
    /// `null` if no holder of the packet socket was found.
    program: Option<&'a str>,
    device: Option<&'a str>,
    #[schemars(extend("enum" = ["came", "went", "grew", "shrank", "stayed"]))]
    change: &'static str,
    /// What the causes copied that blame it.
    before: AmountJson,
    after: AmountJson,
}

#[derive(Serialize, JsonSchema)]
struct SenderJson<'a> {
    #[serde(flatten)]
    identity: &'a Identity,
    #[schemars(extend("enum" = ["better", "worse", "unchanged"]))]
    change: &'static str,
    before: SentJson,
    after: SentJson,
}

#[derive(Serialize, JsonSchema)]
struct SentJson {
    /// `idle` if it was not seen to send.
    #[schemars(extend("enum" = ["copied", "zerocopied", "mixed", "idle"]))]
    verdict: &'static str,
    sends: SplitJson,
}

/// Writes it as one line.
///
/// # Errors
/// The output cannot be written to.
pub fn write_json(compared: &Compared<'_>, out: &mut dyn Write) -> io::Result<()> {
    let Difference { causes, culprits, senders, .. } = compared.difference;
    let [copied_before, copied_after] = compared.difference.copied();
    let causes = causes.iter().map(|row| CauseJson {
        cause: row.cause,
        device: row.device.as_deref(),
        hidden: row.hidden,
        change: change(row.change()),
        before: row.before.into(),
        after: row.after.into(),
    });
    let culprits = culprits.iter().map(|row| CulpritJson {
        program: row.program.as_deref(),
        device: row.device.as_deref(),
        change: change(row.change()),
        before: row.before.into(),
        after: row.after.into(),
    });
    let senders = senders.iter().map(|row| SenderJson {
        identity: &row.identity,
        change: word(row.trend()),
        before: row.before.into(),
        after: row.after.into(),
    });
    let json = DiffJson {
        schema: SCHEMA,
        verdict: compared.difference.verdict().map_or("unknown", word),
        doubts: compared.doubts(),
        notes: compared.notes(),
        before: watch(compared.before, compared.difference.report(Side::Before), copied_before),
        after: watch(compared.after, compared.difference.report(Side::After), copied_after),
        causes: causes.collect(),
        culprits: culprits.collect(),
        senders: senders.collect(),
    };
    line(out, &json)
}

fn watch<'a>(file: &'a str, report: &'a Report, copied: Amount) -> WatchJson<'a> {
    WatchJson {
        file,
        kernel: &report.kernel,
        duration_seconds: report.duration.as_secs_f64(),
        exact: report.exact(),
        sends: report.sends.into(),
        bytes: report.bytes.into(),
        hidden_copies: hidden(report).sends,
        copied: copied.into(),
        copy_seconds: report.copy_time.as_secs_f64(),
        copy_seconds_per_gigabyte: copying_per_gigabyte(report),
        failed: report.failed(),
        filter: report.filtered.as_ref().map(FilterJson::from),
    }
}

impl From<Amount> for AmountJson {
    fn from(Amount { sends, bytes, share, byte_share }: Amount) -> Self {
        Self { sends, bytes, share, byte_share }
    }
}

impl From<Split> for SentJson {
    fn from(sends: Split) -> Self {
        let verdict = match Verdict::on(sends) {
            Verdict::Copied => "copied",
            Verdict::Zerocopied => "zerocopied",
            Verdict::Mixed => "mixed",
            Verdict::Idle | Verdict::Elsewhere => "idle",
        };
        Self { verdict, sends: sends.into() }
    }
}
