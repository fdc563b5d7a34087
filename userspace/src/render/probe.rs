//! What became of a probe, as text or JSON.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use serde::Serialize;

use super::{
    lines::{harmless, wrap},
    words::plural,
};
use crate::model::{
    probe::{ProbeReport, Transport},
    report::{Split, Verdict},
};

/// Rises when a key changes its meaning or goes.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct ProbeJson<'a> {
    schema: u32,
    destination: String,
    protocol: &'static str,
    sends: SplitJson,
    bytes: SplitJson,
    unanswered: u64,
    verdict: Option<&'static str>,
    errors: &'a BTreeMap<String, u64>,
}

#[derive(Serialize)]
struct SplitJson {
    zerocopied: u64,
    copied: u64,
}

impl From<Split> for SplitJson {
    fn from(split: Split) -> Self {
        Self { zerocopied: split.zerocopied, copied: split.copied }
    }
}

/// Writes the report as one line of JSON.
///
/// # Errors
/// The output cannot be written to.
pub fn write_json(report: &ProbeReport, out: &mut dyn Write) -> io::Result<()> {
    let json = ProbeJson {
        schema: SCHEMA,
        destination: report.destination.to_string(),
        protocol: report.transport.name(),
        sends: report.sends.into(),
        bytes: report.bytes.into(),
        unanswered: report.unanswered,
        verdict: report.verdict().map(|verdict| match verdict {
            Verdict::Copied => "copied",
            Verdict::Mixed => "mixed",
            Verdict::Zerocopied | Verdict::Idle => "zerocopied",
        }),
        errors: &report.errors,
    };
    let mut line = serde_json::to_vec(&json)?;
    line.push(b'\n');
    out.write_all(&line)?;
    out.flush()
}

/// Writes the report for people; `typed` is the destination as it was typed.
///
/// # Errors
/// The output cannot be written to.
pub fn write_text(report: &ProbeReport, typed: &str, out: &mut dyn Write) -> io::Result<()> {
    let ProbeReport { destination, transport, sends, .. } = report;
    let made = sends.total() + report.unanswered;
    writeln!(
        out,
        "probe: {} to {destination} ({}): zc=y {}, zc=n {}",
        plural(made, "send"),
        transport.name(),
        sends.zerocopied,
        sends.copied
    )?;
    for sentence in sentences(report) {
        write!(out, "{}", wrap("  ", &sentence))?;
    }
    if sends.copied > 0 {
        let udp = if *transport == Transport::Udp { " --udp" } else { "" };
        writeln!(out, "  why: sudo zcdiag watch -- zcdiag probe {}{udp}", harmless(typed))?;
    }
    out.flush()
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
        Some(Verdict::Zerocopied | Verdict::Idle) => sentences.push(
            "The kernel reports no copy: the pages of the sender went as far as the network device. \
             (Packets that were dropped on the way are reported so too.)"
                .to_owned(),
        ),
        None => {}
    }
    if report.unanswered > 0 {
        sentences.push(format!(
            "The kernel has not reported on {} in time: the data still waits to be sent or acknowledged.",
            plural(report.unanswered, "send")
        ));
    }
    for (name, count) in &report.errors {
        sentences.push(format!("{} came back with {name}.", plural(*count, "datagram")));
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(zerocopied: u64, copied: u64, unanswered: u64) -> ProbeReport {
        ProbeReport {
            destination: "10.9.0.2:9".parse().expect("an address"),
            transport: Transport::Udp,
            sends: Split { zerocopied, copied },
            bytes: Split { zerocopied: zerocopied * 1000, copied: copied * 1000 },
            unanswered,
            errors: BTreeMap::new(),
        }
    }

    fn text(report: &ProbeReport) -> String {
        let mut out = Vec::new();
        write_text(report, "sink.example:9", &mut out).expect("a vector takes all");
        String::from_utf8(out).expect("text is UTF-8")
    }

    #[test]
    fn the_text_answers_first() {
        let copied = text(&report(0, 20, 0));
        assert!(copied.starts_with("probe: 20 sends to 10.9.0.2:9 (udp): zc=y 0, zc=n 20\n"), "{copied}");
        assert!(
            copied.ends_with("  why: sudo zcdiag watch -- zcdiag probe sink.example:9 --udp\n"),
            "{copied}"
        );
        let clean = text(&report(20, 0, 0));
        assert!(clean.starts_with("probe: 20 sends to 10.9.0.2:9 (udp): zc=y 20, zc=n 0\n"), "{clean}");
        assert!(!clean.contains("why:"), "{clean}");
        let silent = text(&report(0, 0, 1));
        assert!(silent.starts_with("probe: 1 send to 10.9.0.2:9 (udp): zc=y 0, zc=n 0\n"), "{silent}");
        assert!(silent.contains("has not reported on 1 send"), "{silent}");
    }

    #[test]
    fn the_json_has_every_key() {
        let mut report = report(1, 2, 0);
        report.errors.insert("ECONNREFUSED".to_owned(), 2);
        let mut out = Vec::new();
        write_json(&report, &mut out).expect("a vector takes all");
        let json: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
        let expected = serde_json::json!({
            "schema": 1, "destination": "10.9.0.2:9", "protocol": "udp",
            "sends": {"zerocopied": 1, "copied": 2}, "bytes": {"zerocopied": 1000, "copied": 2000},
            "unanswered": 0, "verdict": "mixed", "errors": {"ECONNREFUSED": 2},
        });
        assert_eq!(json, expected);
    }
}
