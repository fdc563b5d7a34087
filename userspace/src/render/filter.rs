//! The filter in force and what it left out, in words and as JSON.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{json::SplitJson, lines::harmless, words::plural};
use crate::model::{
    cause::CauseId,
    filter::{Filter, Filtered},
    report::Report,
};

/// As it is typed: `--comm zcd --dev v0`.
pub(super) fn typed(filter: &Filter) -> String {
    let numbers = |numbers: &[u32]| numbers.iter().map(u32::to_string).collect::<Vec<_>>();
    let (pids, uids, namespaces) = (numbers(&filter.pid), numbers(&filter.uid), numbers(&filter.netns));
    let options = [
        ("--pid", &pids),
        ("--comm", &filter.comm),
        ("--unit", &filter.unit),
        ("--uid", &uids),
        ("--netns", &namespaces),
        ("--container", &filter.container),
        ("--pod", &filter.pod),
        ("--dev", &filter.dev),
        ("--cause", &filter.cause),
    ];
    let words = options
        .into_iter()
        .flat_map(|(option, values)| values.iter().map(move |value| format!("{option} {}", harmless(value))));
    words.collect::<Vec<_>>().join(" ")
}

/// ` for nfqueue on v0`: the copies that it selects; empty if all.
pub(super) fn scope(report: &Report) -> String {
    let Some(Filtered { filter, .. }) = &report.filtered else { return String::new() };
    let name = |lead: &str, names: &[String]| {
        if names.is_empty() { String::new() } else { format!("{lead}{}", harmless(&names.join(" or "))) }
    };
    name(" for ", &filter.cause) + &name(" on ", &filter.dev)
}

/// ` of the selected senders`, if there are others.
pub(super) fn of_selected(report: &Report) -> &'static str {
    let others = report.filtered.as_ref().is_some_and(|filtered| filtered.other_senders > 0);
    if others { " of the selected senders" } else { "" }
}

/// What to add to a sentence on the selected sends, so that it claims nothing of others.
pub(super) fn but(report: &Report) -> String {
    let Some(Filtered { filter, .. }) = &report.filtered else { return String::new() };
    let mut more = Vec::new();
    let elsewhere = report.elsewhere();
    if elsewhere > 0 {
        let (whither, left_out) = match (filter.cause.is_empty(), filter.dev.is_empty()) {
            (false, true) => ("for other causes", "--cause leaves"),
            (true, _) => ("elsewhere", "--dev leaves"),
            (false, false) => ("for other causes or elsewhere", "--cause and --dev leave"),
        };
        let at_least = if report.exact() { "" } else { "at least " };
        let all = plural(report.sends.total() + elsewhere, "send");
        more.push(format!("; {at_least}{elsewhere} of {all} were copied {whither}, which {left_out} out"));
    }
    if !filter.dev.is_empty() && report.sends.zerocopied > 0 {
        let devices = filter.dev.join(" or ");
        more.push(format!("; whether any zerocopied send went through {} is not known", harmless(&devices)));
    }
    more.concat()
}

/// That no selected sender has sent, if others have.
pub(super) fn nobody(report: &Report) -> Option<String> {
    let filtered = report.filtered.as_ref().filter(|filtered| filtered.others.total() > 0)?;
    let were = if filtered.others.total() == 1 { "was" } else { "were" };
    Some(format!(
        "no zerocopy send of the selected senders was seen; {} {were} left out by {}",
        of_others(filtered),
        typed(&filtered.filter)
    ))
}

/// `20 sends of 2 other senders`
fn of_others(filtered: &Filtered) -> String {
    let sends = plural(filtered.others.total(), "send");
    format!("{sends} of {}", plural(filtered.other_senders, "other sender"))
}

/// What is selected and what that left out, as a sentence; `None` without a filter.
pub(super) fn left_out(report: &Report) -> Option<String> {
    let filtered = report.filtered.as_ref()?;
    let mut parts = Vec::new();
    if filtered.other_senders > 0 {
        let copied = match filtered.others.copied {
            0 => "none of them copied".to_owned(),
            copied => format!("{copied} of them copied"),
        };
        parts.push(format!("{} ({copied})", of_others(filtered)));
    }
    if filtered.elsewhere() > 0 {
        let causes: Vec<String> =
            filtered.causes.iter().map(|(cause, sends)| format!("{cause} {sends}")).collect();
        let sends = plural(filtered.elsewhere(), "copied send");
        parts.push(format!("{sends} of the selected senders ({})", causes.join(", ")));
    }
    if filtered.hidden > 0 {
        parts.push(format!("{} reported zc=y and copied all the same", plural(filtered.hidden, "send")));
    }
    let left_out = if parts.is_empty() { "nothing".to_owned() } else { parts.join(", and ") };
    Some(format!("only {}; left out: {left_out}", typed(&filtered.filter)))
}

/// A filter, and what it left out.
#[derive(Serialize, JsonSchema)]
pub(super) struct FilterJson<'a> {
    pid: &'a [u32],
    comm: &'a [String],
    unit: &'a [String],
    /// User ids.
    uid: &'a [u32],
    /// Numbers of network namespaces.
    netns: &'a [u32],
    /// Ids of containers, or the first digits of such, or names.
    container: &'a [String],
    /// UIDs of Kubernetes pods.
    pod: &'a [String],
    dev: &'a [String],
    cause: &'a [String],
    left_out: LeftOutJson<'a>,
}

