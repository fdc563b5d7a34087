//! Numbers as people read them.

use std::time::Duration;

pub use crate::model::words::plural;

/// A number of bytes with a binary unit.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A number with a comma between thousands.
pub fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A duration with three digits or so.
pub fn time(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds >= 100.0 {
        format!("{seconds:.0} s")
    } else if seconds >= 1.0 {
        format!("{seconds:.1} s")
    } else if seconds >= 0.001 {
        format!("{:.1} ms", seconds * 1e3)
    } else {
        format!("{:.0} µs", seconds * 1e6)
    }
}

/// A part, from 0 to 1, in percent: some is never called none, and not all never all.
pub fn percent(part: f64) -> String {
    let percent = 100.0 * part;
    if percent <= 0.0 {
        "0 %".to_owned()
    } else if percent < 0.1 {
        "under 0.1 %".to_owned()
    } else if percent >= 100.0 {
        "100 %".to_owned()
    } else if percent > 99.9 {
        "over 99.9 %".to_owned()
    } else {
        let digits = format!("{percent:.1}");
        format!("{} %", digits.trim_end_matches(".0"))
    }
}

/// The same without decimals, for a sentence.
pub fn rounded_percent(part: f64) -> String {
    let percent = 100.0 * part;
    if percent > 0.0 && percent < 1.0 {
        "under 1 %".to_owned()
    } else if percent > 99.0 && percent < 100.0 {
        "over 99 %".to_owned()
    } else {
        format!("{percent:.0} %")
    }
}

/// `a, b and c`; beyond so many `a, b, c and 2 more`.
pub fn listed(names: &[String], most: usize) -> String {
    let (named, more) = names.split_at(most.min(names.len()));
    match (named, more.len()) {
        ([], 0) => String::new(),
        ([first @ .., last], 0) if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        (named, 0) => named.concat(),
        (named, more) => format!("{} and {more} more", named.join(", ")),
    }
}

/// How long something has lasted, in its largest unit.
pub fn age(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..86400 => (seconds / 3600, "hour"),
        _ => (seconds / 86400, "day"),
    };
    plural(count, unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([7, 999, 1000, 1_234_567].map(thousands), ["7", "999", "1,000", "1,234,567"]);
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1_638_400), "1.6 MiB");
        assert_eq!(time(Duration::from_micros(12_300)), "12.3 ms");
        assert_eq!(time(Duration::from_secs(5)), "5.0 s");
        assert_eq!(time(Duration::from_nanos(4_200)), "4 µs");
        let parts = [0.0, 1e-9, 0.002, 0.93, 1.0 / 3.0, 0.999_999, 1.0].map(percent);
        assert_eq!(parts, ["0 %", "under 0.1 %", "0.2 %", "93 %", "33.3 %", "over 99.9 %", "100 %"]);
        let ages = [59, 60, 7199, 86_400 * 3].map(|seconds| age(Duration::from_secs(seconds)));
        assert_eq!(ages, ["59 seconds", "1 minute", "1 hour", "3 days"]);
    }
}
