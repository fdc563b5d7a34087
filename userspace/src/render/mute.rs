//! The report of `zcdiag mute` and `zcdiag unmute`.

pub(crate) mod json;
pub(super) mod text;

pub use json::write_json;
pub use text::{line, write_kept, write_refusals, write_text};
