//! The schemas are published, listed in the book, and true of what is written.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};

use super::*;
use crate::{
    diagnose,
    diagnose::causes::CAUSES,
    model::{
        cost::Cost,
        fleet::{CauseRow, Change, Event, Identity, ProgramRow, Reason, SenderRow, TapRow, Taps},
        report::Split,
    },
    recording::Player,
    render::{
        causes,
        json::line,
        lines::is_dangerous,
        watch::{Face, Form, Look},
    },
};

/// A file or directory of the book.
fn docs(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(path)
}

/// One document, read as JSON: it must be as the schema in this file says.
pub(crate) fn document(file: &str, text: &[u8]) -> Value {
    let written: Value = serde_json::from_slice(text).expect("one JSON document");
    let raw = str::from_utf8(text)
        .expect("UTF-8")
        .chars()
        .find(|character| *character != '\n' && is_dangerous(*character));
    assert_eq!(raw, None, "{file}");
    let schemas: BTreeMap<&str, Value> = schemas().into_iter().collect();
    let root = &schemas[file];
    if let Err(wrong) = conforms(&written, root, root) {
        panic!("not as {file} says: {wrong}\n{written:#}");
    }
    written
}

/// As much of JSON Schema as there is in ours. A key that the schema does not have is wrong, too.
fn conforms(value: &Value, schema: &Value, root: &Value) -> Result<(), String> {
    let here = |what: &str| Err(format!("{value} {what} {schema}"));
    for (keyword, wanted) in schema.as_object().into_iter().flatten() {
        let list = || wanted.as_array().into_iter().flatten();
        let fits = |wanted: &Value| conforms(value, wanted, root).is_ok();
        let ok = match keyword.as_str() {
            "$ref" => {
                let place = wanted.as_str().and_then(|place| place.strip_prefix('#')).expect("in this file");
                conforms(value, root.pointer(place).expect("a definition"), root)?;
                true
            }
            "const" => value == wanted,
            "enum" => list().any(|wanted| wanted == value),
            "anyOf" | "oneOf" => list().any(fits),
            "type" => list().chain([wanted]).filter_map(Value::as_str).any(|name| match name {
                "null" => value.is_null(),
                "boolean" => value.is_boolean(),
                "integer" => value.is_u64() || value.is_i64(),
                "number" => value.is_number(),
                "string" => value.is_string(),
                "array" => value.is_array(),
                "object" => value.is_object(),
                other => panic!("a type {other}"),
            }),
            "required" => {
                list().filter_map(Value::as_str).all(|key| value.is_null() || value.get(key).is_some())
            }
            "properties" => {
                value.as_object().into_iter().flatten().try_fold(true, |ok, (key, value)| {
                    match (wanted.get(key), schema.get("additionalProperties")) {
                        (Some(wanted), _) => conforms(value, wanted, root).map(|()| ok),
                        (None, additional) => Ok(additional.is_some()),
                    }
                })?
            }
            "additionalProperties" => {
                value.as_object().into_iter().flatten().try_for_each(|(_, value)| {
                    if wanted.is_object() { conforms(value, wanted, root) } else { Ok(()) }
                })?;
                true
            }
            "items" | "prefixItems" => {
                for (index, value) in value.as_array().into_iter().flatten().enumerate() {
                    conforms(value, wanted.get(index).unwrap_or(wanted), root)?;
                }
                true
            }
            "minimum" => value.as_f64().is_none_or(|number| Some(number) >= wanted.as_f64()),
            "maximum" => value.as_f64().is_none_or(|number| Some(number) <= wanted.as_f64()),
            "minItems" => value.as_array().is_none_or(|list| Some(list.len() as u64) >= wanted.as_u64()),
            "maxItems" => value.as_array().is_none_or(|list| Some(list.len() as u64) <= wanted.as_u64()),
            "$schema" | "$defs" | "title" | "description" | "format" | "default" => true,
            other => panic!("{other} is not known to this test"),
        };
        if !ok {
            return here(&format!("is not as `{keyword}` of"));
        }
    }
    Ok(())
}

/// `ZCDIAG_BLESS=1` writes them anew.
#[test]
fn the_published_schemas_are_those_of_this_program() {
    let dir = docs("schema");
    for (name, schema) in schemas() {
        let text = format!("{schema:#}\n");
        let path = dir.join(name);
        if std::env::var_os("ZCDIAG_BLESS").is_some() {
            fs::write(&path, &text).expect("write a schema");
        }
        let published = fs::read_to_string(&path).unwrap_or_default();
        assert!(published == text, "{name}: run with ZCDIAG_BLESS=1");
    }
    let published = fs::read_dir(dir).expect("the schemas");
    let published = published.map(|file| file.expect("a file").file_name().into_string().expect("UTF-8"));
    assert_eq!(published.collect::<BTreeSet<_>>(), names(), "a schema of no document");
}

