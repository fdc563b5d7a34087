//! What an option may be set to.

use std::time::Duration;

use crate::model::cause::CauseId;

/// A time with a unit, longer than nothing and at most a year; a bare number is seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match duration_or_none(text)? {
        Duration::ZERO => Err("it must be longer than nothing".to_owned()),
        duration if duration > Duration::from_hours(366 * 24) => Err("more than a year".to_owned()),
        duration => Ok(duration),
    }
}

/// The same without bounds.
pub(super) fn duration_or_none(text: &str) -> Result<Duration, String> {
    let parsed = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string()),
        Err(_) => humantime::parse_duration(text).map_err(|error| error.to_string()),
    };
    parsed.map_err(|error| format!("{error}; give a number with a unit, such as 10s or 500ms"))
}

pub(super) fn percent(text: &str) -> Result<f64, String> {
    let percent: f64 = text.trim_end_matches('%').trim_end().parse().map_err(|error| format!("{error}"))?;
    if percent > 0.0 && percent <= 100.0 {
        Ok(percent)
    } else {
        Err("it may be more than 0, up to 100".to_owned())
    }
}

pub(super) fn cause(name: &str) -> Result<String, String> {
    let names = || CauseId::ALL.iter().map(|cause| cause.name()).collect::<Vec<_>>().join(", ");
    CauseId::named(name)
        .map(|cause| cause.name().to_owned())
        .ok_or_else(|| format!("`zcdiag causes` explains the causes: {}", names()))
}

/// The UID of a pod, as the kernel's control groups have it.
pub(super) fn pod(text: &str) -> Result<String, String> {
    let uid = text.to_ascii_lowercase().replace('_', "-");
    if crate::process::is_pod_uid(&uid) {
        Ok(uid)
    } else {
        Err("a pod is known by its UID only; `kubectl get pod NAME -o jsonpath={.metadata.uid}` says it"
            .to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods() {
        let uid = "0a1b2c3d-1111-2222-3333-444455556666";
        for text in [uid, &uid.to_uppercase(), &uid.replace('-', "_")] {
            assert_eq!(pod(text).as_deref(), Ok(uid));
        }
        assert!(pod("web-0").is_err());
    }

    #[test]
    fn times() {
        assert_eq!(duration("5"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        for bad in ["", "abc", "0", "-1", "5 parsecs", "inf", "nan", "1e30", "90000d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        for (text, seconds) in [("0", 0), ("0s", 0), ("30", 30), ("30s", 30), ("2years", 63_115_200)] {
            assert_eq!(duration_or_none(text), Ok(Duration::from_secs(seconds)));
        }
        for bad in ["", "abc", "-1", "inf", "1e30"] {
            assert!(duration_or_none(bad).is_err(), "{bad}");
        }
    }
}
