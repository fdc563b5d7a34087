//! Compiles the BPF programs of `../ebpf` into `OUT_DIR`.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use aya_build::{Package, Toolchain};

/// Crate whose unstable features (`-Z build-std`) the pinned stable toolchain may use.
const EBPF: &str = "zcdiag-ebpf";
/// The program that rustc calls to link them.
const LINKER: &str = "bpf-linker";

fn main() {
    if let Err(message) = build() {
        println!("cargo::error={message}");
    }
}

fn build() -> Result<(), String> {
    let toolchain = env::var("RUSTUP_TOOLCHAIN").unwrap_or_else(|_| "1.95.0".to_owned());
    let path = path_with_tools()?;
    // SAFETY: a build script has one thread.
    #[expect(unsafe_code, reason = "aya-build takes the permission and the path from the environment only")]
    unsafe {
        env::set_var("PATH", path);
        env::set_var("RUSTC_BOOTSTRAP", "1");
        // aya-build turns every line of progress into a warning, which cargo repeats at every build.
        env::set_var("CARGO_TERM_QUIET", "true");
        // The same source makes the same programs, wherever it lies.
        env::set_var("CARGO_UNSTABLE_TRIM_PATHS", "true");
        env::set_var("CARGO_PROFILE_RELEASE_TRIM_PATHS", "all");
    }
    if env::var_os("AYA_BUILD_SKIP").is_none() {
        need_rust_src()?;
        need_linker()?;
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

/// `PATH`, with the linker first that `cargo xtask` has installed below the target directory (`xtask/src/project.rs`).
fn path_with_tools() -> Result<OsString, String> {
    // `TARGET_DIRECTORY/[TARGET/]PROFILE/build/PACKAGE/out`, wherever the user has put it. Some builds have a target
    // directory of their own: there is the workspace's usual one as well.
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let mut above = out.ancestors().skip(4);
    let triple = env::var_os("TARGET");
    let own = above.find(|dir| dir.file_name() != triple.as_deref());
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let mut dirs = own.into_iter().chain([usual.as_path()]).map(|dir| dir.join("tools/bin"));
    let tools = dirs.find(|dir| dir.join(LINKER).is_file());
    let path = env::var_os("PATH").unwrap_or_default();
    env::join_paths(tools.into_iter().chain(env::split_paths(&path)))
        .map_err(|error| format!("a PATH with the tools of `cargo xtask`: {error}"))
}

fn need_linker() -> Result<(), String> {
    match Command::new(LINKER).arg("--version").output() {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err(format!(
            "the BPF programs need {LINKER}: run `cargo install {LINKER} --version '^0.10' --locked`"
        )),
    }
}
