//! Compiles the BPF programs of `../ebpf` into `OUT_DIR`.

use std::{env, path::Path, process::Command};

use aya_build::{Package, Toolchain};

/// Crate whose unstable features (`-Z build-std`) the pinned stable toolchain may use.
const EBPF: &str = "zcdiag-ebpf";

fn main() {
    if let Err(message) = build() {
        println!("cargo::error={message}");
    }
}

fn build() -> Result<(), String> {
    let toolchain = env::var("RUSTUP_TOOLCHAIN").unwrap_or_else(|_| "1.95.0".to_owned());
    if env::var_os("AYA_BUILD_SKIP").is_none() {
        need_rust_src()?;
        need_linker()?;
    }
    // SAFETY: a build script has one thread, and nothing has read the environment yet.
    #[expect(unsafe_code, reason = "aya-build takes the permission from the environment only")]
    unsafe {
        env::set_var("RUSTC_BOOTSTRAP", "1");
        // aya-build turns every line of progress into a warning, which cargo repeats at every build.
        env::set_var("CARGO_TERM_QUIET", "true");
        // The same source makes the same programs, wherever it lies.
        env::set_var("CARGO_UNSTABLE_TRIM_PATHS", "true");
        env::set_var("CARGO_PROFILE_RELEASE_TRIM_PATHS", "all");
    }
    let features: &[&str] = if env::var_os("CARGO_FEATURE_KERNEL_LOG").is_some() { &["log"] } else { &[] };
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../ebpf");
    aya_build::build_ebpf(
        [Package { name: EBPF, root_dir: root, no_default_features: false, features }],
        Toolchain::Custom(&toolchain),
    )
    .map_err(|error| format!("building the BPF programs failed: {error:#}"))
}

fn need_rust_src() -> Result<(), String> {
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let output = Command::new(&rustc)
        .args(["--print", "sysroot"])
        .output()
        .map_err(|error| format!("{rustc}: {error}"))?;
    let sysroot = String::from_utf8_lossy(&output.stdout);
    let core = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core/Cargo.toml");
    if core.exists() {
        return Ok(());
    }
    Err("the BPF programs need the source of the standard library: run `rustup component add rust-src`"
        .to_owned())
}

fn need_linker() -> Result<(), String> {
    match Command::new("bpf-linker").arg("--version").output() {
        Ok(output) if output.status.success() => Ok(()),
        _ => {
            Err("the BPF programs need bpf-linker: run `cargo install bpf-linker --version '^0.10' --locked`"
                .to_owned())
        }
    }
}
