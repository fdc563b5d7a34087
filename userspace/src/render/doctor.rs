//! What zcdiag can do on this host, as text or JSON.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    json::{SCHEMA, line},
    lines::{Emphasis, emphasize, harmless, wrap},
};
use crate::model::{doctor::SelfReport, kernel::TapListScope};

/// What zcdiag can do on this host.
#[derive(Serialize, JsonSchema)]
pub(crate) struct SelfJson<'a> {
    schema: u32,
    version: &'static str,
    kernel: &'a str,
    can_watch: bool,
    hindrances: Vec<HindranceJson<'a>>,
    degraded: &'a [String],
    capabilities: Vec<CapabilityJson>,
    lockdown: Option<&'a str>,
    btf: bool,
    symbols: bool,
    preemptible: bool,
    /// Whether what is listed was attached for a moment, and tried by sends over `lo`.
    tried: bool,
    /// Whether taps that are bound to no device stay within their network namespace; `null` if not known.
    taps_per_netns: Option<bool>,
    /// What `watch` would attach.
    attach: Vec<StepJson<'a>>,
}

#[derive(Serialize, JsonSchema)]
struct HindranceJson<'a> {
    what: &'a str,
    cure: &'a str,
}

#[derive(Serialize, JsonSchema)]
struct CapabilityJson {
    name: &'static str,
    held: bool,
    purpose: &'static str,
    without: &'static str,
}

#[derive(Serialize, JsonSchema)]
struct StepJson<'a> {
    function: &'a str,
    kind: &'static str,
    because: &'a str,
}

impl<'a> SelfJson<'a> {
    pub(super) fn of(report: &'a SelfReport) -> Self {
        let hindrances = report.hindrances.iter();
        let capabilities = report.capabilities.iter();
        let steps = report.plan.iter();
        Self {
            schema: SCHEMA,
            version: report.version,
            kernel: &report.kernel,
            can_watch: report.hindrances.is_empty(),
            hindrances: hindrances.map(|one| HindranceJson { what: &one.what, cure: &one.cure }).collect(),
            degraded: &report.degraded,
            capabilities: capabilities
                .map(|one| CapabilityJson {
                    name: one.name,
                    held: one.held,
                    purpose: one.purpose,
                    without: one.without,
                })
                .collect(),
            lockdown: report.lockdown.as_deref(),
            btf: report.btf,
            symbols: report.symbols,
            preemptible: report.preemptible,
            tried: report.tried,
            taps_per_netns: match report.tap_scope {
                TapListScope::Global => Some(false),
                TapListScope::PerNetns => Some(true),
                TapListScope::Unknown => None,
            },
            attach: steps
                .map(|step| StepJson { function: &step.function, kind: step.kind, because: &step.because })
                .collect(),
        }
    }
}

/// Writes the report as one line of JSON.
///
/// # Errors
/// The output cannot be written to.
pub fn write_json(report: &SelfReport, out: &mut dyn Write) -> io::Result<()> {
    line(out, &SelfJson::of(report))
}

