//! Which Debian archive to fetch kernels from: the one the host already uses.

use std::process::Command;

use anyhow::{Context as _, Result};

use crate::project::{Project, output};
use crate::setup::{self, DEBOOTSTRAP, KEYRING, Purpose};

/// Names the archive where the host does not.
const OVERRIDE: &str = "ZCDIAG_DEBIAN_MIRROR";

/// Where Debian is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mirror {
    main: String,
    security: Option<String>,
}

impl Mirror {
    /// Finds the archive.
    pub(super) fn find(project: &Project) -> Result<Self> {
        if let Ok(main) = std::env::var(OVERRIDE) {
            return Ok(Self { main, security: None });
        }
        let release = std::fs::read_to_string("/etc/os-release").context("read /etc/os-release")?;
        if field(&release, "ID") == Some("debian") {
            let codename = field(&release, "VERSION_CODENAME").unwrap_or("sid");
            let format = "$(REPO_URI) $(RELEASE)";
            let targets = output(Command::new("apt-get").args(["indextargets", "--format", format]))?;
            return of_targets(&targets, codename)
                .with_context(|| format!("apt knows no archive of {codename}; name one with {OVERRIDE}"));
        }
        setup::ensure(project, Purpose::ForeignHost)?;
        let script = std::fs::read_to_string(DEBOOTSTRAP).unwrap_or_default();
        of_debootstrap(&script)
            .with_context(|| format!("{DEBOOTSTRAP} names no archive; do it with {OVERRIDE}"))
    }

    /// The lines of a `sources.list` for `suite`.
    pub(super) fn sources(&self, suite: &str, with_security: bool) -> String {
        // An archived suite is no longer signed anew, which makes its index expire.
        let options = format!("[signed-by={KEYRING} check-valid-until=no]");
        let main = format!("deb {options} {} {suite} main\n", self.main);
        let security = self.security.as_deref().filter(|_| with_security);
        match security {
            Some(security) => format!("{main}deb {options} {security} {suite}-security main\n"),
            None => main,
        }
    }

    /// Whether there is a security archive at all.
    pub(super) fn has_security(&self) -> bool {
        self.security.is_some()
    }
}

/// From lines `URI RELEASE`; other vendors' archives have other releases.
fn of_targets(targets: &str, codename: &str) -> Option<Mirror> {
    let find = |wanted: &[&str]| {
        let mut pairs = targets.lines().filter_map(|line| line.split_once(' '));
        pairs.find(|(_, release)| wanted.contains(release)).map(|(uri, _)| uri.to_owned())
    };
    let suites = [codename, "oldstable", "stable", "testing", "unstable", "sid"];
    let security = suites.map(|suite| format!("{suite}-security"));
    Some(Mirror { main: find(&suites)?, security: find(&security.each_ref().map(String::as_str)) })
}

fn of_debootstrap(script: &str) -> Option<Mirror> {
    let mut words = script.split_whitespace().skip_while(|word| *word != "default_mirror");
    Some(Mirror { main: words.nth(1)?.to_owned(), security: None })
}

fn field<'text>(release: &'text str, name: &str) -> Option<&'text str> {
    let mut pairs = release.lines().filter_map(|line| line.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_of_the_hosts_release_is_chosen_over_other_vendors() {
        let targets = "https://vendor.example/apt nodistro\n\
            http://mirror.example/debian/ bookworm-updates\n\
            http://mirror.example/debian/ bookworm\n\
            http://mirror.example/debian-security/ bookworm-security\n";
        let expected = Mirror {
            main: "http://mirror.example/debian/".into(),
            security: Some("http://mirror.example/debian-security/".into()),
        };
        assert_eq!(of_targets(targets, "bookworm"), Some(expected));
        assert_eq!(of_targets("https://vendor.example/apt nodistro\n", "bookworm"), None);
    }

    #[test]
    fn debootstrap_tells_the_archive() {
        let script = "case $ARCH in\n  *) ;;\nesac\ndefault_mirror http://mirror.example/debian\nmirror_style release\n";
        let expected = Mirror { main: "http://mirror.example/debian".into(), security: None };
        assert_eq!(of_debootstrap(script), Some(expected));
        assert_eq!(of_debootstrap(""), None);
    }

    #[test]
    fn quotes_around_a_field_are_not_part_of_it() {
        assert_eq!(field("NAME=\"Debian GNU/Linux\"\nID=debian\n", "NAME"), Some("Debian GNU/Linux"));
        assert_eq!(field("ID=debian\n", "VERSION_CODENAME"), None);
    }
}