#[derive(Serialize, JsonSchema)]
struct LeftOutJson<'a> {
    /// All sends that are not among the others.
    sends: SplitJson,
    /// Senders that were not selected.
    senders: u64,
    /// Copied sends of the selected senders, by cause.
    causes: &'a BTreeMap<CauseId, u64>,
    /// Sends of the selected senders that were reported zerocopied and copied all the same.
    hidden_copies: u64,
}

impl<'a> From<&'a Filtered> for FilterJson<'a> {
    fn from(filtered: &'a Filtered) -> Self {
        let Filter { pid, comm, unit, uid, netns, container, pod, dev, cause } = &filtered.filter;
        Self {
            pid,
            comm,
            unit,
            uid,
            netns,
            container,
            pod,
            dev,
            cause,
            left_out: LeftOutJson {
                sends: filtered.sends().into(),
                senders: filtered.other_senders,
                causes: &filtered.causes,
                hidden_copies: filtered.hidden,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::report::Split, render::watch::headline::headline};

    fn report(filter: Filter, sends: (u64, u64), others: (u64, u64), tapped: u64) -> Report {
        let split = |(zerocopied, copied)| Split { zerocopied, copied };
        let filtered = Filtered {
            filter,
            other_senders: u64::from(others != (0, 0)),
            others: split(others),
            causes: (tapped > 0).then_some((CauseId::TapTx, tapped)).into_iter().collect(),
            hidden: 0,
        };
        Report { sends: split(sends), filtered: Some(filtered), ..Report::default() }
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn what_is_left_out_is_no_all_clear() {
        let comm = || Filter { comm: words(&["zcd"]), ..Filter::default() };
        let cause = || Filter { cause: words(&["nfqueue"]), ..Filter::default() };
        let dev = || Filter { dev: words(&["v0"]), ..Filter::default() };
        let whose = Filter {
            uid: vec![1000],
            netns: vec![4_026_531_840],
            container: words(&["web"]),
            pod: words(&["0a1b"]),
            ..Filter::default()
        };
        let both = || Filter { cause: words(&["nfqueue"]), ..dev() };
        let cases = [
            (
                report(comm(), (0, 0), (15, 5), 0),
                "no zerocopy send of the selected senders was seen; 20 sends of 1 other sender were left out by \
                 --comm zcd",
                "only --comm zcd; left out: 20 sends of 1 other sender (5 of them copied)",
            ),
            (
                report(comm(), (0, 0), (0, 0), 0),
                "no zerocopy send was seen",
                "only --comm zcd; left out: nothing",
            ),
            (
                report(comm(), (7, 0), (15, 0), 0),
                "zc=y: 7 sends of the selected senders, none was copied",
                "only --comm zcd; left out: 15 sends of 1 other sender (none of them copied)",
            ),
            (
                report(whose, (0, 0), (0, 1), 0),
                "no zerocopy send of the selected senders was seen; 1 send of 1 other sender was left out by --uid 1000 \
                 --netns 4026531840 --container web --pod 0a1b",
                "only --uid 1000 --netns 4026531840 --container web --pod 0a1b; left out: 1 send of 1 other sender \
                 (1 of them copied)",
            ),
            (
                report(cause(), (0, 0), (0, 0), 20),
                "none was copied for nfqueue; 20 of 20 sends were copied for other causes, which --cause leaves out",
                "only --cause nfqueue; left out: 20 copied sends of the selected senders (tap_tx 20)",
            ),
            (
                report(cause(), (0, 5), (0, 0), 20),
                "zc=n: 5 of 25 sends were copied for nfqueue; 20 of 25 sends were copied for other causes, which \
                 --cause leaves out",
                "only --cause nfqueue; left out: 20 copied sends of the selected senders (tap_tx 20)",
            ),
            (
                report(cause(), (5, 0), (0, 0), 0),
                "zc=y: 5 sends, none was copied",
                "only --cause nfqueue; left out: nothing",
            ),
            (
                report(dev(), (5, 0), (0, 0), 0),
                "zc=y: 5 sends, none was copied; whether any zerocopied send went through v0 is not known",
                "only --dev v0; left out: nothing",
            ),
            (
                report(both(), (5, 0), (0, 0), 1),
                "none was copied for nfqueue on v0; 1 of 6 sends were copied for other causes or elsewhere, which \
                 --cause and --dev leave out; whether any zerocopied send went through v0 is not known",
                "only --dev v0 --cause nfqueue; left out: 1 copied send of the selected senders (tap_tx 1)",
            ),
        ];
        for (report, head, sentence) in cases {
            assert_eq!(headline(&report), head);
            assert_eq!(left_out(&report).as_deref(), Some(sentence));
        }
        assert_eq!(left_out(&Report::default()), None);
        let lossy = Report {
            losses: vec![(crate::model::lost::Lost::SitesFull, 1)],
            ..report(cause(), (0, 0), (0, 0), 20)
        };
        assert!(headline(&lossy).starts_with("none was seen to be copied for nfqueue; at least 20 of"));
    }
}