fn names() -> BTreeSet<String> {
    schemas().into_iter().map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn the_book_lists_every_schema() {
    let page = fs::read_to_string(docs("src/json.md")).expect("the page on JSON");
    let listed = page.split('`').skip(1).step_by(2).filter(|word| word.ends_with(".schema.json"));
    assert_eq!(listed.map(str::to_owned).collect::<BTreeSet<_>>(), names());
}

/// All schemas of objects in a schema.
fn objects<'a>(schema: &'a Value, found: &mut Vec<&'a Value>) {
    match schema {
        Value::Object(keywords) => {
            if schema["properties"].is_object() {
                found.push(schema);
            }
            keywords.values().for_each(|inner| objects(inner, found));
        }
        Value::Array(list) => list.iter().for_each(|inner| objects(inner, found)),
        _ => (),
    }
}

#[test]
fn every_key_is_required() {
    for (name, schema) in schemas() {
        let mut found = Vec::new();
        objects(&schema, &mut found);
        assert!(!found.is_empty(), "{name}");
        for object in found {
            let keys: BTreeSet<&str> =
                object["properties"].as_object().expect("keys").keys().map(String::as_str).collect();
            let required = object["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            assert_eq!(keys, required.collect::<BTreeSet<_>>(), "{name}");
        }
    }
}

/// What the scenarios recorded on one kernel, as `report --json` writes it.
fn watched(recorded: &str) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(recorded.as_bytes()).expect("write to memory");
    let packed = packed.finish().expect("write to memory");
    let mut player = Player::open(packed.as_slice()).expect("a recording");
    let (mut out, mut notices) = (Vec::new(), Vec::new());
    let look = Look::default();
    let mut face = Face::new(Form::Json, look, &mut out, &mut notices);
    face.start(&player.start).expect("write to memory");
    while player.play().expect("to its end").is_some() {
        let report = diagnose::report(&player.counts, &player.known, &player.filter, player.elapsed);
        face.interval(&report, player.elapsed, None).expect("write to memory");
    }
    let report = diagnose::report(&player.counts, &player.known, &player.filter, player.elapsed);
    face.summary(&report).expect("write to memory");
    let cost = Cost { programs: vec![ProgramRow::default()], ..Cost::default() };
    face.cost(&cost, &["stacks".to_owned()]).expect("write to memory");
    out
}

#[test]
fn a_watch_is_written_as_its_schemas_say() {
    let mut kinds = BTreeSet::new();
    for recorded in [
        include_str!("../../../tests/fixtures/watched/5.10.recorded.jsonl"),
        include_str!("../../../tests/fixtures/watched/newest.recorded.jsonl"),
    ] {
        for line in watched(recorded).split_inclusive(|byte| *byte == b'\n') {
            let line_of: Value = serde_json::from_slice(line).expect("JSON");
            let kind = line_of["type"].as_str().expect("a type").to_owned();
            document(
                match kind.as_str() {
                    "start" => "watch-start.schema.json",
                    "cost" => "watch-cost.schema.json",
                    _ => "watch.schema.json",
                },
                line,
            );
            kinds.insert(kind);
        }
    }
    assert_eq!(kinds, ["start", "interval", "summary", "cost"].map(str::to_owned).into());
}

#[test]
fn the_manual_of_causes_is_written_as_its_schema_says() {
    let manual: Vec<_> = CAUSES.iter().map(|cause| cause.manual()).collect();
    let mut out = Vec::new();
    causes::write_json(&manual, &mut out).expect("write to memory");
    let mut written = document("causes.schema.json", &out);
    assert_eq!(written["causes"].as_array().map(Vec::len), Some(CAUSES.len()));

    // What is otherwise is found.
    let schema = schema::<CausesJson>();
    let cause = written["causes"][0].as_object_mut().expect("a cause");
    cause.insert("more".to_owned(), Value::Null);
    assert!(conforms(&written, &schema, &schema).is_err());
    let cause = written["causes"][0].as_object_mut().expect("a cause");
    cause.remove("more");
    assert!(conforms(&written, &schema, &schema).is_ok());
    let meaning = written["causes"][0].as_object_mut().expect("a cause").remove("meaning");
    assert!(conforms(&written, &schema, &schema).is_err());
    written["causes"][0]["meaning"] = Value::from(7);
    assert!(meaning.is_some() && conforms(&written, &schema, &schema).is_err());
}

#[test]
fn what_a_daemon_knows_is_written_as_its_schema_says() {
    let event = Event {
        time: 1.0,
        change: Change::Lost,
        identity: Identity::others(),
        sends: Split::default(),
        reasons: vec![Reason::default()],
        explanation: None,
        enough: Some(true),
        remedies: vec!["one".to_owned()],
    };
    let tap = TapRow { verdict: "offending".to_owned(), comm: None, device: None, count: 1 };
    let snapshot = Snapshot {
        losses: vec![("stacks".to_owned(), 1)],
        senders: vec![SenderRow::default()],
        failed: BTreeMap::from([("ENOBUFS".to_owned(), 1)]),
        causes: vec![CauseRow {
            copy_seconds: Duration::from_millis(5).as_secs_f64(),
            ..CauseRow::default()
        }],
        taps: Taps { missing: vec!["a namespace".to_owned()], rows: vec![tap] },
        events: vec![event],
        programs: vec![ProgramRow::default()],
        ..Snapshot::default()
    };
    let mut out = Vec::new();
    line(&mut out, &snapshot).expect("write to memory");
    document("status.schema.json", &out);
}
