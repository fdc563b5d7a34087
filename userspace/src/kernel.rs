//! Facts of the running kernel: what its BTF, its symbols and its files say. Nothing here decides by a
//! version number.

pub mod btf;
pub mod host;
pub mod offsets;
pub mod optmem;
pub mod preempt;
pub mod privilege;
pub mod switches;
pub mod symbols;
