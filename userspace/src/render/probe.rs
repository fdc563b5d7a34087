//! What became of a probe, as text or JSON.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    json::{SCHEMA, SplitJson, line},
    lines::harmless,
    remedy::sentence,
    watch::{
        Look, blocks,
        json::{CauseJson, cause},
    },
    words::plural,
};
use crate::model::{
    cause::CauseId,
    check::{Obstacle, Outlook},
    further::Enough,
    probe::{Expected, Notifications, ProbeReport, Why},
    report::Verdict,
};

/// What became of the sends of a probe.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ProbeJson<'a> {
    schema: u32,
    destination: String,
    protocol: &'static str,
    sends: SplitJson,
    bytes: SplitJson,
    /// Sends of which the kernel never tells.
    untold: u64,
    /// Sends whose notification did not come in time.
    unanswered: u64,
    /// `null` if the kernel told of no send.
    verdict: Option<VerdictJson>,
    /// Failed sends by the name of their errno.
    failed: &'a BTreeMap<String, u64>,
    notifications: NotificationsJson,
    errors: &'a BTreeMap<String, u64>,
    /// Why sends were copied; `null` if the kernel was not watched.
    causes: Option<Vec<CauseJson<'a>>>,
    /// Why it was not; `null` if it was.
    not_watched: Option<&'a str>,
    /// What `zcdiag check` says of such sends, if the kernel was not watched.
    expected: Option<ExpectedJson>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum VerdictJson {
    Copied,
    Mixed,
    Zerocopied,
}

#[derive(Serialize, JsonSchema)]
struct ExpectedJson {
    #[schemars(extend("enum" = Outlook::ALL.map(Outlook::name)))]
    verdict: &'static str,
    /// What the notifications will say.
    #[schemars(extend("enum" = Outlook::ALL.map(Outlook::name)))]
    reported: &'static str,
    /// Of what would surely copy, the first to bite first.
    causes: Vec<CauseId>,
}

impl From<&Expected> for ExpectedJson {
    fn from(expected: &Expected) -> Self {
        let certain = expected.obstacles.iter().filter(|obstacle| obstacle.certain);
        Self {
            verdict: expected.outlook.name(),
            reported: expected.reported.name(),
            causes: certain.filter_map(|obstacle| obstacle.cause).collect(),
        }
    }
}

#[derive(Serialize, JsonSchema)]
struct NotificationsJson {
    messages: u64,
    /// Those that stand for several sends, as many as were kept.
    merged: Vec<MergedJson>,
    timestamps: u64,
}

#[derive(Serialize, JsonSchema)]
struct MergedJson {
    lo: u32,
    hi: u32,
    copied: bool,
}

impl From<&Notifications> for NotificationsJson {
    fn from(notifications: &Notifications) -> Self {
        let merged = notifications.merged.iter();
        Self {
            messages: notifications.messages,
            merged: merged.map(|one| MergedJson { lo: one.lo, hi: one.hi, copied: one.copied }).collect(),
            timestamps: notifications.timestamps,
        }
    }
}

/// Writes the report as one line of JSON.
///
/// # Errors
/// The output cannot be written to.
pub fn write_json(report: &ProbeReport, why: &Why, out: &mut dyn Write) -> io::Result<()> {
    let (causes, not_watched, expected) = match why {
        Why::Seen(seen) => (Some(seen.causes.iter().map(cause).collect()), None, None),
        Why::Unseen { because, expected } => {
            (None, Some(because.as_str()), expected.as_ref().map(Into::into))
        }
    };
    let json = ProbeJson {
        schema: SCHEMA,
        destination: report.destination.to_string(),
        protocol: report.transport.name(),
        sends: report.sends.into(),
        bytes: report.bytes.into(),
        untold: report.untold,
        unanswered: report.unanswered,
        verdict: report.verdict().map(|verdict| match verdict {
            Verdict::Copied => VerdictJson::Copied,
            Verdict::Mixed => VerdictJson::Mixed,
            Verdict::Zerocopied | Verdict::Idle | Verdict::Elsewhere => VerdictJson::Zerocopied,
        }),
        failed: &report.failed,
        notifications: (&report.notifications).into(),
        errors: &report.errors,
        causes,
        not_watched,
        expected,
    };
    line(out, &json)?;
    out.flush()
}

