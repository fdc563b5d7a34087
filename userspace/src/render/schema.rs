//! JSON Schema of what is written as JSON, made from the types that write it.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

use super::{
    bundle::BundleJson,
    causes::CausesJson,
    check::json::CheckJson,
    comparison::ComparisonJson,
    diff::json::DiffJson,
    doctor::SelfJson,
    event::EventJson,
    explain::ExplainJson,
    history::json::HistoryJson,
    host::HostJson,
    mute::json::MuteJson,
    probe::ProbeJson,
    taps::json::TapsJson,
    verify::VerifyJson,
    watch::{
        cost::CostJson,
        json::{ReportJson, StartJson},
    },
};
use crate::model::fleet::Snapshot;

/// The schema of every document, with the name of its file.
pub fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("watch-start.schema.json", schema::<StartJson<'_>>()),
        ("watch-cost.schema.json", schema::<CostJson<'_>>()),
        ("watch.schema.json", schema::<ReportJson<'_>>()),
        ("taps.schema.json", schema::<TapsJson<'_>>()),
        ("mute.schema.json", schema::<MuteJson<'_>>()),
        ("check.schema.json", schema::<CheckJson<'_>>()),
        ("check-self.schema.json", schema::<SelfJson<'_>>()),
        ("check-self-report.schema.json", schema::<HostJson<'_>>()),
        ("probe.schema.json", schema::<ProbeJson<'_>>()),
        ("probe-compare.schema.json", schema::<ComparisonJson>()),
        ("verify.schema.json", schema::<VerifyJson<'_>>()),
        ("diff.schema.json", schema::<DiffJson<'_>>()),
        ("status.schema.json", schema::<Snapshot>()),
        ("history.schema.json", schema::<HistoryJson<'_>>()),
        ("bundle.schema.json", schema::<BundleJson<'_>>()),
        ("event.schema.json", schema::<EventJson<'_>>()),
        ("causes.schema.json", schema::<CausesJson>()),
        ("explain.schema.json", schema::<ExplainJson<'_>>()),
    ]
}

fn schema<T: JsonSchema>() -> Value {
    // Of what is written: no key is ever left out.
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>().into()
}

#[cfg(test)]
pub(crate) mod tests;
