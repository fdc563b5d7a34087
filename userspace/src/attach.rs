//! Which BPF programs go where: the hook table, the plan made of it for the running kernel, and the
//! loader that carries the plan out.

pub mod found;
pub mod hooks;
pub mod load;
pub mod plan;