/// Writes the report for people.
///
/// # Errors
/// The output cannot be written to.
pub fn write_text(report: &ProbeReport, why: &Why, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let ProbeReport { destination, transport, sends, .. } = report;
    let made = sends.total() + report.untold + report.unanswered;
    writeln!(
        out,
        "probe: {} to {destination} ({}): zc=y {}, zc=n {}",
        plural(made, "send"),
        transport.name(),
        sends.zerocopied,
        sends.copied
    )?;
    for sentence in sentences(report) {
        write!(out, "{}", look.wrap("  ", &sentence))?;
    }
    match why {
        Why::Seen(seen) => {
            blocks::causes(out, seen, look)?;
            if !seen.exact() {
                writeln!(out, "\nnot everything could be recorded: counts of causes are at least")?;
            }
        }
        Why::Unseen { because, expected } => {
            if sends.copied > 0 {
                let lead = format!("Why is not known, for {}.", harmless(because));
                write!(out, "{}", look.wrap("  ", &lead))?;
            }
            if let Some(expected) = expected {
                write_expected(expected, sends.copied > 0, look, out)?;
            }
        }
    }
    out.flush()
}

/// What was to be expected, and why, if that is of interest.
fn write_expected(expected: &Expected, reasons: bool, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let words = match expected.outlook {
        Outlook::ZeroCopy => "that nothing copies them",
        Outlook::Copied => "that they are copied",
        Outlook::Unknown => "nothing: it cannot be told",
    };
    write!(out, "{}", look.wrap("  ", &format!("What `zcdiag check` expects of such sends: {words}.")))?;
    for Obstacle { cause, explanation, remedies, .. } in expected.obstacles.iter().filter(|_| reasons) {
        write!(
            out,
            "\n{}",
            look.wrap(&format!("  {}: ", cause.map_or("perhaps", CauseId::name)), &harmless(explanation))
        )?;
        for remedy in remedies {
            let lead = if remedy.enough == Enough::Yes { "    cure: " } else { "    step: " };
            write!(out, "{}", look.wrap(lead, &harmless(&sentence(remedy))))?;
        }
    }
    Ok(())
}

fn sentences(report: &ProbeReport) -> Vec<String> {
    let mut sentences = Vec::new();
    match report.verdict() {
        Some(Verdict::Copied) => sentences.push(
            "The kernel copied the data of every send: MSG_ZEROCOPY gains nothing on this path, and costs."
                .to_owned(),
        ),
        Some(Verdict::Mixed) => {
            sentences.push("The kernel copied the data of some sends and not of others.".to_owned());
        }
        Some(Verdict::Zerocopied | Verdict::Idle | Verdict::Elsewhere) => sentences.push(
            "The kernel reports no copy: the pages of the sender went as far as the network device. \
             (Packets that were dropped on the way are reported so too.)"
                .to_owned(),
        ),
        None => {}
    }
    if report.untold > 0 {
        sentences.push(format!(
            "Of {} the kernel never tells whether it copied: {}.",
            plural(report.untold, "send"),
            "only MSG_ZEROCOPY on a socket with SO_ZEROCOPY is notified, and io_uring must be asked"
        ));
    }
    sentences.extend(merged(&report.notifications));
    if report.unanswered > 0 {
        sentences.push(format!(
            "The kernel has not reported on {} in time: the data still waits to be sent or acknowledged.",
            plural(report.unanswered, "send")
        ));
    }
    for (name, count) in &report.failed {
        sentences.push(format!("{} failed with {name}.", plural(*count, "more send")));
    }
    for (name, count) in &report.errors {
        sentences.push(format!("{} came back with {name}.", plural(*count, "datagram")));
    }
    sentences
}

