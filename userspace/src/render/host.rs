//! What zcdiag found on a host, as text or JSON that can be sent to somebody else.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    doctor::{self, SelfJson},
    json::{SCHEMA, line},
    lines::{harmless, wrap},
};
use crate::model::{
    doctor::{TrialCounts, TrialSends},
    host::HostReport,
};

/// What zcdiag found on a host. It has no names of hosts, processes or users, no addresses and no paths of a user.
#[derive(Serialize, JsonSchema)]
pub(crate) struct HostJson<'a> {
    schema: u32,
    distribution: DistributionJson<'a>,
    architecture: &'a str,
    /// Switches of the running kernel; `null` for one that cannot be read.
    settings: Vec<NamedJson<'a>>,
    /// Options of its build; `null` if its configuration cannot be read.
    config: Option<Vec<NamedJson<'a>>>,
    /// What is looked up in BTF. Empty without BTF.
    members: Vec<MemberJson<'a>>,
    /// What may be hooked. Empty without BTF.
    functions: Vec<FunctionJson>,
    /// What the trial over `lo` counted; `null` if it was not made.
    trial: Option<TrialJson>,
    /// The document of `zcdiag check --self --json`.
    #[serde(rename = "self")]
    itself: SelfJson<'a>,
}

#[derive(Serialize, JsonSchema)]
struct DistributionJson<'a> {
    /// `ID` of os-release.
    id: Option<&'a str>,
    version: Option<&'a str>,
}

#[derive(Serialize, JsonSchema)]
struct NamedJson<'a> {
    name: &'a str,
    value: Option<&'a str>,
}

#[derive(Serialize, JsonSchema)]
struct MemberJson<'a> {
    name: &'a str,
    /// Its place, mask or value; `null` if this kernel has no such thing.
    value: Option<u32>,
}

#[derive(Serialize, JsonSchema)]
struct FunctionJson {
    name: &'static str,
    /// `btf`, `symbols`, `module` or `tracepoint`; `null` if it was not found.
    found: Option<&'static str>,
}

#[derive(Serialize, JsonSchema)]
struct TrialJson {
    /// By notifications and results.
    told: SendsJson,
    /// By zcdiag's programs.
    counted: SendsJson,
}

#[derive(Serialize, JsonSchema)]
struct SendsJson {
    zerocopy: u64,
    copied: u64,
    /// Whether any had MSG_ZEROCOPY on a socket without SO_ZEROCOPY.
    ignored_ipv4: bool,
    ignored_ipv6: bool,
    io_uring: u64,
}

impl From<&TrialSends> for SendsJson {
    fn from(sends: &TrialSends) -> Self {
        let TrialSends { zerocopy, copied, ignored: [ignored_ipv4, ignored_ipv6], io_uring } = *sends;
        Self { zerocopy, copied, ignored_ipv4, ignored_ipv6, io_uring }
    }
}

/// Writes the report as one line of JSON.
///
/// # Errors
/// The output cannot be written to.
pub fn write_json(report: &HostReport, out: &mut dyn Write) -> io::Result<()> {
    let settings = report.settings.iter();
    let trial = report.itself.trial.as_ref();
    let json = HostJson {
        schema: SCHEMA,
        distribution: DistributionJson {
            id: report.distribution.as_deref(),
            version: report.distribution_version.as_deref(),
        },
        architecture: &report.architecture,
        settings: settings.map(|(name, value)| NamedJson { name, value: value.as_deref() }).collect(),
        config: report.options.as_ref().map(|options| {
            options.iter().map(|(name, value)| NamedJson { name, value: Some(value) }).collect()
        }),
        members: report.members.iter().map(|(name, value)| MemberJson { name, value: *value }).collect(),
        functions: report.functions.iter().map(|&(name, found)| FunctionJson { name, found }).collect(),
        trial: trial.map(|trial| TrialJson { told: (&trial.told).into(), counted: (&trial.counted).into() }),
        itself: SelfJson::of(&report.itself),
    };
    line(out, &json)
}

