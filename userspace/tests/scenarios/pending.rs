//! What the scenarios expect and `zcdiag watch` does not say yet. Each line goes when it does.

/// Scenarios in which only the sender's own counts are compared.
pub(crate) const PENDING: &[&str] = &[];

/// Whether `hidden_copies` are looked for.
pub(crate) const HIDDEN: bool = true;

/// Whether failed sends are counted.
pub(crate) const FAILED: bool = true;

/// Causes by their names to come, and by those of today.
const RENAMED: &[(&str, &str)] = &[];

/// What the report calls a cause.
pub(crate) fn name_today(cause: &'static str) -> &'static str {
    RENAMED.iter().find(|(to_come, _)| *to_come == cause).map_or(cause, |(_, today)| today)
}
