//! Everything a daemon knows as metrics: OpenMetrics 1.0 text, the older text format 0.0.4 of Prometheus, or OTLP.

mod families;
mod otlp;
mod text;

pub use families::{Health, families};
pub use otlp::{Origin, otlp};
pub use text::{Format, write};
