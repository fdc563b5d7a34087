//! What changed, in every form.

use std::{io, time::Duration};

use serde_json::{Value, json};

use super::{Compared, write_github, write_json, write_junit, write_text};
use crate::{
    model::{
        cause::CauseId,
        difference::{Amount, CauseChange, CulpritChange, Difference, SenderChange},
        filter::{Filter, Filtered},
        fleet::Identity,
        lost::Lost,
        report::{Report, Split},
    },
    render::schema::tests::document,
};

fn seen(zerocopied: u64, copied: u64, kernel: &str) -> Report {
    Report {
        sends: Split { zerocopied, copied },
        bytes: Split { zerocopied: 10_000_000 * zerocopied, copied: 10_000_000 * copied },
        copy_time: Duration::from_millis(copied),
        duration: Duration::from_secs(5),
        kernel: kernel.to_owned(),
        ..Report::default()
    }
}

/// A tap has gone, and another cause has come.
fn cured() -> Difference {
    let (before, after) = (seen(7, 93, "6.1"), seen(95, 5, "6.12"));
    let [had, has] = [Amount::of(93, 930_000_000, &before), Amount::of(5, 50_000_000, &after)];
    let cause = |cause, device: Option<&str>, before, after| CauseChange {
        cause,
        device: device.map(str::to_owned),
        hidden: false,
        before,
        after,
    };
    Difference {
        causes: vec![
            cause(CauseId::TapTx, Some("v0"), had, Amount::default()),
            cause(CauseId::Ipsec, None, Amount::default(), has),
            cause(CauseId::NoSg, Some("v1"), has, has),
        ],
        culprits: vec![CulpritChange {
            program: Some("dhcl\u{1b}ient".to_owned()),
            device: Some("v0".to_owned()),
            before: had,
            after: Amount::default(),
        }],
        senders: vec![SenderChange {
            identity: Identity {
                unit: Some("web.service".to_owned()),
                comm: Some("web".to_owned()),
                ..Identity::default()
            },
            before: Split { zerocopied: 0, copied: 93 },
            after: Split { zerocopied: 95, copied: 5 },
        }],
        before,
        after,
    }
}

/// The other way round.
fn spoiled() -> Difference {
    let Difference { before, after, causes, culprits, senders } = cured();
    let causes = causes.into_iter().map(|row| CauseChange { before: row.after, after: row.before, ..row });
    let culprits =
        culprits.into_iter().map(|row| CulpritChange { before: row.after, after: row.before, ..row });
    let senders = senders.into_iter().map(|row| SenderChange { before: row.after, after: row.before, ..row });
    Difference {
        before: after,
        after: before,
        causes: causes.collect(),
        culprits: culprits.collect(),
        senders: senders.collect(),
    }
}

/// What nothing is known of.
fn open() -> Difference {
    let filter = Filter { pid: vec![7], ..Filter::default() };
    let filtered = Some(Filtered { filter, ..Filtered::default() });
    let before = Report { losses: vec![(Lost::SitesFull, 3)], filtered, ..seen(7, 93, "6.1") };
    Difference { before, after: seen(0, 0, "6.1"), ..cured() }
}

