//! The metrics there are. Their names are fixed: alerts and dashboards rely on them.

use super::text::{Family, Kind, Sample};
use crate::model::fleet::{Identity, Snapshot};

/// The daemon's own state as a process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Health {
    /// Memory in RAM, in bytes.
    pub resident_bytes: u64,
    /// CPU time used.
    pub cpu_seconds: f64,
    /// Scrapes and other requests answered.
    pub requests: u64,
    /// Requests refused: wrong password, too many connections.
    pub refused: u64,
}

type Labels = Vec<(&'static str, String)>;

fn who(identity: &Identity) -> Labels {
    let label = |text: &Option<String>| text.clone().unwrap_or_default();
    vec![
        ("unit", label(&identity.unit)),
        ("container", label(&identity.container)),
        ("pod", label(&identity.pod)),
        ("comm", label(&identity.comm)),
    ]
}

fn with(mut labels: Labels, more: &[(&'static str, &str)]) -> Labels {
    labels.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    labels
}

fn one(value: f64) -> Vec<Sample> {
    vec![Sample { labels: Vec::new(), value }]
}

#[expect(clippy::cast_precision_loss, reason = "the formats know floating point numbers only")]
fn number(value: u64) -> f64 {
    value as f64
}

fn flag(value: bool) -> f64 {
    f64::from(u8::from(value))
}

/// Everything `snapshot` says, as metrics.
pub fn families(snapshot: &Snapshot, health: &Health) -> Vec<Family> {
    let family = |name, kind, help, samples| Family { name, help, kind, samples };
    let mut all = sends(snapshot);
    all.extend(causes(snapshot));
    all.extend(taps(snapshot));
    all.extend(own(snapshot));
    all.extend([
        family(
            "zcdiag_build",
            Kind::Info,
            "Version of zcdiag and release of the kernel it watches.",
            vec![Sample {
                labels: vec![("version", snapshot.version.clone()), ("kernel", snapshot.kernel.clone())],
                value: 1.0,
            }],
        ),
        family(
            "process_start_time_seconds",
            Kind::Gauge,
            "When zcdiag started, in seconds since 1970: all counters were zero then.",
            one(snapshot.started),
        ),
        family(
            "process_resident_memory_bytes",
            Kind::Gauge,
            "Memory of zcdiag in RAM.",
            one(number(health.resident_bytes)),
        ),
        family("process_cpu_seconds", Kind::Counter, "CPU time of zcdiag.", one(health.cpu_seconds)),
        family(
            "zcdiag_http_requests",
            Kind::Counter,
            "HTTP requests answered.",
            one(number(health.requests)),
        ),
        family(
            "zcdiag_http_refused",
            Kind::Counter,
            "HTTP requests and connections refused: no or a wrong password, or closed because others came.",
            one(number(health.refused)),
        ),
    ]);
    all
}

fn sends(snapshot: &Snapshot) -> Vec<Family> {
    let mut sends = Vec::new();
    let mut bytes = Vec::new();
    for row in &snapshot.senders {
        for (result, count, size) in [
            ("zerocopied", row.sends.zerocopied, row.bytes.zerocopied),
            ("copied", row.sends.copied, row.bytes.copied),
        ] {
            let labels = with(who(&row.identity), &[("protocol", &row.protocol), ("result", result)]);
            sends.push(Sample { labels: labels.clone(), value: number(count) });
            bytes.push(Sample { labels, value: number(size) });
        }
    }
    let failed = snapshot
        .failed
        .iter()
        .map(|(errno, count)| Sample { labels: vec![("errno", errno.clone())], value: number(*count) });
    vec![
        Family {
            name: "zcdiag_sends",
            help: "MSG_ZEROCOPY sends that have ended, by whether the kernel copied them after all.",
            kind: Kind::Counter,
            samples: sends,
        },
        Family {
            name: "zcdiag_sent_bytes",
            help: "Bytes of these sends, as the send calls asked for.",
            kind: Kind::Counter,
            samples: bytes,
        },
        Family {
            name: "zcdiag_failed_sends",
            help: "MSG_ZEROCOPY sends that failed, by errno; they are not among the sends.",
            kind: Kind::Counter,
            samples: failed.collect(),
        },
    ]
}

fn causes(snapshot: &Snapshot) -> Vec<Family> {
    let mut sends = Vec::new();
    let mut copies = Vec::new();
    let mut bytes = Vec::new();
    let mut seconds = Vec::new();
    for row in &snapshot.causes {
        let device = row.device.as_deref().unwrap_or_default();
        let labels = with(who(&row.identity), &[("cause", &row.cause), ("device", device)]);
        let sample = |value| Sample { labels: labels.clone(), value };
        sends.push(sample(number(row.sends)));
        copies.push(sample(number(row.copies)));
        bytes.push(sample(number(row.copied_bytes)));
        seconds.push(sample(row.copy_seconds));
    }
    vec![
        Family {
            name: "zcdiag_copied_sends",
            help: "Copied sends by the cause that copied them first and its device.",
            kind: Kind::Counter,
            samples: sends,
        },
        Family {
            name: "zcdiag_copies",
            help: "Copies that the kernel made of packets on their way (runs of skb_copy_ubufs), by cause.",
            kind: Kind::Counter,
            samples: copies,
        },
        Family {
            name: "zcdiag_copied_bytes",
            help: "Bytes that these copies took.",
            kind: Kind::Counter,
            samples: bytes,
        },
        Family {
            name: "zcdiag_copy_seconds",
            help: "CPU time that these copies took.",
            kind: Kind::Counter,
            samples: seconds,
        },
    ]
}

fn taps(snapshot: &Snapshot) -> Vec<Family> {
    let sample = |row: &crate::model::fleet::TapRow| Sample {
        labels: vec![
            ("verdict", row.verdict.clone()),
            ("comm", row.comm.clone().unwrap_or_default()),
            ("device", row.device.clone().unwrap_or_default()),
        ],
        value: number(row.count),
    };
    vec![
        Family {
            name: "zcdiag_taps",
            help: "Packet sockets (AF_PACKET) by whether they make sends copy, holder and device; no device \
                   means all.",
            kind: Kind::Gauge,
            samples: snapshot.taps.rows.iter().map(sample).collect(),
        },
        Family {
            name: "zcdiag_taps_complete",
            help: "1 if every packet socket could be seen when they were last looked at.",
            kind: Kind::Gauge,
            samples: one(flag(snapshot.taps.missing.is_empty())),
        },
    ]
}

fn own(snapshot: &Snapshot) -> Vec<Family> {
    let losses = snapshot
        .losses
        .iter()
        .map(|(reason, count)| Sample { labels: vec![("reason", reason.clone())], value: number(*count) });
    let events = snapshot.event_counts.iter().map(|(change, count)| Sample {
        labels: vec![("change", change.name().to_owned())],
        value: number(*count),
    });
    let counter = |name, help, samples| Family { name, help, kind: Kind::Counter, samples };
    let per_program = |value: fn(&crate::model::fleet::ProgramRow) -> f64| {
        let sample = |row: &crate::model::fleet::ProgramRow| Sample {
            labels: vec![("program", row.program.clone())],
            value: value(row),
        };
        snapshot.programs.iter().map(sample).collect::<Vec<_>>()
    };
    vec![
        counter(
            "zcdiag_lost_events",
            "Events that could not be recorded, by reason; without any, every count is exact.",
            losses.collect(),
        ),
        Family {
            name: "zcdiag_exact",
            help: "1 while nothing was lost: else counts are lower bounds.",
            kind: Kind::Gauge,
            samples: one(flag(snapshot.exact)),
        },
        Family {
            name: "zcdiag_senders_copied",
            help: "Senders of whose sends more than events.copied_share was copied in the last interval.",
            kind: Kind::Gauge,
            samples: one(number(snapshot.copied_now.len() as u64)),
        },
        counter("zcdiag_verdict_changes", "Changes of a sender's verdict that were told.", events.collect()),
        counter(
            "zcdiag_verdict_changes_suppressed",
            "Changes that were not told because there were too many.",
            one(number(snapshot.events_suppressed)),
        ),
        counter(
            "zcdiag_folded_rows",
            "Times that a sender or cause was counted among the others, or an idle row taken away, for want of room.",
            one(number(snapshot.folded_rows)),
        ),
        counter(
            "zcdiag_evicted_entries",
            "Entries taken out of the BPF maps because nothing will come for them any more.",
            one(number(snapshot.evicted_entries)),
        ),
        counter(
            "zcdiag_history_lost_intervals",
            "Intervals in which something happened and that could not be written to the history on disk.",
            one(number(snapshot.history_lost_intervals)),
        ),
        Family {
            name: "zcdiag_resting",
            help: "1 while per-packet hooks are detached, because nobody sends with zero copy.",
            kind: Kind::Gauge,
            samples: one(flag(snapshot.resting)),
        },
        Family {
            name: "zcdiag_budget_level",
            help: "What is left out to keep to the budget: 0 nothing, 1 most stacks, 2 also per-packet hooks.",
            kind: Kind::Gauge,
            samples: one(f64::from(snapshot.budget_level)),
        },
        counter(
            "zcdiag_bpf_runs",
            "Runs of each BPF program; 0 unless kernel.bpf_stats_enabled is set.",
            per_program(|row| number(row.runs)),
        ),
        counter(
            "zcdiag_bpf_run_seconds",
            "CPU time of each BPF program; 0 unless kernel.bpf_stats_enabled is set.",
            per_program(|row| row.run_seconds),
        ),
        counter(
            "zcdiag_bpf_missed_runs",
            "Times that the kernel did not run a program because it was running already on that CPU.",
            per_program(|row| number(row.misses)),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fmt::Write as _, fs};

    use super::*;
    use crate::{
        model::{
            fleet::{CauseRow, Change, ProgramRow, SenderRow, TapRow},
            lost::Lost,
            report::Split,
        },
        render::{
            losses::words,
            metrics::{Format, write},
        },
    };

    #[test]
    fn sends_and_their_causes() {
        let identity = Identity {
            unit: Some("web.service".to_owned()),
            comm: Some("web".to_owned()),
            ..Identity::default()
        };
        let snapshot = Snapshot {
            senders: vec![SenderRow {
                identity: identity.clone(),
                protocol: "tcp".to_owned(),
                sends: Split { zerocopied: 1, copied: 2 },
                bytes: Split { zerocopied: 100, copied: 200 },
            }],
            causes: vec![CauseRow {
                identity,
                cause: "tap_tx".to_owned(),
                device: Some("eth0".to_owned()),
                sends: 2,
                copy_seconds: 0.25,
                ..CauseRow::default()
            }],
            failed: [("ENOBUFS".to_owned(), 3)].into(),
            budget_level: 1,
            ..Snapshot::default()
        };
        let text = write(&families(&snapshot, &Health::default()), Format::Prometheus);
        let who = r#"unit="web.service",comm="web""#;
        for line in [
            &format!("zcdiag_sends_total{{{who},protocol=\"tcp\",result=\"copied\"}} 2"),
            &format!("zcdiag_sent_bytes_total{{{who},protocol=\"tcp\",result=\"zerocopied\"}} 100"),
            &format!("zcdiag_copied_sends_total{{{who},cause=\"tap_tx\",device=\"eth0\"}} 2"),
            &format!("zcdiag_copy_seconds_total{{{who},cause=\"tap_tx\",device=\"eth0\"}} 0.25"),
            "zcdiag_failed_sends_total{errno=\"ENOBUFS\"} 3",
            "zcdiag_budget_level 1",
            "zcdiag_exact 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in:\n{text}");
        }
        assert!(!text.contains("pid"), "{text}");
    }

    /// Something of everything, so that all labels show.
    fn everything() -> Snapshot {
        let all = || Some("x".to_owned());
        let identity = Identity { unit: all(), container: all(), pod: all(), comm: all() };
        let mut snapshot = Snapshot {
            senders: vec![SenderRow { identity: identity.clone(), ..SenderRow::default() }],
            causes: vec![CauseRow { identity, device: all(), ..CauseRow::default() }],
            failed: [("ENOBUFS".to_owned(), 3)].into(),
            losses: vec![("senders_full".to_owned(), 1)],
            programs: vec![ProgramRow::default()],
            event_counts: [(Change::Lost, 0), (Change::Restored, 0), (Change::Culprit, 0)],
            ..Snapshot::default()
        };
        snapshot.taps.rows = vec![TapRow { verdict: String::new(), comm: all(), device: all(), count: 1 }];
        snapshot
    }

    #[test]
    fn every_metric_stands_in_the_book() {
        let mut table = "| metric | kind | labels | what it says |\n|---|---|---|---|\n".to_owned();
        for family in families(&everything(), &Health::default()) {
            let kind = match family.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Info => "info",
            };
            let suffix = family.kind.suffix();
            let labels = family.samples.first().map_or(&[][..], |sample| &sample.labels);
            let labels: Vec<String> = labels.iter().map(|(name, _)| format!("`{name}`")).collect();
            let (name, labels, help) = (family.name, labels.join(", "), family.help);
            writeln!(table, "| `{name}{suffix}` | {kind} | {labels} | {help} |").expect("a string takes all");
        }
        table.push_str("\n| `reason` of `zcdiag_lost_events_total` | what was lost |\n|---|---|\n");
        for lost in Lost::ALL {
            writeln!(table, "| `{}` | {} |", lost.key(), words(*lost)).expect("a string takes all");
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/src/metrics.md");
        let page = fs::read_to_string(path).expect("the page of the book");
        let (before, rest) = page.split_once("<!-- table -->\n").expect("where the table begins");
        let (_, after) = rest.split_once("<!-- end of table -->\n").expect("where it ends");
        let right = format!("{before}<!-- table -->\n{table}<!-- end of table -->\n{after}");
        if std::env::var_os("ZCDIAG_BLESS").is_some() {
            fs::write(path, &right).expect("write the page");
        } else {
            assert!(page == right, "{path}: run with ZCDIAG_BLESS=1");
        }
    }

    #[test]
    fn names_follow_the_conventions() {
        let families = families(&Snapshot::default(), &Health::default());
        let names: BTreeSet<&str> = families.iter().map(|family| family.name).collect();
        assert_eq!(names.len(), families.len(), "each name once");
        for family in &families {
            let name = family.name;
            assert!(name.starts_with("zcdiag_") || name.starts_with("process_"), "{name}");
            assert!(!name.ends_with("_total") && !name.ends_with("_info"), "{name}: the kind adds that");
            assert!(family.help.ends_with('.') && !family.help.contains('\n'), "{name}: {}", family.help);
        }
    }
}
