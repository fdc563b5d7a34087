//! What `zcdiag check` has found out, as text or JSON.

pub mod json;
mod text;

pub use text::write_text;
