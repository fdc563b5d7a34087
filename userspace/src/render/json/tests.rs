//! Whatever somebody calls his things, a document's text moves no terminal, and its value is what it was.

use jiff::tz::TimeZone;
use serde_json::Value;

use super::{super::lines::is_dangerous, line, lines};
use crate::{
    model::{
        cost::Cost,
        difference::Difference,
        explained::{Explained, ExplainedStack, Told},
        fleet::{Change, Event, Identity, Snapshot},
        history::History,
        report::{CommandOutcome, Report, Split},
        start::Start,
        verification::Verification,
    },
    render::{
        bundle, check,
        diff::{self, Compared},
        doctor, event, explain, history, host, mute, probe,
        schema::{schemas, tests::document},
        taps, verify,
        watch::{Face, Form, Look},
    },
};

/// Control characters of both sets, a terminal's commands, marks that turn the direction of writing or take no place.
const NAME: &str = "a\u{1b}[2J\u{9b}2J\u{7f}\u{85}\u{61c}\u{200b}\u{202e}\u{2066}\u{feff}\"\\z";
/// They hold nothing that others chose.
const OWN_WORDS: [&str; 2] = ["causes.schema.json", "probe-compare.schema.json"];

fn name() -> String {
    NAME.to_owned()
}

/// What `write` writes.
fn written(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out).expect("write to memory");
    out
}

fn watched(show: impl FnOnce(&mut Face<'_>) -> std::io::Result<()>) -> Vec<u8> {
    let (mut out, mut notices) = (Vec::new(), Vec::new());
    let look = Look { verbose: true, ..Look::default() };
    show(&mut Face::new(Form::Json, look, &mut out, &mut notices)).expect("write to memory");
    out
}

/// Every document with the name in it.
fn documents() -> Vec<(&'static str, Vec<u8>)> {
    let mut taps = taps::tests::report();
    taps.taps[0].tap.holders[0].process.comm = name();
    let mut mute = mute::text::tests::report();
    mute.kernel = Some(name());
    let mut check = check::text::tests::report();
    check.kernel = name();
    let mut doctor = doctor::tests::report();
    doctor.kernel = name();
    let mut host = host::tests::report();
    host.distribution = Some(name());
    let mut bundle = bundle::tests::bundle();
    bundle.missing.push(name());
    let mut probe = probe::tests::report(1, 2, 0);
    probe.errors.insert(name(), 2);
    let cure = CommandOutcome { argv: vec![name()], status: Some(0) };
    let verification = Verification { before: None, cure: Some(cure), after: Report::default() };
    let identity = Identity { comm: Some(name()), ..Identity::others() };
    let event = Event {
        time: 1.0,
        change: Change::Lost,
        identity,
        sends: Split::default(),
        reasons: Vec::new(),
        explanation: None,
        enough: None,
        remedies: Vec::new(),
    };
    let stack = ExplainedStack { copies: None, frames: vec![name()], told: Told::NoCopy };
    let explained = Explained { stacks: vec![stack], causes: Vec::new() };
    let report = Report { kernel: name(), ..Report::default() };
    let history = History { host: name(), ..History::default() };
    let [before, after] = [report.clone(), report.clone()];
    let difference =
        Difference { before, after, causes: Vec::new(), culprits: Vec::new(), senders: Vec::new() };
    let compared = Compared { difference: &difference, before: "a", after: "b" };
    vec![
        ("history.schema.json", written(|out| history::json::write(&history, &TimeZone::UTC, out))),
        ("diff.schema.json", written(|out| diff::write_json(&compared, out))),
        ("taps.schema.json", written(|out| taps::json::write_json(&taps, true, out))),
        ("mute.schema.json", written(|out| mute::write_json(&mute, out))),
        ("check.schema.json", written(|out| check::json::write_json(&check, out))),
        ("check-self.schema.json", written(|out| doctor::write_json(&doctor, out))),
        ("check-self-report.schema.json", written(|out| host::write_json(&host, out))),
        ("bundle.schema.json", written(|out| bundle::write_json(&bundle, out))),
        ("probe.schema.json", written(|out| probe::write_json(&probe, &probe::tests::foreseen(), out))),
        ("verify.schema.json", written(|out| verify::write_json(&verification, out))),
        ("event.schema.json", written(|out| event::json(&event, out))),
        ("status.schema.json", written(|out| line(out, &Snapshot { kernel: name(), ..Snapshot::default() }))),
        ("explain.schema.json", written(|out| explain::write_json(&explained, out))),
        (
            "watch-start.schema.json",
            watched(|face| face.start(&Start { kernel: name(), ..Start::default() })),
        ),
        ("watch-cost.schema.json", watched(|face| face.cost(&Cost::default(), &[name()]))),
        ("watch.schema.json", watched(|face| face.summary(&report))),
    ]
}

/// Whether the name is a value or a key somewhere.
fn has_name(value: &Value) -> bool {
    match value {
        Value::String(text) => text == NAME,
        Value::Array(list) => list.iter().any(has_name),
        Value::Object(keys) => keys.iter().any(|(key, value)| key == NAME || has_name(value)),
        _ => false,
    }
}

#[test]
fn what_others_chose_moves_no_terminal_in_any_document() {
    let documents = documents();
    for (file, text) in &documents {
        // Which asserts as well that nothing dangerous is in the text.
        assert!(has_name(&document(file, text)), "{file}");
    }
    for (file, _) in schemas() {
        let covered = documents.iter().any(|(covered, _)| *covered == file);
        assert_ne!(covered, OWN_WORDS.contains(&file), "{file}");
    }
}

#[test]
fn only_the_text_is_another() {
    // Beyond the first plane a character takes two escapes; none of those is dangerous by now.
    let all: String = ('\0'..='\u{ffff}').chain(['\u{1f600}', '\u{10ffff}']).collect();
    let value = serde_json::json!({ "list": [[], {}, [1, "two"]], (NAME): NAME, "all": all });
    for text in [written(|out| line(out, &value)), written(|out| lines(out, &value))] {
        let text = String::from_utf8(text).expect("UTF-8");
        assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), value);
        assert!(!text.chars().any(|character| character != '\n' && is_dangerous(character)));
    }
    let harmless = serde_json::json!({ "list": [[], {}, [1, "two", { "a": null }]] });
    assert_eq!(written(|out| line(out, &harmless)), format!("{harmless}\n").into_bytes());
    assert_eq!(written(|out| lines(out, &harmless)), format!("{harmless:#}\n").into_bytes());
}
