//! What the scenarios expect and `zcdiag watch` does not say yet. Each line goes when it does.

/// Scenarios in which only the sender's own counts are compared.
pub(crate) const PENDING: &[&str] =
    &["io_uring", "mirrored_in", "misreported", "nfqueue", "not_requested", "vsock"];

/// Whether `hidden_copies` are looked for.
pub(crate) const HIDDEN: bool = false;

/// Whether failed sends are counted.
pub(crate) const FAILED: bool = false;

/// Causes by their names to come, and by those of today.
const RENAMED: &[(&str, &str)] = &[
    ("upfront_frag", "upfront"),
    ("upfront_cork", "upfront"),
    ("upfront_dev", "upfront"),
    ("upfront_ipsec", "upfront"),
    ("upfront_tcp", "upfront"),
    ("upfront_vsock", "upfront"),
    ("mcast_loop", "local_delivery"),
];

/// What the report calls a cause.
pub(crate) fn name_today(cause: &'static str) -> &'static str {
    RENAMED.iter().find(|(to_come, _)| *to_come == cause).map_or(cause, |(_, today)| today)
}