/// How notifications that stand for several sends looked; the first few of them.
fn merged(notifications: &Notifications) -> Option<String> {
    const SHOWN: usize = 5;
    if notifications.merged.is_empty() {
        return None;
    }
    let shown = notifications.merged.iter().take(SHOWN).map(|one| {
        let code = if one.copied { "zc=n" } else { "zc=y" };
        format!("sends {} to {} {code}", one.lo, one.hi)
    });
    let more = if notifications.merged.len() > SHOWN { " .." } else { "" };
    Some(format!(
        "There were {}, some for several sends at once ({}{more}): one code then speaks for all of them, and may be \
         wrong for some.",
        plural(notifications.messages, "notification"),
        shown.collect::<Vec<_>>().join(", ")
    ))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::{
        probe::{Endpoint, Merged, Transport},
        remedy::Remedy,
        report::Split,
    };

    pub(crate) fn report(zerocopied: u64, copied: u64, unanswered: u64) -> ProbeReport {
        ProbeReport {
            sends: Split { zerocopied, copied },
            bytes: Split { zerocopied: zerocopied * 1000, copied: copied * 1000 },
            unanswered,
            ..ProbeReport::new(Endpoint::Inet("10.9.0.2:9".parse().expect("an address")), Transport::Udp)
        }
    }

    /// Not watched, and what was to be expected.
    pub(crate) fn foreseen() -> Why {
        let tap = Obstacle {
            cause: Some(CauseId::TapTx),
            about: "",
            device: None,
            ways: Vec::new(),
            certain: true,
            reported: Outlook::Copied,
            explanation: "a tap".to_owned(),
            remedies: vec![Remedy::written("mute it")],
            taps: Vec::new(),
        };
        let expected = Expected { outlook: Outlook::Copied, reported: Outlook::Copied, obstacles: vec![tap] };
        Why::Unseen { because: "watching needs more".to_owned(), expected: Some(expected) }
    }

    fn text(report: &ProbeReport) -> String {
        let mut out = Vec::new();
        let look = Look::default();
        write_text(report, &foreseen(), look, &mut out).expect("a vector takes all");
        String::from_utf8(out).expect("text is UTF-8")
    }

    #[test]
    fn the_text_answers_first() {
        let copied = text(&report(0, 20, 0));
        assert!(copied.starts_with("probe: 20 sends to 10.9.0.2:9 (udp): zc=y 0, zc=n 20\n"), "{copied}");
        let expected = "  Why is not known, for watching needs more.\n  What `zcdiag check` expects of such sends: that \
                        they are copied.\n\n  tap_tx: a tap\n    cure: mute it\n";
        assert!(copied.ends_with(expected), "{copied}");
        let clean = text(&report(20, 0, 0));
        assert!(clean.starts_with("probe: 20 sends to 10.9.0.2:9 (udp): zc=y 20, zc=n 0\n"), "{clean}");
        assert!(!clean.contains("Why") && clean.contains("check"), "{clean}");
        let silent = text(&report(0, 0, 1));
        assert!(silent.starts_with("probe: 1 send to 10.9.0.2:9 (udp): zc=y 0, zc=n 0\n"), "{silent}");
        assert!(silent.contains("has not reported on 1 send"), "{silent}");
    }

    #[test]
    fn what_makes_counts_doubtful_is_said() {
        let mut report = report(2, 0, 0);
        report.untold = 1;
        report.notifications.messages = 1;
        report.notifications.merged.push(Merged { lo: 0, hi: 1, copied: false });
        report.failed.insert("ENOBUFS".to_owned(), 2);
        let text = text(&report);
        for part in
            ["Of 1 send the kernel never tells", "1 notification", "sends 0 to 1 zc=y", "failed with ENOBUFS"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn the_json_has_every_key() {
        let mut report = report(1, 2, 0);
        report.errors.insert("ECONNREFUSED".to_owned(), 2);
        let mut out = Vec::new();
        write_json(&report, &foreseen(), &mut out).expect("a vector takes all");
        let json = crate::render::schema::tests::document("probe.schema.json", &out);
        let expected = serde_json::json!({
            "schema": 1, "destination": "10.9.0.2:9", "protocol": "udp",
            "sends": {"zerocopied": 1, "copied": 2}, "bytes": {"zerocopied": 1000, "copied": 2000},
            "untold": 0, "unanswered": 0, "verdict": "mixed", "failed": {},
            "notifications": {"messages": 0, "merged": [], "timestamps": 0}, "errors": {"ECONNREFUSED": 2},
            "causes": null, "not_watched": "watching needs more",
            "expected": {"verdict": "copied", "reported": "copied", "causes": ["tap_tx"]},
        });
        assert_eq!(json, expected);
    }
}
