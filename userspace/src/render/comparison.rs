//! What copying and zero copy cost, as text or JSON.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    json::{SCHEMA, SplitJson, line},
    lines::wrap,
    words::{bytes, plural},
};
use crate::model::{
    comparison::{Comparison, Gain, Row, Run, Spread},
    report::Split,
};

/// What copying and zero copy cost, by turns. Sizes are in bytes.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ComparisonJson {
    schema: u32,
    destination: String,
    protocol: &'static str,
    sizes: Vec<SizeJson>,
    sends: SplitJson,
    unanswered: u64,
    /// `null` if it pays for no size that was measured.
    pays_from: Option<usize>,
}

#[derive(Serialize, JsonSchema)]
struct SizeJson {
    size: usize,
    copying: Vec<RunJson>,
    zerocopy: Vec<RunJson>,
    sends: SplitJson,
    /// Whether zero copy saves CPU.
    zerocopy_cpu: GainJson,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum GainJson {
    Pays,
    Costs,
    /// The runs of both overlap.
    Even,
}

#[derive(Serialize, JsonSchema)]
struct RunJson {
    bytes: u64,
    seconds: f64,
    cpu_seconds: f64,
}

fn runs(runs: &[Run]) -> Vec<RunJson> {
    let run = |run: &Run| RunJson {
        bytes: run.bytes,
        seconds: run.wall.as_secs_f64(),
        cpu_seconds: run.cpu.as_secs_f64(),
    };
    runs.iter().map(run).collect()
}

/// Writes it as one line of JSON.
///
/// # Errors
/// The output cannot be written to.
pub fn write_json(comparison: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    let size = |row: &Row| SizeJson {
        size: row.size,
        copying: runs(&row.copying),
        zerocopy: runs(&row.zerocopy),
        sends: row.sends.into(),
        zerocopy_cpu: match row.gain() {
            Gain::Pays => GainJson::Pays,
            Gain::Costs => GainJson::Costs,
            Gain::Even => GainJson::Even,
        },
    };
    let json = ComparisonJson {
        schema: SCHEMA,
        destination: comparison.destination.to_string(),
        protocol: comparison.transport.name(),
        sizes: comparison.rows.iter().map(size).collect(),
        sends: comparison.sends().into(),
        unanswered: comparison.unanswered,
        pays_from: comparison.pays_from(),
    };
    line(out, &json)?;
    out.flush()
}

/// Writes it for people.
///
/// # Errors
/// The output cannot be written to.
pub fn write_text(comparison: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    let Comparison { destination, transport, rows, .. } = comparison;
    writeln!(out, "{}\n", answer(comparison))?;
    writeln!(out, "{:<9} {:>23} {:>23} {:>7}  SPEED", "SEND", "COPYING", "ZERO COPY", "CPU")?;
    for row in rows {
        let of = |runs, measure: fn(&Run) -> f64| Spread::of(runs, measure);
        let [copying, zerocopy] = [&row.copying, &row.zerocopy].map(|runs| of(runs, Run::cpu_per_gigabyte));
        let [slow, fast] = [&row.copying, &row.zerocopy].map(|runs| 1e3 * of(runs, Run::speed).median);
        writeln!(
            out,
            "{:<9} {:>23} {:>23} {:>6.2}x  {} -> {}{}",
            bytes(row.size as u64),
            spread(copying),
            spread(zerocopy),
            zerocopy.median / copying.median.max(f64::MIN_POSITIVE),
            digits(slow),
            digits(fast),
            reported(row.sends),
        )?;
    }
    let rounds = rows.first().map_or(0, |row| row.copying.len() as u64);
    let legend = format!(
        "{} to {destination} ({}), by turns. COPYING, ZERO COPY: CPU seconds per GB, of the sending \
         thread alone: middle (least to greatest). CPU: their ratio. SPEED: 10⁶ bytes per second. Zero copy pays where \
         its worst run is better than the best that copied; where they overlap, more --rounds may tell.",
        plural(rounds, "round"),
        transport.name()
    );
    write!(out, "\n{}", wrap("", &legend))?;
    out.flush()
}

fn answer(comparison: &Comparison) -> String {
    let Split { zerocopied, copied } = comparison.sends();
    let whole = if copied > 0 && zerocopied == 0 {
        "zc=n: the kernel copied every zerocopy send all the same. "
    } else if copied > 0 {
        "mixed: the kernel copied some zerocopy sends all the same. "
    } else {
        ""
    };
    let pays = match comparison.pays_from() {
        Some(size) => format!("Zero copy saves CPU from {} a send on", bytes(size as u64)),
        None => without_a_gain(comparison).to_owned(),
    };
    wrap("", &format!("{whole}{pays}")).trim_end().to_owned()
}

/// What can be said where zero copy does not pay from any size on: no more than the runs show.
fn without_a_gain(comparison: &Comparison) -> &'static str {
    let all = |gain: Gain| comparison.rows.iter().all(|row| row.gain() == gain);
    if comparison.rows.iter().any(|row| row.gain() == Gain::Pays) {
        "Zero copy saved CPU at some sizes tested, but not at the largest"
    } else if all(Gain::Costs) {
        "Zero copy saved no CPU at any size tested"
    } else {
        "Zero copy showed no clear CPU saving at any size tested"
    }
}

