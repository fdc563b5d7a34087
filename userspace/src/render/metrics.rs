//! Everything a daemon knows as metrics: OpenMetrics 1.0 text, or the older text format 0.0.4 of Prometheus.

mod families;
mod text;

pub use families::{Health, families};
pub use text::{Format, write};
