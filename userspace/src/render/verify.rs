//! What a verification shows.

use std::io::{self, Write};

use serde::Serialize;

use super::{
    json::SplitJson,
    lines::{Emphasis, emphasize, harmless, wrap},
    taps::json::PlainFormatter,
    watch::text::headline,
    words::time,
};
use crate::model::{
    report::{CauseReport, Report},
    verification::{Proof, Verification},
};

/// Rises with every change that could break a reader.
const SCHEMA: u32 = 1;

/// Writes what was seen, and then what it proves on these devices.
///
/// # Errors
/// The output cannot be written to.
pub fn write_text(
    verification: &Verification,
    devices: &[String],
    color: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut seen = |name: &str, report: &Report| {
        let head = format!("{name} ({}) ", time(report.duration));
        write!(out, "{}", wrap(&head, &headline(report)))
    };
    if let Some(before) = &verification.before {
        seen("before", before)?;
        seen("after ", &verification.after)?;
    } else {
        seen("now", &verification.after)?;
    }
    let place =
        if devices.is_empty() { String::new() } else { format!(" on {}", harmless(&devices.join(", "))) };
    let (answer, emphasis) = match verification.proof() {
        Proof::Restored => (format!("zero copy is back{place}"), Emphasis::Good),
        Proof::Zerocopied => (format!("no send was copied{place}"), Emphasis::Good),
        Proof::Copied => (
            format!("zero copy is not back{place}: `zcdiag watch` says what copies, and what helps"),
            Emphasis::Bad,
        ),
        Proof::Nothing if verification.after.exact() => (
            "nothing is proved: no zerocopy send was seen; watch for longer, or while something sends"
                .to_owned(),
            Emphasis::Doubtful,
        ),
        Proof::Nothing => {
            ("nothing is proved: not all could be recorded; watch again".to_owned(), Emphasis::Doubtful)
        }
    };
    write!(out, "{}", emphasize(&wrap("", &answer), emphasis, color))
}

#[derive(Serialize)]
struct VerifyJson<'a> {
    schema: u32,
    verdict: &'static str,
    before: Option<SeenJson<'a>>,
    after: SeenJson<'a>,
    command: Option<&'a [String]>,
}

#[derive(Serialize)]
struct SeenJson<'a> {
    duration_seconds: f64,
    exact: bool,
    sends: SplitJson,
    bytes: SplitJson,
    causes: Vec<CauseJson<'a>>,
}

#[derive(Serialize)]
struct CauseJson<'a> {
    cause: &'static str,
    sends: u64,
    sender_pid: u32,
    device: Option<DeviceJson<'a>>,
    taps: &'a [u64],
}

#[derive(Serialize)]
struct DeviceJson<'a> {
    netns: u32,
    ifindex: u32,
    name: &'a str,
}

/// Writes it as one line.
///
/// # Errors
/// The output cannot be written to.
pub fn write_json(verification: &Verification, out: &mut dyn Write) -> io::Result<()> {
    let json = VerifyJson {
        schema: SCHEMA,
        verdict: match verification.proof() {
            Proof::Restored => "restored",
            Proof::Zerocopied => "zerocopied",
            Proof::Copied => "copied",
            Proof::Nothing => "unknown",
        },
        before: verification.before.as_ref().map(SeenJson::from),
        after: (&verification.after).into(),
        command: verification.cure.as_ref().map(|cure| &cure.argv[..]),
    };
    json.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, PlainFormatter))?;
    out.write_all(b"\n")
}

impl<'a> From<&'a Report> for SeenJson<'a> {
    fn from(report: &'a Report) -> Self {
        Self {
            duration_seconds: report.duration.as_secs_f64(),
            exact: report.exact(),
            sends: report.sends.into(),
            bytes: report.bytes.into(),
            causes: report.causes.iter().filter(|cause| cause.sends > 0).map(CauseJson::from).collect(),
        }
    }
}

impl<'a> From<&'a CauseReport> for CauseJson<'a> {
    fn from(cause: &'a CauseReport) -> Self {
        let device = cause.device.as_ref();
        Self {
            cause: cause.cause,
            sends: cause.sends,
            sender_pid: cause.sender.process.pid,
            device: device.map(|d| DeviceJson { netns: d.netns, ifindex: d.ifindex, name: &d.name }),
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
        report::{CommandOutcome, Report, Split},
        verification::Verification,
    };

    fn seen(zerocopied: u64, copied: u64) -> Report {
        Report { sends: Split { zerocopied, copied }, duration: Duration::from_secs(5), ..Report::default() }
    }

    fn text(verification: &Verification, devices: &[String]) -> String {
        let mut out = Vec::new();
        write_text(verification, devices, false, &mut out).expect("write to memory");
        String::from_utf8(out).expect("text is UTF-8")
    }

    #[test]
    fn before_and_after_and_what_it_proves() {
        let cure = CommandOutcome { argv: vec!["zcdiag".to_owned(), "mute".to_owned()], status: Some(0) };
        let restored = Verification { before: Some(seen(0, 50)), cure: Some(cure), after: seen(50, 0) };
        assert_eq!(
            text(&restored, &["v0".to_owned()]),
            "\
before (5.0 s) zc=n: all 50 sends were copied
after  (5.0 s) zc=y: 50 sends, none was copied
zero copy is back on v0
"
        );
        let mut out = Vec::new();
        write_json(&restored, &mut out).expect("write to memory");
        let value: Value = serde_json::from_slice(&out).expect("one JSON document");
        assert_eq!((&value["verdict"], &value["command"]), (&json!("restored"), &json!(["zcdiag", "mute"])));
        assert_eq!(value["before"]["sends"], json!({"zerocopied": 0, "copied": 50}));
        assert_eq!(value["after"]["sends"]["zerocopied"], 50);
    }

    #[test]
    fn nothing_seen_proves_nothing() {
        let idle = Verification { before: None, cure: None, after: seen(0, 0) };
        assert!(text(&idle, &[]).starts_with("now (5.0 s) no zerocopy send was seen\nnothing is proved"));
        let copied = Verification { after: seen(1, 1), ..idle };
        assert!(text(&copied, &[]).contains("\nzero copy is not back: `zcdiag watch`"));
    }
}
