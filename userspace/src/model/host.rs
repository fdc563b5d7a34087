//! What a user sends back of his host: what zcdiag finds there, and nothing that tells whose host it is.

use super::doctor::SelfReport;

/// All that `zcdiag check --self --report` has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostReport {
    /// `ID` of os-release.
    pub distribution: Option<String>,
    /// `VERSION` of os-release, or `VERSION_ID`.
    pub distribution_version: Option<String>,
    /// As `uname -m` tells it.
    pub architecture: String,
    /// Switches of the kernel; `None` for one that cannot be read.
    pub settings: Vec<(&'static str, Option<String>)>,
    /// Options of the kernel's build; `None` if its configuration cannot be read.
    pub options: Option<Vec<(String, String)>>,
    /// Numbers that zcdiag takes from BTF, as the kernel's source names them; `None` for one that is missing. Empty without BTF.
    pub members: Vec<(String, Option<u32>)>,
    /// Functions that zcdiag may hook, with where each was found. Empty without BTF.
    pub functions: Vec<(&'static str, Option<&'static str>)>,
    /// What zcdiag can do here.
    pub itself: SelfReport,
}
