//! JSON Schema of what is written as JSON, made from the types that write it.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

use super::{
    taps::json::TapsJson,
    watch::{
        cost::CostJson,
        json::{ReportJson, StartJson},
    },
};

/// Every schema, with the name of its file.
pub fn schemas() -> [(&'static str, Value); 4] {
    [
        ("watch-start.schema.json", schema::<StartJson<'_>>()),
        ("watch-cost.schema.json", schema::<CostJson<'_>>()),
        ("watch.schema.json", schema::<ReportJson<'_>>()),
        ("taps.schema.json", schema::<TapsJson<'_>>()),
    ]
}

fn schema<T: JsonSchema>() -> Value {
    // Of what is written: no key is ever left out.
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>().into()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    /// `ZCDIAG_BLESS=1` writes them anew.
    #[test]
    fn the_published_schemas_are_those_of_this_program() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema");
        for (name, schema) in schemas() {
            let text = format!("{schema:#}\n");
            let path = dir.join(name);
            if std::env::var_os("ZCDIAG_BLESS").is_some() {
                fs::write(&path, &text).expect("write a schema");
            }
            assert!(fs::read_to_string(&path).expect("a schema") == text, "{name}: run with ZCDIAG_BLESS=1");
        }
    }

    #[test]
    fn every_key_is_required() {
        for (name, schema) in schemas() {
            let keys =
                |object: &Value| object.as_object().map(|object| object.keys().cloned().collect::<Vec<_>>());
            let mut keys = keys(&schema["properties"]).expect("properties");
            let required = schema["required"].as_array().expect("required keys");
            let mut required: Vec<String> =
                required.iter().filter_map(|key| key.as_str().map(str::to_owned)).collect();
            keys.sort();
            required.sort();
            assert_eq!(keys, required, "{name}");
        }
    }
}
