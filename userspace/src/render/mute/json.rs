//! What was done as JSON; no key is ever left out, what is not known is `null`.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    model::mute::{MuteAction, MuteOutcome, MuteReport, MuteResult, MuteTarget},
    render::{
        json::{SCHEMA, line},
        mute::text::all_the_same,
        taps::json::{CureJson, TapJson},
    },
};

/// What was muted, or unmuted, and what was not.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct MuteJson<'a> {
    schema: u32,
    kernel: Option<&'a str>,
    #[schemars(extend("enum" = [MuteAction::Mute, MuteAction::Unmute].map(MuteAction::name)))]
    action: &'static str,
    dry_run: bool,
    complete: bool,
    missing: &'a [String],
    results: Vec<ResultJson<'a>>,
    /// Taps that still make sends copy on the devices of those that were muted.
    remaining: Vec<TapJson<'a>>,
    /// What has to be done about those.
    cure: CureJson<'a>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ResultJson<'a> {
    target: TargetJson,
    result: ResultWord,
    /// What the option was before; what it is now is in the tap.
    ignore_outgoing_before: Option<bool>,
    why: Option<&'a str>,
    instead: Option<Cow<'a, str>>,
    notes: &'a [String],
    undo: Option<String>,
    tap: Option<TapJson<'a>>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ResultWord {
    Done,
    WouldDo,
    Already,
    LeftAlone,
    Refused,
}

/// As the user named it: one of both.
#[derive(Debug, Serialize, JsonSchema)]
struct TargetJson {
    pid: Option<u32>,
    inode: Option<u64>,
}

impl From<MuteTarget> for TargetJson {
    fn from(target: MuteTarget) -> Self {
        match target {
            MuteTarget::Pid(pid) => Self { pid: Some(pid), inode: None },
            MuteTarget::Inode(inode) => Self { pid: None, inode: Some(inode) },
        }
    }
}

impl<'a> From<&'a MuteResult> for ResultJson<'a> {
    fn from(result: &'a MuteResult) -> Self {
        let (word, why, instead) = match &result.outcome {
            MuteOutcome::Done { .. } => (ResultWord::Done, None, None),
            MuteOutcome::WouldDo => (ResultWord::WouldDo, None, None),
            MuteOutcome::Already => (ResultWord::Already, None, None),
            MuteOutcome::LeftAlone { why, .. } => {
                (ResultWord::LeftAlone, Some(&why[..]), all_the_same(result).map(Cow::Owned))
            }
            MuteOutcome::Refused(refusal) => {
                (ResultWord::Refused, Some(&refusal.why[..]), Some(refusal.instead[..].into()))
            }
        };
        Self {
            target: result.target.into(),
            result: word,
            ignore_outgoing_before: result.before,
            why,
            instead,
            notes: &result.notes,
            undo: match result.outcome {
                MuteOutcome::Done { undo } => Some(undo.to_string()),
                _ => None,
            },
            tap: result.tap.as_ref().map(TapJson::from),
        }
    }
}

/// Writes the report as one line.
///
/// # Errors
/// The output cannot be written to.
pub fn write_json(report: &MuteReport, out: &mut dyn Write) -> io::Result<()> {
    let json = MuteJson {
        schema: SCHEMA,
        kernel: report.kernel.as_deref(),
        action: report.action.name(),
        dry_run: report.dry_run,
        complete: report.complete,
        missing: &report.missing,
        results: report.results.iter().map(ResultJson::from).collect(),
        remaining: report.remaining.iter().map(TapJson::from).collect(),
        cure: (&report.cure).into(),
    };
    line(out, &json)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::write_json;
    use crate::render::{mute::text::tests::report, schema::tests::document};

    #[test]
    fn every_result_has_every_key() {
        let mut out = Vec::new();
        write_json(&report(), &mut out).expect("write to memory");
        let value = document("mute.schema.json", &out);
        assert_eq!(
            (&value["schema"], &value["action"], &value["dry_run"]),
            (&json!(1), &json!("mute"), &json!(false))
        );
        let results = value["results"].as_array().expect("a list");
        let words: Vec<_> = results.iter().map(|result| result["result"].as_str()).collect();
        assert_eq!(words, ["done", "left_alone", "refused", "refused"].map(Some));
        assert_eq!(results[0]["undo"], "zcdiag unmute --inode 12354");
        assert_eq!(results[0]["tap"]["ignore_outgoing"], true);
        assert_eq!(results[0]["ignore_outgoing_before"], false);
        assert_eq!(
            results[3],
            json!({
                "target": {"pid": 9, "inode": null}, "result": "refused", "ignore_outgoing_before": null,
                "why": "there is no such process", "instead": "look again", "notes": [], "undo": null, "tap": null,
            })
        );
        assert_eq!(value["remaining"][0]["inode"], 12354);
        assert_eq!(value["cure"]["command"], "zcdiag mute --inode 12354");
    }
}
