//! A change of a verdict: as a line of JSON, or as fields of the journal.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    json::{SCHEMA, line},
    lines::harmless,
};
use crate::model::fleet::{Change, Event, Identity};

/// Marks these entries of the journal, whatever their text (`MESSAGE_ID`).
pub const MESSAGE_ID: &str = "6f1d6a3f0f6b4b0e9d1c6a5b7e2c4d90";

/// A change of a sender's verdict, as the daemon tells of it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct EventJson<'a> {
    #[schemars(extend("const" = "verdict_change"))]
    r#type: &'static str,
    schema: u32,
    /// All of it in one sentence.
    message: &'a str,
    #[serde(flatten)]
    event: &'a Event,
}

/// Writes it as one line of JSON.
///
/// # Errors
/// The output cannot be written to.
pub fn json(event: &Event, out: &mut dyn Write) -> io::Result<()> {
    let message = sentence(event);
    let object = EventJson { r#type: "verdict_change", schema: SCHEMA, message: &message, event };
    line(out, &object)?;
    out.flush()
}

/// The fields of an entry in the journal.
pub fn fields(event: &Event) -> Vec<(&'static str, String)> {
    let priority = if event.change == Change::Restored { 5 } else { 4 };
    let mut fields = vec![
        ("MESSAGE", sentence(event)),
        ("MESSAGE_ID", MESSAGE_ID.to_owned()),
        ("PRIORITY", priority.to_string()),
        ("SYSLOG_IDENTIFIER", "zcdiag".to_owned()),
        ("ZCDIAG_CHANGE", event.change.name().to_owned()),
        ("ZCDIAG_SENDS_ZEROCOPIED", event.sends.zerocopied.to_string()),
        ("ZCDIAG_SENDS_COPIED", event.sends.copied.to_string()),
    ];
    let Identity { unit, container, pod, comm } = &event.identity;
    let optional = [
        ("ZCDIAG_UNIT", unit),
        ("ZCDIAG_CONTAINER", container),
        ("ZCDIAG_POD", pod),
        ("ZCDIAG_COMM", comm),
        ("ZCDIAG_EXPLANATION", &event.explanation),
    ];
    fields.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
    for reason in &event.reasons {
        fields.push(("ZCDIAG_CAUSE", reason.cause.clone()));
        fields.extend(reason.device.clone().map(|device| ("ZCDIAG_DEVICE", device)));
        fields.extend(reason.culprit.clone().map(|culprit| ("ZCDIAG_CULPRIT", culprit)));
    }
    let name = if event.enough == Some(true) { "ZCDIAG_CURE" } else { "ZCDIAG_STEP" };
    fields.extend(event.remedies.iter().map(|remedy| (name, remedy.clone())));
    fields
}

/// Who a sender is, in a word or two.
pub fn who(identity: &Identity) -> String {
    let comm = identity.comm.as_deref().unwrap_or("?");
    let place = identity.unit.as_ref().or(identity.pod.as_ref()).or(identity.container.as_ref());
    let text = place.map_or_else(|| comm.to_owned(), |place| format!("{comm} ({place})"));
    harmless(&text).into_owned()
}

/// A change in one sentence.
pub fn sentence(event: &Event) -> String {
    let who = who(&event.identity);
    let (copied, all) = (event.sends.copied, event.sends.total());
    let mut reasons: Vec<String> = Vec::new();
    for reason in &event.reasons {
        let on = reason.device.as_ref().map_or(String::new(), |device| format!(" on {device}"));
        let by = reason.culprit.as_ref().map_or(String::new(), |culprit| format!(" by {culprit}"));
        reasons.push(harmless(&format!("{}{on}{by}", reason.cause)).into_owned());
    }
    let reasons = reasons.join(", ");
    match event.change {
        Change::Lost => format!("zero copy lost: {copied} of {all} sends of {who} were copied: {reasons}"),
        Change::Culprit => format!("another reason why sends of {who} are copied: {reasons}"),
        Change::Restored => format!("zero copy restored: {} of {all} sends of {who}", event.sends.zerocopied),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        model::{fleet::Reason, report::Split},
        render::schema::tests::document,
    };

    fn lost() -> Event {
        Event {
            time: 1.5,
            change: Change::Lost,
            identity: Identity {
                unit: Some("web.service".to_owned()),
                comm: Some("web\n".to_owned()),
                ..Identity::default()
            },
            sends: Split { zerocopied: 0, copied: 10 },
            reasons: vec![Reason {
                cause: "tap_tx".to_owned(),
                device: Some("eth0".to_owned()),
                culprit: Some("dhclient".to_owned()),
            }],
            explanation: Some("On eth0 ..".to_owned()),
            enough: Some(true),
            remedies: vec!["one".to_owned(), "two".to_owned()],
        }
    }

    const SENTENCE: &str = "zero copy lost: 10 of 10 sends of web\\u{a} (web.service) were copied: tap_tx on eth0 by \
                            dhclient";

    #[test]
    fn one_line_of_json() {
        let mut out = Vec::new();
        super::json(&lost(), &mut out).expect("write to memory");
        assert_eq!(String::from_utf8_lossy(&out).lines().count(), 1);
        let object = document("event.schema.json", &out);
        assert_eq!(object["message"], SENTENCE);
        assert_eq!((&object["type"], &object["change"]), (&json!("verdict_change"), &json!("lost")));
        assert_eq!((&object["unit"], &object["pod"]), (&json!("web.service"), &Value::Null));
        assert_eq!(object["reasons"][0]["culprit"], "dhclient");
        assert_eq!(object["remedies"], json!(["one", "two"]));
    }

    #[test]
    fn fields_of_the_journal() {
        let fields = fields(&lost());
        let all = |wanted: &str| -> Vec<String> {
            let found = fields.iter().filter(|(name, _)| *name == wanted);
            found.map(|(_, value)| value.clone()).collect()
        };
        assert_eq!(all("MESSAGE"), [SENTENCE]);
        assert_eq!(
            (all("PRIORITY"), all("ZCDIAG_CULPRIT")),
            (vec!["4".to_owned()], vec!["dhclient".to_owned()])
        );
        assert_eq!(all("ZCDIAG_CURE"), ["one", "two"]);
        assert!(all("ZCDIAG_POD").is_empty());
    }

    #[test]
    fn restored_in_a_sentence() {
        let sends = Split { zerocopied: 7, copied: 0 };
        let event = Event { change: Change::Restored, sends, reasons: Vec::new(), ..lost() };
        assert_eq!(sentence(&event), "zero copy restored: 7 of 7 sends of web\\u{a} (web.service)");
    }
}
