//! Network namespaces as a user names them.

use std::{os::unix::fs::MetadataExt as _, path::PathBuf};

use super::outcome::Failure;
use crate::{model::netns::Namespace, process::ProcRoot};

/// A way to name a network namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetnsFilter {
    /// Its name under `/run/netns`, or its number in decimal.
    NameOrInum(String),
    /// The one this process is in.
    Pid(u32),
    /// A file that refers to it, such as `/proc/1/ns/net`.
    Path(PathBuf),
}

impl From<&str> for NetnsFilter {
    fn from(text: &str) -> Self {
        match text.strip_prefix("pid:").map(str::parse) {
            Some(Ok(pid)) => Self::Pid(pid),
            _ if text.contains('/') => Self::Path(text.into()),
            _ => Self::NameOrInum(text.to_owned()),
        }
    }
}

impl std::fmt::Display for NetnsFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NameOrInum(name) => f.write_str(name),
            Self::Pid(pid) => write!(f, "pid:{pid}"),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

/// That there is none.
pub(super) fn no_such(filter: &NetnsFilter) -> Failure {
    Failure::new(
        format!("no network namespace {filter}"),
        "give a name of `ip netns list`, a number, pid:PID, or a path such as /proc/PID/ns/net (other namespaces than \
         your own take sudo)",
    )
}

/// The number of the namespace a filter means, if there is such a namespace.
pub(super) fn resolve(filter: &NetnsFilter, namespaces: &[Namespace], proc: &ProcRoot) -> Option<u32> {
    let known = |inum: u32| namespaces.iter().any(|namespace| namespace.netns.inum == inum).then_some(inum);
    match filter {
        NetnsFilter::NameOrInum(text) => {
            let named = namespaces.iter().find(|namespace| namespace.netns.name.as_ref() == Some(text));
            named.map(|namespace| namespace.netns.inum).or_else(|| known(text.parse().ok()?))
        }
        NetnsFilter::Pid(pid) => known(proc.process(*pid).ok()?.namespace_inum(c"ns/net", "net").ok()??),
        NetnsFilter::Path(path) => known(std::fs::metadata(path).ok()?.ino().try_into().ok()?),
    }
}

#[cfg(test)]
mod tests {
    use super::{NetnsFilter, resolve};
    use crate::{
        model::netns::{Namespace, Netns},
        process::ProcRoot,
    };

    #[test]
    fn filters() {
        let namespace = |inum, name: Option<&str>| {
            let netns = Netns { inum, name: name.map(str::to_owned) };
            Namespace { netns, devices: None }
        };
        let namespaces = [namespace(10, None), namespace(11, Some("blue")), namespace(12, Some("10"))];
        let proc = ProcRoot::new("/nonexistent");
        let cases = [
            ("blue", Some(11)),
            ("11", Some(11)),
            ("10", Some(12)), // the name goes before the number
            ("13", None),
            ("green", None),
            ("pid:1", None),
            ("/nonexistent/ns", None),
        ];
        for (text, expected) in cases {
            assert_eq!(resolve(&text.into(), &namespaces, &proc), expected, "{text}");
        }
        assert_eq!(NetnsFilter::from("pid:x"), NetnsFilter::NameOrInum("pid:x".to_owned()));
    }
}
