//! The modules a guest needs before it can see the host's root, in the order to load them.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// What leads to the host's files and to the output ports.
const WANTED: [&str; 5] = ["virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay"];

/// Names and plain contents of the modules in `dir` (`…/lib/modules/VERSION`), dependencies first.
pub(super) fn load(dir: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let read = |name: &str| {
        let path = dir.join(name);
        std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
    };
    let dep = read("modules.dep")?;
    let paths = in_order(&WANTED, &dep, &read("modules.builtin")?)?;
    paths.into_iter().map(|path| Ok((format!("{}.ko", name_of(path)), content(&dir.join(path))?))).collect()
}

/// The paths of `wanted` and of all they depend on, as `modules.dep` writes them.
fn in_order<'dep>(wanted: &[&str], dep: &'dep str, builtin: &str) -> Result<Vec<&'dep str>> {
    let lines: HashMap<String, (&str, &str)> = dep
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(path, needs)| (name_of(path), (path, needs)))
        .collect();
    let mut order = Vec::new();
    for &name in wanted {
        let Some(&(path, needs)) = lines.get(name) else {
            if builtin.lines().any(|path| name_of(path) == name) {
                continue;
            }
            bail!("this kernel has no module {name}");
        };
        // depmod lists what is needed last first.
        for path in needs.split_whitespace().rev().chain([path]) {
            if !order.contains(&path) {
                order.push(path);
            }
        }
    }
    Ok(order)
}

/// A module's name as the kernel knows it.
fn name_of(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split('.').next().unwrap_or(file).replace('-', "_")
}

/// The module as the kernel takes it: unpacking is done here, where it costs nothing.
fn content(path: &Path) -> Result<Vec<u8>> {
    let unpack = match path.extension().and_then(|extension| extension.to_str()) {
        Some("ko") => return std::fs::read(path).with_context(|| format!("read {}", path.display())),
        Some("xz") => "xz",
        Some("zst") => "zstd",
        _ => bail!("{}: unknown packing", path.display()),
    };
    let output = Command::new(unpack)
        .args(["--decompress", "--stdout"])
        .arg(path)
        .output()
        .with_context(|| format!("start {unpack}"))?;
    if !output.status.success() {
        bail!("unpack {}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEP: &str = "kernel/net/9p/9pnet.ko.xz:\n\
        kernel/fs/netfs/netfs.ko.xz:\n\
        kernel/fs/9p/9p.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/fs/netfs/netfs.ko.xz\n\
        kernel/net/9p/9pnet-virtio.ko.xz: kernel/net/9p/9pnet.ko.xz\n";

    #[test]
    fn dependencies_come_first_and_once() -> Result<()> {
        let order = in_order(&["9p", "9pnet_virtio"], DEP, "")?;
        let names: Vec<_> = order.into_iter().map(name_of).collect();
        assert_eq!(names, ["netfs", "9pnet", "9p", "9pnet_virtio"]);
        Ok(())
    }

    #[test]
    fn a_built_in_driver_needs_no_module_and_a_missing_one_is_named() -> Result<()> {
        assert!(in_order(&["virtio_pci"], DEP, "kernel/drivers/virtio/virtio_pci.ko\n")?.is_empty());
        let error = in_order(&["overlay"], DEP, "").unwrap_err();
        assert_eq!(error.to_string(), "this kernel has no module overlay");
        Ok(())
    }
}