/// Writes the report for people.
///
/// # Errors
/// The output cannot be written to.
pub fn write_text(report: &HostReport, out: &mut dyn Write) -> io::Result<()> {
    let known = |value: &Option<String>| harmless(value.as_deref().unwrap_or("not known")).into_owned();
    writeln!(out, "zcdiag        {}", report.itself.version)?;
    writeln!(out, "kernel        {}", harmless(&report.itself.kernel))?;
    writeln!(out, "architecture  {}", harmless(&report.architecture))?;
    writeln!(out, "distribution  {} {}", known(&report.distribution), known(&report.distribution_version))?;
    writeln!(out, "\nSwitches")?;
    for (name, value) in &report.settings {
        writeln!(out, "  {name:<33}{}", known(value))?;
    }
    writeln!(out, "\nKernel configuration")?;
    match &report.options {
        None => writeln!(out, "  cannot be read")?,
        Some(options) => {
            for (name, value) in options {
                writeln!(out, "  CONFIG_{}={}", harmless(name), harmless(value))?;
            }
        }
    }
    looked_up(
        "Looked up in BTF",
        &report.members.iter().map(|(name, value)| (name.as_str(), value.is_some())),
        out,
    )?;
    looked_up("Functions", &report.functions.iter().map(|(name, found)| (*name, found.is_some())), out)?;
    if let Some(TrialCounts { told, counted }) = &report.itself.trial {
        writeln!(out, "\nSends of zcdiag's own over lo")?;
        for (head, sends) in [("  the kernel told  ", told), ("  zcdiag counted   ", counted)] {
            let [ipv4, ipv6] = sends.ignored.map(|any| if any { "yes" } else { "no" });
            let sentence = format!(
                "zerocopy {}, copies {}, io_uring {}, without SO_ZEROCOPY: IPv4 {ipv4}, IPv6 {ipv6}",
                sends.zerocopy, sends.copied, sends.io_uring
            );
            write!(out, "{}", wrap(head, &sentence))?;
        }
    }
    writeln!(out)?;
    doctor::write_text(&report.itself, false, out)
}

/// Names that are there and those that are not.
fn looked_up<'a>(
    title: &str,
    names: &(impl Iterator<Item = (&'a str, bool)> + Clone),
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out, "\n{title}")?;
    if names.clone().next().is_none() {
        return writeln!(out, "  no BTF to look in");
    }
    for (head, there) in [("  missing  ", false), ("  there    ", true)] {
        let names: Vec<&str> = names.clone().filter(|(_, is)| *is == there).map(|(name, _)| name).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        write!(out, "{}", wrap(head, &harmless(&names)))?;
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::render::{doctor::tests::report as itself, schema::tests::document};

    pub(crate) fn report() -> HostReport {
        let mut itself = itself();
        let told = TrialSends { zerocopy: 1, copied: 1, ignored: [true, false], io_uring: 1 };
        itself.trial = Some(TrialCounts { told, counted: TrialSends { copied: 0, ..told } });
        HostReport {
            distribution: Some("rhel".to_owned()),
            distribution_version: Some("9.4 \x1b[2J".to_owned()),
            architecture: "x86_64".to_owned(),
            settings: vec![("kernel.ftrace_enabled", Some("1".to_owned())), ("kprobes", None)],
            options: None,
            members: vec![("sk_buff.head".to_owned(), Some(192)), ("sk_buff.new".to_owned(), None)],
            functions: vec![("skb_copy_ubufs", Some("btf")), ("io_send_zc", None)],
            itself,
        }
    }

    #[test]
    fn it_says_what_is_missing() {
        let mut out = Vec::new();
        write_text(&report(), &mut out).expect("write to memory");
        let said = String::from_utf8(out).expect("text is UTF-8");
        for part in [
            "distribution  rhel 9.4 \\u{1b}[2J\n",
            "kprobes                          not known\n",
            "Kernel configuration\n  cannot be read\n",
            "  missing  sk_buff.new\n  there    sk_buff.head\n",
            "  missing  io_send_zc\n  there    skb_copy_ubufs\n",
            "zcdiag counted   zerocopy 1, copies 0, io_uring 1",
            "zcdiag can watch this host (Linux 6.1.0)\n",
        ] {
            assert!(said.contains(part), "{part:?} in:\n{said}");
        }
    }

    #[test]
    fn every_key_is_there() {
        let mut out = Vec::new();
        write_json(&report(), &mut out).expect("write to memory");
        let value = document("check-self-report.schema.json", &out);
        assert_eq!(value["distribution"]["id"], "rhel");
        assert!(value["config"].is_null() && value["settings"][1]["value"].is_null());
        assert_eq!(
            (&value["members"][0]["value"], &value["functions"][0]["found"]),
            (&192.into(), &"btf".into())
        );
        assert_eq!(
            (&value["trial"]["told"]["copied"], &value["self"]["can_watch"]),
            (&1.into(), &true.into())
        );
    }
}
