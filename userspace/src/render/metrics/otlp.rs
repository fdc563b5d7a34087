//! OTLP as JSON: `ExportMetricsServiceRequest` of opentelemetry-proto 1.x.

use serde_json::{Value, json};

use super::text::{Family, Kind, Sample};

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`: counters grow from the start on.
const CUMULATIVE: u32 = 2;

/// Whose metrics they are, and of when; times in seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Name of the machine.
    pub host: &'a str,
    /// Of zcdiag.
    pub version: &'a str,
    /// When counters were zero.
    pub started: f64,
    /// When the numbers were read.
    pub now: f64,
}

/// Writes metrics; names are those that are scraped, without their suffixes.
pub fn otlp(families: &[Family], origin: Origin<'_>) -> Value {
    let metrics: Vec<Value> = families.iter().map(|family| metric(family, origin)).collect();
    let resource =
        [("service.name", "zcdiag"), ("service.version", origin.version), ("host.name", origin.host)];
    let resource: Vec<Value> = resource.iter().map(|(key, value)| attribute(key, value)).collect();
    json!({ "resourceMetrics": [{
        "resource": { "attributes": resource },
        "scopeMetrics": [{ "scope": { "name": "zcdiag", "version": origin.version }, "metrics": metrics }],
    }] })
}

fn metric(family: &Family, origin: Origin<'_>) -> Value {
    let point = |sample: &Sample| {
        let labels: Vec<Value> = sample.told().map(|(key, value)| attribute(key, value)).collect();
        json!({
            "attributes": labels,
            "startTimeUnixNano": nanoseconds(origin.started),
            "timeUnixNano": nanoseconds(origin.now),
            "asDouble": sample.value,
        })
    };
    let points: Vec<Value> = family.samples.iter().map(point).collect();
    let suffix = if family.kind == Kind::Info { "_info" } else { "" };
    let (kind, data) = match family.kind {
        Kind::Counter => (
            "sum",
            json!({ "aggregationTemporality": CUMULATIVE, "isMonotonic": true, "dataPoints": points }),
        ),
        Kind::Gauge | Kind::Info => ("gauge", json!({ "dataPoints": points })),
    };
    json!({
        "name": format!("{}{suffix}", family.name),
        "description": family.help,
        "unit": unit(family),
        kind: data,
    })
}

fn attribute(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

/// In the Unified Code for Units of Measure.
fn unit(family: &Family) -> &'static str {
    match family.unit() {
        Some("bytes") => "By",
        Some("seconds") => "s",
        _ => "1",
    }
}

/// 64-bit numbers are strings in the JSON of protocol buffers.
fn nanoseconds(seconds: f64) -> String {
    std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default().as_nanos().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_a_gauge_and_an_information() {
        let labels = vec![("comm", "web".to_owned()), ("unit", String::new())];
        let family = |name, kind| Family {
            name,
            kind,
            help: "Helps.",
            samples: vec![Sample { labels: labels.clone(), value: 1.5 }],
        };
        let families = [
            family("z_copy_seconds", Kind::Counter),
            family("z_taps", Kind::Gauge),
            family("z_build", Kind::Info),
        ];
        let origin = Origin { host: "h1", version: "0.1", started: 1.5, now: 20.0 };
        let message = otlp(&families, origin);
        let whole = &message["resourceMetrics"][0];
        assert_eq!(whole["resource"]["attributes"][2], attribute("host.name", "h1"));
        let metrics = &whole["scopeMetrics"][0]["metrics"];
        assert_eq!(
            metrics[0],
            json!({ "name": "z_copy_seconds", "description": "Helps.", "unit": "s", "sum": {
                "aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [{
                    "attributes": [{ "key": "comm", "value": { "stringValue": "web" } }],
                    "startTimeUnixNano": "1500000000", "timeUnixNano": "20000000000", "asDouble": 1.5,
                }],
            } })
        );
        assert_eq!(
            (&metrics[1]["unit"], &metrics[1]["gauge"]["dataPoints"][0]["asDouble"]),
            (&"1".into(), &1.5.into())
        );
        assert_eq!((&metrics[2]["name"], metrics[2]["gauge"].is_object()), (&"z_build_info".into(), true));
    }
}
