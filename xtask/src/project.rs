//! Where the workspace and its target directory are, and how `xtask` calls other programs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// The directories everything is relative to.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    /// The workspace root.
    pub(crate) root: PathBuf,
    /// Cargo's target directory, wherever the user has put it.
    pub(crate) target: PathBuf,
}

impl Project {
    /// Asks cargo.
    pub(crate) fn find() -> Result<Self> {
        let metadata = metadata()?;
        let path = |key: &str| {
            let path = metadata[key].as_str().with_context(|| format!("cargo metadata has no {key}"))?;
            Ok::<_, anyhow::Error>(PathBuf::from(path))
        };
        Ok(Self { root: path("workspace_root")?, target: path("target_directory")? })
    }

    /// The directory of everything that belongs to guests.
    pub(crate) fn vm(&self) -> PathBuf {
        self.target.join("vm")
    }

    /// Cargo, started in the workspace and with the project's own tools on its path.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = cargo();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let tools = self.tools().join("bin");
        let path = std::iter::once(tools).chain(std::env::split_paths(&path));
        if let Ok(path) = std::env::join_paths(path) {
            command.env("PATH", path);
        }
        command.current_dir(&self.root);
        command
    }

    /// Where tools are installed that the user's machine should not get.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }
}

/// What cargo knows about the workspace.
pub(crate) fn metadata() -> Result<Value> {
    let metadata = output(cargo().args(["metadata", "--no-deps", "--format-version", "1", "--offline"]))?;
    serde_json::from_str(&metadata).context("parse cargo metadata")
}

/// Cargo as a user would start it: without what `cargo run` says of this package. Build scripts of libraries ask to be run
/// again when that changes, so that builds by hand and by `cargo xtask` in turn would compile them each time.
fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in names.filter(|name| is_of_package(name)) {
        command.env_remove(name);
    }
    command
}

/// Whether a variable tells of the package that cargo runs.
fn is_of_package(variable: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| variable.starts_with(prefix))
}

/// A process that is ended when nobody needs it any more.
pub(crate) struct Helper(pub(crate) Child);

impl Helper {
    /// Starts `command`.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let child = command.spawn().with_context(|| format!("start {}", shown(command)))?;
        Ok(Self(child))
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs `command` with its output on ours; an exit code other than 0 is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("start {}", shown(command)))?;
    if !status.success() {
        bail!("{}: {status}", shown(command));
    }
    Ok(())
}

/// Runs `command` and returns what it wrote to its standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output =
        command.stderr(Stdio::piped()).output().with_context(|| format!("start {}", shown(command)))?;
    if !output.status.success() {
        bail!(
            "{}: {}\n{}",
            shown(command),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("{} wrote no UTF-8", shown(command)))
}

/// The command as a user would type it.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// A path as text, for programs and file formats that know nothing else.
pub(crate) fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_is_not_told_of_the_package_that_calls_it() {
        // Tests are run by cargo, as `cargo xtask` is.
        assert!(
            std::env::var_os("CARGO_PKG_NAME").is_some() && std::env::var_os("CARGO_MANIFEST_DIR").is_some()
        );
        let command = cargo();
        let removed: Vec<_> =
            command.get_envs().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
        assert!(
            ["CARGO_PKG_NAME", "CARGO_MANIFEST_DIR"].iter().all(|name| removed.contains(&OsStr::new(name))),
            "{removed:?}"
        );
    }
}
