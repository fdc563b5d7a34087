//! What `zcdiag check` has found out, as text or JSON.

pub mod json;
pub(super) mod text;

pub use text::write_text;
