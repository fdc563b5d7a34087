//! What differs between guests of one architecture and another.

use std::process::Command;

use crate::setup::Purpose;

/// A processor architecture that guests have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arch {
    Amd64,
    /// Emulated on hosts of another architecture.
    Arm64,
}

impl Arch {
    /// What Debian calls it.
    pub(crate) fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// What static programs for it are built for.
    pub(crate) fn target(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-unknown-linux-musl",
            Self::Arm64 => "aarch64-unknown-linux-musl",
        }
    }

    /// What builds the C code of libraries for it.
    fn c_compiler(self) -> &'static str {
        match self {
            Self::Amd64 => "musl-gcc",
            Self::Arm64 => "aarch64-linux-gnu-gcc",
        }
    }

    /// What its guests take besides those of the host's own.
    pub(crate) fn purpose(self) -> Purpose {
        match self {
            Self::Amd64 => Purpose::Guest,
            Self::Arm64 => Purpose::Arm64,
        }
    }

    pub(super) fn qemu(self) -> &'static str {
        match self {
            Self::Amd64 => "qemu-system-x86_64",
            Self::Arm64 => "qemu-system-aarch64",
        }
    }

    pub(super) fn machine(self) -> &'static str {
        match self {
            Self::Amd64 => "q35",
            Self::Arm64 => "virt",
        }
    }

    /// The most capable processor there is.
    pub(super) fn cpu(self) -> &'static str {
        match self {
            Self::Amd64 => "max",
            // Signing pointers by the architecture's own algorithm takes an emulator most of its time.
            Self::Arm64 => "max,pauth-impdef=on",
        }
    }

    /// The serial port.
    pub(super) fn console(self) -> &'static str {
        match self {
            Self::Amd64 => "ttyS0",
            Self::Arm64 => "ttyAMA0",
        }
    }

    /// Has `cargo` make static programs for this architecture.
    pub(crate) fn build_static(self, cargo: &mut Command) {
        let variable = self.target().replace('-', "_");
        cargo.args(["--target", self.target()]);
        // The linker of the toolchain knows all of them, and the target brings its C library along.
        cargo.env(format!("CARGO_TARGET_{}_LINKER", variable.to_uppercase()), "rust-lld");
        cargo.env(format!("CC_{variable}"), self.c_compiler());
    }
}
