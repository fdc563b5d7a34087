//! What of a host decides what zcdiag can do there. Nothing here tells whose host it is.

use std::{
    fs::{self, File},
    io::Read as _,
    path::Path,
};

use flate2::read::GzDecoder;

use super::preempt;

/// More than any of these files takes; what is longer is cut off there.
const LONGEST: u64 = 4 << 20;

/// Switches below a root directory, under the names that administrators know them by.
const SETTINGS: [(&str, &str); 8] = [
    ("kernel.ftrace_enabled", "proc/sys/kernel/ftrace_enabled"),
    ("kprobes", "sys/kernel/debug/kprobes/enabled"),
    ("kernel.perf_event_paranoid", "proc/sys/kernel/perf_event_paranoid"),
    ("kernel.unprivileged_bpf_disabled", "proc/sys/kernel/unprivileged_bpf_disabled"),
    ("kernel.kptr_restrict", "proc/sys/kernel/kptr_restrict"),
    ("net.core.bpf_jit_enable", "proc/sys/net/core/bpf_jit_enable"),
    ("net.core.optmem_max", "proc/sys/net/core/optmem_max"),
    ("lockdown", "sys/kernel/security/lockdown"),
];

/// Options of the kernel's build that decide what can be hooked and what can copy.
const OPTIONS: [&str; 10] = [
    "DEBUG_INFO_BTF",
    "DEBUG_INFO_BTF_MODULES",
    "DYNAMIC_FTRACE_WITH_DIRECT_CALLS",
    "FPROBE",
    "FUNCTION_TRACER",
    "IO_URING",
    "KPROBES",
    "KPROBES_ON_FTRACE",
    "PACKET",
    "VSOCKETS",
];

/// Beginnings of more such options.
const KINDS: [&str; 2] = ["BPF_", "PREEMPT"];

/// A name with what it is set to; `None` if that cannot be read.
pub type Setting = (&'static str, Option<String>);

/// What was found below a root directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// `ID` of os-release, such as `rhel`.
    pub distribution: Option<String>,
    /// `VERSION` of os-release, or else `VERSION_ID`.
    pub version: Option<String>,
    /// Switches of the running kernel.
    pub settings: Vec<Setting>,
    /// Options of its build with `y`, `m`, `n` or a number; `None` if its configuration cannot be read.
    pub options: Option<Vec<(String, String)>>,
}

impl Host {
    /// Reads it, for a kernel of this release.
    pub fn read(root: &Path, release: &str) -> Self {
        let os = ["etc/os-release", "usr/lib/os-release"].into_iter().find_map(|path| text(&root.join(path)));
        let os = os.unwrap_or_default();
        let mut settings: Vec<Setting> = SETTINGS
            .iter()
            .map(|(name, path)| (*name, text(&root.join(path)).map(|value| value.trim().to_owned())))
            .collect();
        settings.push(("preemption", preempt::model(root)));
        Self {
            distribution: assigned(&os, "ID"),
            version: assigned(&os, "VERSION").or_else(|| assigned(&os, "VERSION_ID")),
            settings,
            options: build(root, release).map(|text| text.lines().filter_map(option).collect()),
        }
    }
}

fn text(path: &Path) -> Option<String> {
    let mut text = Vec::new();
    File::open(path).ok()?.take(LONGEST).read_to_end(&mut text).ok()?;
    String::from_utf8(text).ok()
}

/// The value of a variable in a file of shell assignments.
fn assigned(text: &str, name: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='))?;
    let value = value.trim_matches(['"', '\'']);
    (!value.is_empty()).then(|| value.to_owned())
}

/// The configuration that the running kernel was built with.
fn build(root: &Path, release: &str) -> Option<String> {
    let packed = File::open(root.join("proc/config.gz")).ok().and_then(|packed| {
        let mut text = String::new();
        GzDecoder::new(packed).take(LONGEST).read_to_string(&mut text).ok().map(|_| text)
    });
    let places = [format!("boot/config-{release}"), format!("lib/modules/{release}/config")];
    packed.or_else(|| {
        places.iter().find_map(|path| fs::exists(root.join(path)).ok()?.then(|| text(&root.join(path)))?)
    })
}

/// An option that matters. Texts, such as paths of whoever built it, are none.
fn option(line: &str) -> Option<(String, String)> {
    let (name, value) = match line.strip_prefix("# CONFIG_") {
        Some(rest) => (rest.strip_suffix(" is not set")?, "n"),
        None => line.strip_prefix("CONFIG_")?.split_once('=')?,
    };
    let matters = OPTIONS.contains(&name) || KINDS.iter().any(|kind| name.starts_with(kind));
    let plain = matches!(value, "y" | "m" | "n") || value.parse::<u64>().is_ok();
    (matters && plain).then(|| (name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests;
