//! The guest's initramfs: its PID 1, the modules that reach the host's root, and the job.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result};
use zcdiag_guest::{JOB_FILE, Job, MODULE_DIR};

use super::arch::Arch;
use crate::project::{Project, output};

/// Builds the guest's PID 1 and returns its path: static, for it runs before there is a root file system with a dynamic
/// loader.
pub(super) fn build_init(project: &Project, arch: Arch) -> Result<PathBuf> {
    // A target directory of its own keeps the build from waiting for one that runs in the main one.
    let dir = project.vm().join("guest");
    let mut cargo = project.cargo();
    cargo.args(["build", "--quiet", "--package", "zcdiag-guest", "--release"]);
    arch.build_static(&mut cargo);
    cargo.arg("--target-dir").arg(&dir).stdin(Stdio::null());
    output(&mut cargo).context("build the guest's PID 1")?;
    Ok(dir.join(arch.target()).join("release/zcdiag-guest"))
}

/// The whole image; not compressed, because the guest would pay for that.
pub(super) fn build(init: &Path, modules: &[(String, Vec<u8>)], job: &Job) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    let init = std::fs::read(init).with_context(|| format!("read {}", init.display()))?;
    archive.file("init", 0o755, &init);
    archive.dir(MODULE_DIR);
    for (index, (name, module)) in modules.iter().enumerate() {
        archive.file(&format!("{MODULE_DIR}/{index:02}-{name}"), 0o644, module);
    }
    archive.file(JOB_FILE, 0o644, &serde_json::to_vec(job)?);
    Ok(archive.finish())
}

/// A cpio archive in the "newc" format, the one the kernel reads.
#[derive(Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    entries: usize,
}

impl Archive {
    pub(super) fn dir(&mut self, path: &str) {
        self.entry(path, 0o040_755, &[]);
    }

    pub(super) fn file(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.entry(path, 0o100_000 | mode, content);
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) {
        let name = path.trim_start_matches('/');
        self.entries += 1;
        self.bytes.extend(b"070701");
        let links = 1;
        #[rustfmt::skip]
        let fields = [
            self.entries, mode as usize, 0 /* uid */, 0 /* gid */, links, 0 /* mtime */, content.len(),
            0, 0, 0, 0 /* device numbers */, name.len() + 1, 0, /* checksum */
        ];
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(name.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_header_a_name_and_its_content_each_padded_to_four() {
        let mut archive = Archive::default();
        archive.file("/a/bc", 0o644, b"hello");
        let bytes = archive.bytes;
        assert_eq!(&bytes[..14], b"07070100000001");
        assert_eq!(&bytes[14..22], b"000081a4", "mode of a regular file");
        assert_eq!(&bytes[54..62], b"00000005", "size of the content");
        assert_eq!(&bytes[94..102], b"00000005", "size of the name with its end");
        assert_eq!(&bytes[110..116], b"a/bc\0\0"[..6].as_ref());
        assert_eq!(&bytes[116..], b"hello\0\0\0");
    }

    #[test]
    fn an_archive_ends_with_its_trailer() {
        let bytes = Archive::default().finish();
        assert!(bytes.windows(11).any(|window| window == b"TRAILER!!!\0"));
        assert_eq!(bytes.len() % 4, 0);
    }
}
