//! What a verification shows.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    filter::{self, FilterJson},
    json::{SCHEMA, SplitJson, line},
    lines::{Emphasis, emphasize, harmless, wrap},
    taps::json::DeviceJson,
    watch::headline::headline,
    words::time,
};
use crate::model::{
    cause::CauseId,
    report::{CauseReport, Report, Verdict},
    verification::{Proof, Verification},
};

/// Writes what was seen, and then what it proves.
///
/// # Errors
/// The output cannot be written to.
pub fn write_text(verification: &Verification, color: bool, out: &mut dyn Write) -> io::Result<()> {
    let mut seen = |name: &str, report: &Report| {
        let head = format!("{name} ({}) ", time(report.duration));
        write!(out, "{}", wrap(&head, &headline(report)))?;
        filter::left_out(report).map_or(Ok(()), |sentence| write!(out, "{}", wrap("  ", &sentence)))
    };
    if let Some(before) = &verification.before {
        seen("before", before)?;
        seen("after ", &verification.after)?;
    } else {
        seen("now", &verification.after)?;
    }
    let devices = verification.after.devices();
    let whose = filter::of_selected(&verification.after);
    let place =
        if devices.is_empty() { String::new() } else { format!(" on {}", harmless(&devices.join(", "))) };
    let (answer, emphasis) = match verification.proof() {
        Proof::Restored if devices.is_empty() => {
            let whose = if whose.is_empty() { "" } else { " for the selected senders" };
            (format!("zero copy is back{whose}"), Emphasis::Good)
        }
        Proof::Restored => (
            format!("zero copy is back{place}: sends{whose} were copied there before, and none is now"),
            Emphasis::Good,
        ),
        Proof::Zerocopied => (format!("no send{whose} was copied"), Emphasis::Good),
        Proof::Copied => (
            format!("zero copy is not back{place}: `zcdiag watch` says what copies, and what helps"),
            Emphasis::Bad,
        ),
        Proof::Nothing => {
            (format!("nothing is proved{place}: {}", unproved(&verification.after)), Emphasis::Doubtful)
        }
    };
    write!(out, "{}", emphasize(&wrap("", &answer), emphasis, color))
}

/// Why what was seen proves nothing, and what to do about it.
fn unproved(after: &Report) -> &'static str {
    match after.verdict() {
        _ if !after.exact() => "not all could be recorded; watch again",
        Verdict::Elsewhere => {
            "sends were copied elsewhere, which --dev leaves out; leave it out to have all sends judged"
        }
        Verdict::Zerocopied => {
            "no send was copied, but none need have gone there; verify with the cure in between, while something is \
             copied there, or leave out --dev to have all sends judged"
        }
        _ if filter::nobody(after).is_some() => {
            "no zerocopy send of the selected senders was seen; watch while they send, or leave out the filter"
        }
        _ => "no zerocopy send was seen; watch for longer, or while something sends",
    }
}

/// Whether zero copy is back.
#[derive(Serialize, JsonSchema)]
pub(crate) struct VerifyJson<'a> {
    schema: u32,
    verdict: VerdictJson,
    /// `null` if only now was looked at.
    before: Option<SeenJson<'a>>,
    after: SeenJson<'a>,
    /// What was run in between.
    command: Option<&'a [String]>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum VerdictJson {
    /// Sends were copied before, and none is now.
    Restored,
    /// No send was copied.
    Zerocopied,
    Copied,
    /// What was seen proves nothing.
    Unknown,
}

#[derive(Serialize, JsonSchema)]
struct SeenJson<'a> {
    duration_seconds: f64,
    exact: bool,
    sends: SplitJson,
    bytes: SplitJson,
    causes: Vec<CauseJson<'a>>,
    filter: Option<FilterJson<'a>>,
}

#[derive(Serialize, JsonSchema)]
struct CauseJson<'a> {
    cause: CauseId,
    sends: u64,
    sender_pid: u32,
    device: Option<DeviceJson<'a>>,
    taps: &'a [u64],
}

/// Writes it as one line.
///
/// # Errors
/// The output cannot be written to.
pub fn write_json(verification: &Verification, out: &mut dyn Write) -> io::Result<()> {
    let json = VerifyJson {
        schema: SCHEMA,
        verdict: match verification.proof() {
            Proof::Restored => VerdictJson::Restored,
            Proof::Zerocopied => VerdictJson::Zerocopied,
            Proof::Copied => VerdictJson::Copied,
            Proof::Nothing => VerdictJson::Unknown,
        },
        before: verification.before.as_ref().map(SeenJson::from),
        after: (&verification.after).into(),
        command: verification.cure.as_ref().map(|cure| &cure.argv[..]),
    };
    line(out, &json)
}

impl<'a> From<&'a Report> for SeenJson<'a> {
    fn from(report: &'a Report) -> Self {
        Self {
            duration_seconds: report.duration.as_secs_f64(),
            exact: report.exact(),
            sends: report.sends.into(),
            bytes: report.bytes.into(),
            causes: report.causes.iter().filter(|cause| cause.sends > 0).map(CauseJson::from).collect(),
            filter: report.filtered.as_ref().map(FilterJson::from),
        }
    }
}

