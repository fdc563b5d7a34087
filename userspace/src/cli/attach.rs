//! How to attach to the kernel, as options of every command that watches.

use std::path::PathBuf;

use crate::engine::session::SessionOptions;

#[derive(Debug, clap::Args)]
pub(super) struct AttachArgs {
    /// Type information of the running kernel, if it carries none itself; made of its vmlinux by
    /// `pahole --btf_encode_detached FILE vmlinux`
    #[arg(long, value_name = "FILE")]
    btf: Option<PathBuf>,

    /// Attach through kprobes only, even where trampolines can be had
    #[arg(long)]
    probes_only: bool,
}

impl AttachArgs {
    pub(super) fn session(&self) -> SessionOptions {
        SessionOptions { btf: self.btf.clone(), probes_only: self.probes_only, ..SessionOptions::default() }
    }
}