/// Writes the report for people: whether watching works, then what that is made from.
///
/// # Errors
/// The output cannot be written to.
pub fn write_text(report: &SelfReport, color: bool, out: &mut dyn Write) -> io::Result<()> {
    let kernel = harmless(&report.kernel);
    let (answer, emphasis) = match (report.hindrances.is_empty(), report.degraded.is_empty()) {
        (true, true) => (format!("zcdiag can watch this host (Linux {kernel})"), Emphasis::Good),
        (true, false) => {
            (format!("zcdiag can watch this host (Linux {kernel}), but not see all"), Emphasis::Doubtful)
        }
        (false, _) => (format!("zcdiag cannot watch this host (Linux {kernel})"), Emphasis::Bad),
    };
    writeln!(out, "{}", emphasize(&answer, emphasis, color))?;
    for hindrance in &report.hindrances {
        write!(out, "{}", wrap("  why   ", &harmless(&hindrance.what)))?;
        write!(out, "{}", wrap("  cure  ", &harmless(&hindrance.cure)))?;
    }
    for lost in &report.degraded {
        write!(out, "{}", wrap("  less  ", &harmless(lost)))?;
    }
    writeln!(out)?;
    for capability in &report.capabilities {
        let held = if capability.held { "yes" } else { "no " };
        let without =
            if capability.held { String::new() } else { format!("; without it: {}", capability.without) };
        let head = format!("  {held}  {:<20}", capability.name);
        write!(out, "{}", wrap(&head, &format!("{}{without}", capability.purpose)))?;
    }
    writeln!(out)?;
    let is = |yes: bool, so: &'static str, not: &'static str| if yes { so } else { not };
    let facts = [
        ("lockdown", harmless(report.lockdown.as_deref().unwrap_or("none")).into_owned()),
        ("BTF", is(report.btf, "there", "cannot be read").to_owned()),
        ("symbols", is(report.symbols, "shown", "hidden").to_owned()),
        (
            "preemption",
            is(
                report.preemptible,
                "in the kernel: probes for what runs in the sender's task",
                "not in the kernel",
            )
            .to_owned(),
        ),
        (
            "taps",
            match report.tap_scope {
                TapListScope::Global => "those bound to no device reach into every namespace",
                TapListScope::PerNetns => "those bound to no device stay within their namespace",
                TapListScope::Unknown => "whom those harm that are bound to no device is not known",
            }
            .to_owned(),
        ),
    ];
    for (name, what) in facts {
        write!(out, "{}", wrap(&format!("  {name:<11}"), &what))?;
    }
    if report.plan.is_empty() {
        return Ok(());
    }
    let tried = if report.tried { "; loaded, attached and tried just now" } else { "" };
    writeln!(out, "\nWhat `watch` attaches{tried}")?;
    for step in &report.plan {
        let head = format!("  {:<10}", step.kind);
        write!(
            out,
            "{}",
            wrap(&head, &format!("{}: {}", harmless(&step.function), harmless(&step.because)))
        )?;
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        model::doctor::{Capability, Hindrance, PlannedStep},
        render::schema::tests::document,
    };

    pub(crate) fn report() -> SelfReport {
        SelfReport {
            version: "0.1.0",
            kernel: "6.1.0".to_owned(),
            hindrances: Vec::new(),
            degraded: Vec::new(),
            capabilities: vec![Capability {
                name: "CAP_BPF",
                purpose: "loading",
                without: "nothing",
                held: false,
            }],
            lockdown: None,
            btf: true,
            symbols: true,
            preemptible: false,
            tap_scope: TapListScope::Global,
            tried: false,
            trial: None,
            plan: vec![PlannedStep {
                function: "skb_copy_ubufs".to_owned(),
                kind: "fentry",
                because: "in the kernel's BTF".to_owned(),
            }],
        }
    }

    fn text(report: &SelfReport) -> String {
        let mut out = Vec::new();
        write_text(report, false, &mut out).expect("write to memory");
        String::from_utf8(out).expect("text is UTF-8")
    }

    #[test]
    fn the_answer_comes_first() {
        let mut report = report();
        assert!(text(&report).starts_with("zcdiag can watch this host (Linux 6.1.0)\n"));
        report.degraded.push("names".to_owned());
        assert!(text(&report).starts_with("zcdiag can watch this host (Linux 6.1.0), but not see all\n"));
        report.hindrances.push(Hindrance { what: "no BTF".to_owned(), cure: "another kernel".to_owned() });
        let said = text(&report);
        assert!(said.starts_with("zcdiag cannot watch this host (Linux 6.1.0)\n  why   no BTF\n"), "{said}");
        assert!(said.contains("no   CAP_BPF") && said.contains("without it: nothing"), "{said}");
        assert!(said.contains("fentry    skb_copy_ubufs: in the kernel's BTF"), "{said}");
    }

    #[test]
    fn every_key_is_there() {
        let mut out = Vec::new();
        write_json(&report(), &mut out).expect("write to memory");
        let value = document("check-self.schema.json", &out);
        assert_eq!((&value["schema"], &value["can_watch"]), (&1.into(), &true.into()));
        assert_eq!(value["attach"][0]["kind"], "fentry");
        assert_eq!(value["capabilities"][0]["held"], false);
        assert!(value["lockdown"].is_null());
        assert_eq!(value["taps_per_netns"], false);
    }
}
