//! The test targets of the workspace, as cargo knows them.

use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::project::{Project, metadata};
use crate::vm::arch::Arch;

/// Package and name of every test target, that is of every file under a `tests` directory.
pub(super) fn all() -> Result<Vec<(String, String)>> {
    let metadata = metadata()?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut found = Vec::new();
    for package in list(&metadata["packages"]) {
        for target in list(&package["targets"]) {
            if list(&target["kind"]).contains(&"test".into()) {
                let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
                found.push((name(&package), name(&target)));
            }
        }
    }
    Ok(found)
}

/// Builds test target `target` of `package` for guests of `arch` and returns the binary's path.
pub(super) fn build(project: &Project, arch: Arch, package: &str, target: &str) -> Result<String> {
    let mut cargo = project.cargo();
    // Optimised: in emulation a watch takes three times as long to start without.
    cargo.args(["test", "--release", "--package", package, "--test", target, "--no-run"]);
    if arch != Arch::Amd64 {
        arch.build_static(&mut cargo);
    }
    cargo.arg("--message-format=json-render-diagnostics").stdin(Stdio::null()).stderr(Stdio::inherit());
    let result = cargo.output().context("start cargo")?;
    if !result.status.success() {
        bail!("building the test target {target}: {}", result.status);
    }
    executable(&String::from_utf8_lossy(&result.stdout), target)
        .with_context(|| format!("cargo named no binary of the test target {target}"))
}

/// The binary of test target `name` among cargo's messages.
fn executable(messages: &str, name: &str) -> Option<String> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut artifacts = messages.filter(|message| message["target"]["name"] == name);
    artifacts.find_map(|artifact| artifact["executable"].as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_binary_is_found_among_cargos_messages() {
        let messages = "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"zcdiag\"},\"executable\":\"/t/zcdiag\"}\n\
            {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"guest\"},\"executable\":\"/t/guest-1\"}\n\
            {\"reason\":\"build-finished\",\"success\":true}\n";
        assert_eq!(executable(messages, "guest").as_deref(), Some("/t/guest-1"));
        assert_eq!(executable(messages, "other"), None);
    }
}