fn spread(spread: Spread) -> String {
    let [median, min, max] = [spread.median, spread.min, spread.max].map(digits);
    format!("{median} ({min} to {max})")
}

/// Three digits that count, or all before the point.
fn digits(number: f64) -> String {
    let decimals = if number >= 99.95 {
        0
    } else if number >= 9.995 {
        1
    } else if number >= 0.9995 {
        2
    } else {
        3
    };
    format!("{number:.decimals$}")
}

fn reported(sends: Split) -> String {
    match (sends.zerocopied, sends.copied) {
        (_, 0) => String::new(),
        (0, _) => "  zc=n".to_owned(),
        (zerocopied, copied) => format!("  zc=y {zerocopied}, zc=n {copied}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        model::probe::{Endpoint, Transport},
        render::schema::tests::document,
    };

    fn comparison(copied: bool) -> Comparison {
        let run =
            |cpu| Run { bytes: 1_000_000_000, wall: Duration::from_secs(2), cpu: Duration::from_millis(cpu) };
        let sends =
            if copied { Split { zerocopied: 0, copied: 9 } } else { Split { zerocopied: 9, copied: 0 } };
        let row = |size, copying: [u64; 3], zerocopy: [u64; 3]| Row {
            size,
            copying: copying.map(run).into(),
            zerocopy: zerocopy.map(run).into(),
            sends,
        };
        Comparison {
            destination: Endpoint::Inet("10.9.0.2:9".parse().expect("an address")),
            transport: Transport::Tcp,
            rows: vec![
                row(1024, [500, 510, 520], [900, 910, 920]),
                row(65536, [400, 410, 420], [100, 110, 120]),
            ],
            unanswered: 0,
        }
    }

    fn text(comparison: &Comparison) -> String {
        let mut out = Vec::new();
        write_text(comparison, &mut out).expect("a vector takes all");
        String::from_utf8(out).expect("text is UTF-8")
    }

    #[test]
    fn the_answer_comes_first_and_then_the_measurements() {
        let text = text(&comparison(false));
        assert!(text.starts_with("Zero copy saves CPU from 64.0 KiB a send on\n\n"), "{text}");
        assert!(
            text.contains("0.410 (0.400 to 0.420)  0.110 (0.100 to 0.120)   0.27x  500 -> 500\n"),
            "{text}"
        );
        assert!(text.contains("\n3 rounds to 10.9.0.2:9 (tcp), by turns."), "{text}");
    }

    #[test]
    fn what_was_copied_all_the_same_is_said_first() {
        let text = text(&comparison(true));
        assert!(
            text.starts_with("zc=n: the kernel copied every zerocopy send all the same. Zero copy"),
            "{text}"
        );
        assert!(text.contains("  zc=n\n"), "{text}");
    }

    #[test]
    fn no_more_is_said_of_a_missing_gain_than_was_measured() {
        let answer = |indices: &[usize], meets: bool| {
            let mut comparison = comparison(false);
            comparison.rows = indices.iter().map(|&index| comparison.rows[index].clone()).collect();
            if meets && let Some(row) = comparison.rows.last_mut() {
                row.zerocopy = row.copying.clone();
            }
            super::answer(&comparison)
        };
        assert_eq!(answer(&[0], false), "Zero copy saved no CPU at any size tested");
        assert_eq!(answer(&[0, 1], true), "Zero copy showed no clear CPU saving at any size tested");
        assert_eq!(
            answer(&[1, 0], false),
            "Zero copy saved CPU at some sizes tested, but not at the largest"
        );
    }

    #[test]
    fn the_json_has_every_run() {
        let mut out = Vec::new();
        write_json(&comparison(false), &mut out).expect("a vector takes all");
        let json = document("probe-compare.schema.json", &out);
        assert_eq!(json["pays_from"], 65536);
        assert_eq!(json["sends"], serde_json::json!({"zerocopied": 18, "copied": 0}));
        let [small, large] = json["sizes"].as_array().expect("a list").as_slice() else { panic!("{json}") };
        assert_eq!((&small["zerocopy_cpu"], &large["zerocopy_cpu"]), (&"costs".into(), &"pays".into()));
        let first = serde_json::json!({"bytes": 1_000_000_000, "seconds": 2.0, "cpu_seconds": 0.5});
        assert_eq!((&small["copying"][0], small["zerocopy"].as_array().map(Vec::len)), (&first, Some(3)));
    }
}
