//! The report of `zcdiag taps`.

pub mod json;
mod text;

#[cfg(test)]
pub(crate) use text::tests;
pub use text::{TextOptions, write_text};
pub(crate) use text::{changes, title, write_besides, write_changes};
