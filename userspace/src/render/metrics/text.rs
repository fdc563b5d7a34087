//! The two text formats.

use std::fmt::Write as _;

/// A text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `text/plain; version=0.0.4`
    Prometheus,
    /// `application/openmetrics-text; version=1.0.0`
    OpenMetrics,
}

impl Format {
    /// The one that a client likes best, by its `Accept` header. Prometheus names both, OpenMetrics first.
    pub fn negotiate(accept: &str) -> Self {
        let quality = |range: &str| {
            let mut parameters = range.split(';').skip(1).map(str::trim);
            let quality = parameters.find_map(|parameter| parameter.strip_prefix("q="));
            quality.map_or(Some(1.0), |quality| quality.parse().ok()).unwrap_or(0.0_f64)
        };
        let best = |kinds: &[&str]| {
            let ranges = accept.split(',').map(str::trim);
            let of_kind = ranges.filter(|range| {
                let kind = range.split(';').next().unwrap_or_default().trim();
                kinds.iter().any(|wanted| kind.eq_ignore_ascii_case(wanted))
            });
            of_kind.map(quality).fold(0.0, f64::max)
        };
        let open = best(&["application/openmetrics-text"]);
        let plain = best(&["text/plain", "text/*", "*/*"]);
        if open > 0.0 && open >= plain { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// Value of the `Content-Type` header.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only grows; its samples end in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Always 1; its samples end in `_info`.
    Info,
}

impl Kind {
    /// What the names of its samples end in.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Gauge => "",
            Self::Info => "_info",
        }
    }
}

/// A metric with all its samples.
#[derive(Clone, Debug)]
pub struct Family {
    /// Without the suffix that its kind has.
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: Kind,
    pub(super) samples: Vec<Sample>,
}

impl Family {
    /// What it is counted in, as its name says; `None` for plain numbers.
    pub(super) fn unit(&self) -> Option<&'static str> {
        ["bytes", "seconds"].into_iter().find(|unit| self.name.ends_with(&format!("_{unit}")))
    }
}

/// One number.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// Those with an empty value are left out.
    pub(super) labels: Vec<(&'static str, String)>,
    pub(super) value: f64,
}

impl Sample {
    /// The labels that say something.
    pub(super) fn told(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.labels
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(label, value)| (*label, value.as_str()))
    }
}

/// Writes metrics.
pub fn write(families: &[Family], format: Format) -> String {
    let mut out = String::new();
    for family in families {
        write_family(&mut out, family, format);
    }
    if format == Format::OpenMetrics {
        out.push_str("# EOF\n");
    }
    out
}

fn write_family(out: &mut String, family: &Family, format: Format) {
    let kind = match (family.kind, format) {
        (Kind::Counter, _) => "counter",
        (Kind::Info, Format::OpenMetrics) => "info",
        (Kind::Gauge, _) | (Kind::Info, Format::Prometheus) => "gauge",
    };
    let (name, suffix) = (family.name, family.kind.suffix());
    // OpenMetrics names the family, the older format the sample.
    let headline = if format == Format::OpenMetrics { "" } else { suffix };
    // Writing to a string cannot fail.
    let _ = writeln!(out, "# HELP {name}{headline} {}", family.help);
    let _ = writeln!(out, "# TYPE {name}{headline} {kind}");
    if let (Some(unit), Format::OpenMetrics) = (family.unit(), format) {
        let _ = writeln!(out, "# UNIT {name} {unit}");
    }
    for sample in &family.samples {
        let _ = write!(out, "{name}{suffix}");
        let mut before = '{';
        for (label, value) in sample.told() {
            let _ = write!(out, "{before}{label}=\"{}\"", escaped(value));
            before = ',';
        }
        let end = if before == ',' { "}" } else { "" };
        let _ = writeln!(out, "{end} {}", sample.value);
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(name: &'static str, kind: Kind) -> Family {
        let labels = vec![("comm", "a\"b\\c\nd".to_owned()), ("unit", String::new())];
        Family { name, help: "Helps.", kind, samples: vec![Sample { labels, value: 1.5 }] }
    }

    #[test]
    fn both_formats() {
        let families = [family("z_copy_seconds", Kind::Counter), family("z_build", Kind::Info)];
        let labels = r#"{comm="a\"b\\c\nd"}"#;
        assert_eq!(
            write(&families, Format::Prometheus),
            format!(
                "# HELP z_copy_seconds_total Helps.\n# TYPE z_copy_seconds_total counter\n\
                 z_copy_seconds_total{labels} 1.5\n\
                 # HELP z_build_info Helps.\n# TYPE z_build_info gauge\nz_build_info{labels} 1.5\n"
            )
        );
        assert_eq!(
            write(&families, Format::OpenMetrics),
            format!(
                "# HELP z_copy_seconds Helps.\n# TYPE z_copy_seconds counter\n# UNIT z_copy_seconds seconds\n\
                 z_copy_seconds_total{labels} 1.5\n\
                 # HELP z_build Helps.\n# TYPE z_build info\nz_build_info{labels} 1.5\n# EOF\n"
            )
        );
    }

    #[test]
    fn a_sample_without_labels_has_no_braces() {
        let samples = vec![Sample { labels: vec![("unit", String::new())], value: 3.0 }];
        let family = Family { name: "z_taps", help: "Helps.", kind: Kind::Gauge, samples };
        assert!(write(&[family], Format::Prometheus).ends_with("\nz_taps 3\n"));
    }

    #[test]
    fn the_client_chooses() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,\
                          application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let cases = [
            ("", Format::Prometheus),
            ("*/*", Format::Prometheus),
            ("text/html", Format::Prometheus),
            (prometheus, Format::OpenMetrics),
            ("Application/OpenMetrics-Text", Format::OpenMetrics),
            ("application/openmetrics-text;q=0, text/plain", Format::Prometheus),
            ("application/openmetrics-text;q=0.1, text/plain;q=0.9", Format::Prometheus),
            ("application/openmetrics-text;q=nonsense", Format::Prometheus),
        ];
        for (accept, format) in cases {
            assert_eq!(Format::negotiate(accept), format, "{accept}");
        }
    }
}