fn written(
    difference: &Difference,
    write: impl Fn(&Compared<'_>, &mut dyn io::Write) -> io::Result<()>,
) -> String {
    let compared = Compared { difference, before: "old.rec", after: "new,\u{1b}.rec" };
    let mut out = Vec::new();
    write(&compared, &mut out).expect("write to memory");
    String::from_utf8(out).expect("UTF-8")
}

fn text(difference: &Difference) -> String {
    written(difference, |compared, out| write_text(compared, false, out))
}

#[test]
fn the_answer_comes_first_and_then_what_changed() {
    assert_eq!(
        text(&cured()),
        "\
better: copied 93 % → 5 %

before  old.rec: 5.0 s on Linux 6.1
after   new,\\u{1b}.rec: 5.0 s on Linux 6.12

                                           BEFORE                         AFTER
copied sends                     93 of 100 (93 %)                5 of 100 (5 %)
copied bytes        886.9 MiB of 953.7 MiB (93 %)   47.7 MiB of 953.7 MiB (5 %)
copying CPU per GB                        93.0 ms                        5.0 ms

CAUSES
  went      tap_tx on v0: 93 % → 0 % of sends (93 → 0), 886.9 MiB → 0 B
  came      ipsec: 0 % → 5 % of sends (0 → 5), 0 B → 47.7 MiB
  1 other as before; all of them with --json

CULPRITS
  went      dhcl\\u{1b}ient on v0: 93 % → 0 % of sends (93 → 0), 886.9 MiB → 0 B

SENDERS
  better    web (web.service): all of 93 sends copied → 5 of 100 sends copied

note: the kernels differ, Linux 6.1 and 6.12: that alone may change what is
      copied
"
    );
    assert!(text(&spoiled()).starts_with("worse: copied 5 % → 93 %\n"));
}

#[test]
fn why_it_cannot_be_told_is_said() {
    let told = text(&open()).split_once("\n\n").map(|(answer, _)| answer.replace('\n', " "));
    assert_eq!(
        told.as_deref(),
        Some(
            "cannot be told: counts of old.rec are lower bounds (too many places of copies: 3); a filter is in force in \
             old.rec (--pid 7), and --unfiltered compares all that was recorded; in new,\\u{1b}.rec no zerocopy send was \
             seen, so record while something sends"
        )
    );
}

#[test]
fn many_rows_are_counted() {
    let mut difference = cured();
    let row = difference.causes[0].clone();
    let device = |number| Some(format!("veth{number}"));
    difference.causes.extend((0..60).map(|number| CauseChange { device: device(number), ..row.clone() }));
    let text = text(&difference);
    assert!(text.contains("\n  and 12 more; all of them with --json\n  1 other as before; all of"), "{text}");
    assert_eq!(text.matches("\n  went      tap_tx").count(), 49, "{text}");
}

#[test]
fn hidden_copies_are_said() {
    let mut difference = cured();
    difference.causes[1].hidden = true;
    difference.after.hidden = vec![crate::model::report::CauseReport { sends: 40, ..Default::default() }];
    let text = text(&difference);
    assert!(text.starts_with("better: copied 93 % → 45 %\n"), "{text}");
    assert!(text.contains("  came      ipsec, reported zc=y: 0 %"), "{text}");
    let row = text.lines().find(|line| line.starts_with("  of them zc=y ")).expect("a row");
    assert_eq!(row.split_whitespace().skip(3).collect::<Vec<_>>(), ["0", "40"]);
}

#[test]
fn the_json_is_as_its_schema_says() {
    let json = |difference: &Difference| -> Value {
        document("diff.schema.json", written(difference, write_json).as_bytes())
    };
    let better = json(&cured());
    assert_eq!((&better["verdict"], &better["doubts"]), (&json!("better"), &json!([])));
    assert_eq!(
        better["before"]["copied"],
        json!({"sends": 93, "bytes": 930_000_000, "share": 0.93, "byte_share": 0.93})
    );
    assert_eq!(better["causes"][0]["change"], "went");
    assert_eq!(
        (&better["causes"][1]["device"], &better["causes"][2]["change"]),
        (&Value::Null, &json!("stayed"))
    );
    assert_eq!(
        (&better["culprits"][0]["program"], &better["after"]["file"]),
        (&json!("dhcl\u{1b}ient"), &json!("new,\u{1b}.rec"))
    );
    let web = &better["senders"][0];
    assert_eq!(
        (&web["unit"], &web["before"]["verdict"], &web["after"]["verdict"]),
        (&json!("web.service"), &json!("copied"), &json!("mixed"))
    );
    assert_eq!(json(&spoiled())["verdict"], "worse");
    let open = json(&open());
    assert_eq!((&open["verdict"], open["doubts"].as_array().map(Vec::len)), (&json!("unknown"), Some(3)));
    assert_eq!(
        (&open["before"]["filter"]["pid"], &open["after"]["copy_seconds_per_gigabyte"]),
        (&json!([7]), &Value::Null)
    );
}

#[test]
fn github_is_told_what_became_worse() {
    assert_eq!(
        written(&spoiled(), write_github),
        "\
::error title=zcdiag diff::worse: copied 5 %25 → 93 %25
::warning title=zcdiag diff%3A cause tap_tx on v0::came: 0 %25 → 93 %25 of sends (0 → 93), 0 B → 886.9 MiB
::warning title=zcdiag diff%3A culprit dhcl\\u{1b}ient on v0::came: 0 %25 → 93 %25 of sends (0 → 93), 0 B → 886.9 MiB
::warning title=zcdiag diff%3A sender web (web.service)::worse: 5 of 100 sends copied → all of 93 sends copied
::notice title=zcdiag diff::the kernels differ, Linux 6.12 and 6.1: that alone may change what is copied
"
    );
    let better = written(&cured(), write_github);
    assert!(better.starts_with("::notice title=zcdiag diff::better: "), "{better}");
    assert!(better.contains("\n::warning title=zcdiag diff%3A cause ipsec::came: "), "{better}");
    assert!(written(&open(), write_github).starts_with("::warning title=zcdiag diff::cannot be told: "));
}

/// Failures and errors, and the names of the tests that fail.
fn judged(difference: &Difference) -> ([usize; 2], Vec<String>) {
    use quick_junit::{Report, TestCaseStatus};
    let xml = written(difference, write_junit);
    let report = Report::deserialize_from_str(&xml).unwrap_or_else(|error| panic!("{error}: {xml}"));
    let [suite] = &report.test_suites[..] else { panic!("{xml}") };
    assert_eq!(report.tests, 6, "{xml}");
    let failed =
        suite.test_cases.iter().filter(|case| matches!(case.status, TestCaseStatus::NonSuccess { .. }));
    let names = failed.map(|case| case.name.as_str().to_owned()).collect();
    ([report.failures, report.errors], names)
}

#[test]
fn a_test_fails_where_the_answer_is_worse_and_by_what() {
    assert_eq!(judged(&cured()), ([0, 0], vec![]));
    let because = ["copied sends", "tap_tx on v0", "dhcl\\u{1b}ient on v0", "web (web.service)"];
    assert_eq!(judged(&spoiled()), ([4, 0], because.map(str::to_owned).into()));
    assert_eq!(judged(&open()), ([0, 1], vec!["copied sends".to_owned()]));
}