impl<'a> From<&'a CauseReport> for CauseJson<'a> {
    fn from(cause: &'a CauseReport) -> Self {
        Self {
            cause: cause.cause,
            sends: cause.sends,
            sender_pid: cause.sender.process.pid,
            device: cause.device.as_ref().map(DeviceJson::from),
            taps: &cause.taps,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::{write_json, write_text};
    use crate::model::{
        cause::CauseId,
        filter::{Filter, Filtered},
        report::{CommandOutcome, Report, Split},
        verification::Verification,
    };
    use crate::render::schema::tests::document;

    fn seen(zerocopied: u64, copied: u64) -> Report {
        Report { sends: Split { zerocopied, copied }, duration: Duration::from_secs(5), ..Report::default() }
    }

    fn filtered(filtered: Filtered, report: Report) -> Report {
        Report { filtered: Some(filtered), ..report }
    }

    fn on_v0(elsewhere: u64) -> Filtered {
        let filter = Filter { dev: vec!["v0".to_owned()], ..Filter::default() };
        let causes = (elsewhere > 0).then_some((CauseId::TapTx, elsewhere));
        Filtered { filter, causes: causes.into_iter().collect(), ..Filtered::default() }
    }

    fn text(verification: &Verification) -> String {
        let mut out = Vec::new();
        write_text(verification, false, &mut out).expect("write to memory");
        String::from_utf8(out).expect("text is UTF-8")
    }

    fn json(verification: &Verification) -> Value {
        let mut out = Vec::new();
        write_json(verification, &mut out).expect("write to memory");
        document("verify.schema.json", &out)
    }

    #[test]
    fn before_and_after_and_what_it_proves() {
        let cure = CommandOutcome { argv: vec!["zcdiag".to_owned(), "mute".to_owned()], status: Some(0) };
        let restored = Verification { before: Some(seen(0, 50)), cure: Some(cure), after: seen(50, 0) };
        assert_eq!(
            text(&restored),
            "\
before (5.0 s) zc=n: all 50 sends were copied
after  (5.0 s) zc=y: 50 sends, none was copied
zero copy is back
"
        );
        let value = json(&restored);
        assert_eq!((&value["verdict"], &value["command"]), (&json!("restored"), &json!(["zcdiag", "mute"])));
        assert_eq!(value["before"]["sends"], json!({"zerocopied": 0, "copied": 50}));
        assert_eq!(value["after"]["sends"]["zerocopied"], 50);
        assert_eq!((&value["before"]["filter"], &value["after"]["filter"]), (&Value::Null, &Value::Null));
    }

    #[test]
    fn one_device_is_restored_if_it_copied_before() {
        let before = Some(filtered(on_v0(0), seen(0, 50)));
        let restored = Verification { before, cure: None, after: filtered(on_v0(0), seen(50, 0)) };
        let told = text(&restored);
        let end = "zero copy is back on v0: sends were copied there before, and none is now\n";
        assert!(told.ends_with(end) && told.contains("  only --dev v0; left out: nothing\n"), "{told}");
        let elsewhere = Verification { after: filtered(on_v0(3), seen(47, 0)), ..restored };
        let told = text(&elsewhere);
        assert!(told.contains("\nnothing is proved on v0: sends were copied elsewhere"), "{told}");
        let value = json(&elsewhere);
        assert_eq!(value["verdict"], "unknown");
        assert_eq!(value["after"]["filter"]["dev"], json!(["v0"]));
        assert_eq!(
            value["after"]["filter"]["left_out"],
            json!({"sends": {"zerocopied": 0, "copied": 3}, "senders": 0, "causes": {"tap_tx": 3}, "hidden_copies": 0})
        );
        let alone = Verification { before: None, cure: None, after: filtered(on_v0(0), seen(50, 0)) };
        let told = text(&alone);
        assert!(
            told.contains("\nnothing is proved on v0: no send was copied, but none need have gone"),
            "{told}"
        );
    }

    #[test]
    fn other_senders_are_neither_cleared_nor_forgotten() {
        let filter = Filter { pid: vec![7], ..Filter::default() };
        let others = Split { zerocopied: 0, copied: 20 };
        let of_7 = Filtered { filter, other_senders: 2, others, ..Filtered::default() };
        let told =
            |after| text(&Verification { before: None, cure: None, after: filtered(of_7.clone(), after) });
        let clear = told(seen(9, 0));
        assert!(
            clear.contains("\n  only --pid 7; left out: 20 sends of 2 other senders (20 of them"),
            "{clear}"
        );
        assert!(clear.ends_with("\nno send of the selected senders was copied\n"), "{clear}");
        let nobody = told(seen(0, 0));
        assert!(nobody.contains("\nnothing is proved: no zerocopy send of the selected senders"), "{nobody}");
    }

    #[test]
    fn nothing_seen_proves_nothing() {
        let idle = Verification { before: None, cure: None, after: seen(0, 0) };
        assert!(
            text(&idle).starts_with("now (5.0 s) no zerocopy send was seen\nnothing is proved: no zerocopy")
        );
        let copied = Verification { after: seen(1, 1), ..idle };
        assert!(text(&copied).contains("\nzero copy is not back: `zcdiag watch`"));
    }
}
