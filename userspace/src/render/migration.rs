//! A migration in words.

use super::{
    lines::harmless,
    phrases::{on_device, why},
    words::plural,
};
use crate::model::{
    migration::Migration,
    report::{CauseReport, Report},
};

/// The copies that its sends met.
pub(super) fn causes<'a>(migration: &Migration, report: &'a Report) -> Vec<&'a CauseReport> {
    let of_it = |cause: &&CauseReport| cause.sends > 0 && migration.pid == Some(cause.sender.process.pid);
    report.causes.iter().filter(of_it).collect()
}

/// `QEMU's migration (pid 812, monitor /run/a.qmp)`
pub(super) fn title(migration: &Migration) -> String {
    let socket = harmless(&migration.socket);
    match migration.pid {
        Some(pid) => format!("QEMU's migration (pid {pid}, monitor {socket})"),
        None => format!("QEMU's migration (monitor {socket})"),
    }
}

/// How it goes, what QEMU counts, and what was seen of its sends.
pub(super) fn sentences(migration: &Migration, report: &Report) -> Vec<String> {
    let mut sentences = vec![state(migration), counter(migration)];
    sentences.push(seen(migration, report));
    if !migration.answers {
        sentences.push("The monitor no longer answers: this is what it said last.".to_owned());
    }
    sentences
}

fn state(migration: &Migration) -> String {
    match &migration.status {
        Some(status) => format!("It is {}.", harmless(status)),
        None => "There has been none yet.".to_owned(),
    }
}

fn counter(migration: &Migration) -> String {
    match migration.missed {
        None if migration.status.is_none() => "QEMU counts nothing until then.".to_owned(),
        None => "This QEMU does not count what was copied (7.1 or later does).".to_owned(),
        Some(0) => {
            "QEMU counts no flush in which every send was copied (dirty-sync-missed-zero-copy 0).".to_owned()
        }
        Some(missed) => format!(
            "QEMU counts {} in which every send was copied (dirty-sync-missed-zero-copy {missed}); one that was copied \
             in part it does not count.",
            plural(missed, "flush"),
        ),
    }
}

fn seen(migration: &Migration, report: &Report) -> String {
    let causes = causes(migration, report);
    let of_it = report.senders.iter().filter(|row| migration.pid == Some(row.sender.process.pid));
    let (zerocopied, copied) =
        of_it.fold((0, 0), |(y, n), row| (y + row.sends.zerocopied, n + row.sends.copied));
    let some_left_out = report.filtered.as_ref().is_some_and(|filtered| filtered.sends().total() > 0);
    let one = if some_left_out { "selected zerocopy send" } else { "zerocopy send" };
    if copied == 0 && zerocopied == 0 && some_left_out {
        return "None of its zerocopy sends is among those selected.".to_owned();
    }
    if copied == 0 && zerocopied == 0 {
        return "None of its zerocopy sends was seen in this watch.".to_owned();
    }
    if copied == 0 {
        return format!("Of its {} none was copied.", plural(zerocopied, one));
    }
    let causes: Vec<String> = causes
        .iter()
        .map(|cause| format!("{}{} ({}): {}", cause.cause, on_device(cause), why(cause, report), cause.sends))
        .collect();
    format!("Of its {} {copied} were copied, by {}.", plural(zerocopied + copied, one), causes.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        cause::CauseId,
        filter::Filtered,
        process::ProcessIdentity,
        report::{Sender, SenderReport, Split},
    };

    fn report(sends: Split) -> Report {
        let process = ProcessIdentity { pid: 812, comm: "qemu".to_owned(), ..ProcessIdentity::default() };
        let sender = Sender { process, ..Sender::default() };
        let cause = CauseReport {
            cause: CauseId::TapTx,
            summary: "a tap",
            sender: sender.clone(),
            sends: sends.copied,
            ..CauseReport::default()
        };
        Report {
            senders: vec![SenderReport { sends, ..SenderReport::new(sender) }],
            causes: vec![cause],
            ..Report::default()
        }
    }

    #[test]
    fn what_qemu_counts_is_joined_with_the_cause() {
        let tapped = Migration {
            socket: "/run/a.qmp".to_owned(),
            pid: Some(812),
            status: Some("completed".to_owned()),
            missed: Some(16),
            answers: true,
        };
        let copied = report(Split { zerocopied: 2, copied: 5 });
        assert_eq!(title(&tapped), "QEMU's migration (pid 812, monitor /run/a.qmp)");
        assert_eq!(
            sentences(&tapped, &copied).join(" "),
            "It is completed. QEMU counts 16 flushes in which every send was copied (dirty-sync-missed-zero-copy 16); \
             one that was copied in part it does not count. Of its 7 zerocopy sends 5 were copied, by tap_tx (a tap): 5."
        );
        let clean = report(Split { zerocopied: 2, copied: 0 });
        assert_eq!(seen(&tapped, &clean), "Of its 2 zerocopy sends none was copied.");
        let other = Migration { pid: Some(813), ..tapped };
        assert_eq!(seen(&other, &copied), "None of its zerocopy sends was seen in this watch.");
        let filtered = || Some(Filtered { causes: [(CauseId::Tun, 3)].into(), ..Filtered::default() });
        let clean = Report { filtered: filtered(), ..clean };
        assert_eq!(
            seen(&Migration { pid: Some(812), ..other.clone() }, &clean),
            "Of its 2 selected zerocopy sends none was copied."
        );
        let nothing = Report { filtered: filtered(), ..Report::default() };
        assert_eq!(seen(&other, &nothing), "None of its zerocopy sends is among those selected.");
    }
}
