//! What changed between two recordings: as text, as JSON, and as continuous integration takes it.

mod changes;
mod github;
pub(crate) mod json;
mod junit;
mod text;

pub use changes::Compared;
pub use github::write_github;
pub use json::write_json;
pub use junit::write_junit;
pub use text::write_text;

#[cfg(test)]
mod tests;
