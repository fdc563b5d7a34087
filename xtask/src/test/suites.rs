//! The suites of guest tests: what they need of a guest, and when they run.

use crate::vm::Kernel;
use crate::vm::arch::Arch;

/// Tests that are alike in what they need, told by their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suite {
    /// What no other suite has, and the scenarios.
    General,
    /// What several processors make difficult; on one as well, with the general ones.
    Cpus,
    /// The service, without systemd.
    Daemon,
    /// What is left once a cause is cured: takes long, for each step of a cure is carried out.
    Hides,
    /// The service under a real systemd.
    Systemd,
    /// What takes the host's own QEMU, which does not run in guests of another processor.
    Migration,
}

/// A row of the table of suites.
struct Terms {
    /// What its tests' names, and no others, have in them.
    names: &'static str,
    /// Those of a whole run's kernels that it runs on.
    kernels: &'static [Kernel],
    cpus: u32,
    init: Option<&'static str>,
    archs: &'static [Arch],
    /// Whether it runs only when asked for, and then on any kernel that is asked for.
    only_when_asked: bool,
}

const SUITES: [Suite; 6] =
    [Suite::Systemd, Suite::Cpus, Suite::Daemon, Suite::Hides, Suite::Migration, Suite::General];
const AMD64: &[Arch] = &[Arch::Amd64];
const ALL: &[Arch] = &[Arch::Amd64, Arch::Arm64];
const USUAL: &[Kernel] = &Kernel::USUAL;
/// One before and one after the completion of sends got a function of its own.
const TWO: &[Kernel] = &[Kernel::V6_1, Kernel::Newest];
/// The oldest, on which reading counts takes a capability that is else given up, and the newest.
const ENDS: &[Kernel] = &[Kernel::V5_10, Kernel::Newest];
const SYSTEMD: Option<&str> = Some("/lib/systemd/systemd");

impl Suite {
    #[rustfmt::skip]
    fn terms(self) -> Terms {
        match self {
            Self::General   => Terms { names: "",            kernels: USUAL,            cpus: 1, init: None,    archs: ALL,   only_when_asked: false },
            Self::Cpus      => Terms { names: "cpus",        kernels: TWO,              cpus: 2, init: None,    archs: AMD64, only_when_asked: false },
            Self::Daemon    => Terms { names: "daemon::",    kernels: &[Kernel::V6_1],  cpus: 1, init: None,    archs: ALL,   only_when_asked: false },
            Self::Hides     => Terms { names: "hides::",     kernels: TWO,              cpus: 1, init: None,    archs: ALL,   only_when_asked: false },
            Self::Systemd   => Terms { names: "systemd::",   kernels: ENDS,             cpus: 1, init: SYSTEMD, archs: ALL,   only_when_asked: true },
            Self::Migration => Terms { names: "migration::", kernels: USUAL,            cpus: 1, init: None,    archs: AMD64, only_when_asked: false },
        }
    }

    /// Those of a whole run that it runs on.
    pub(super) fn kernels(self) -> &'static [Kernel] {
        self.terms().kernels
    }

    /// Processors of its guests.
    pub(super) fn cpus(self) -> u32 {
        self.terms().cpus
    }

    /// PID 1 of its guests, if it is not their own.
    pub(super) fn init(self) -> Option<&'static str> {
        self.terms().init
    }

    /// Whether a guest for the general ones is none for it.
    fn has_own_guests(self) -> bool {
        self.cpus() != Self::General.cpus() || self.init().is_some()
    }

    fn is_named_by(self, word: &str) -> bool {
        self != Self::General && word.contains(self.terms().names)
    }
}

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'run> {
    /// Whether kernels were named, or else all usual ones are meant.
    pub(super) kernels: bool,
    /// Parts of tests' names; with none, everything is meant.
    pub(super) names: &'run [String],
    /// Whether the scenarios are all that is meant.
    pub(super) scenarios: bool,
}

/// A guest of a run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) suite: Suite,
    /// What its tests are told to choose by.
    pub(super) words: Vec<String>,
}

impl Asked<'_> {
    /// The guests with this kernel.
    pub(super) fn guests(self, kernel: Kernel) -> Vec<Planned> {
        SUITES.into_iter().filter_map(|suite| self.guest(kernel, suite)).collect()
    }

    fn guest(self, kernel: Kernel, suite: Suite) -> Option<Planned> {
        let words = match suite {
            Suite::General if self.is_general() => self.general(kernel),
            Suite::General => return None,
            _ if suite.has_own_guests() && self.means(suite, kernel) => {
                let named: Vec<_> =
                    self.names.iter().filter(|word| suite.is_named_by(word)).cloned().collect();
                if named.is_empty() { vec![suite.terms().names.to_owned()] } else { named }
            }
            _ => return None,
        };
        Some(Planned { suite, words })
    }

    /// Whether a suite is to run on a kernel.
    fn means(self, suite: Suite, kernel: Kernel) -> bool {
        let Terms { kernels, archs, only_when_asked, .. } = suite.terms();
        let is_named = self.names.iter().any(|word| suite.is_named_by(word));
        let is_meant = is_named || self.names.is_empty() && !only_when_asked;
        let is_right = kernels.contains(&kernel) || self.kernels && only_when_asked;
        is_meant && is_right && archs.contains(&kernel.arch()) && !self.scenarios
    }

    /// Whether more is meant than what needs another PID 1.
    pub(super) fn is_general(self) -> bool {
        self.scenarios || self.names.is_empty() || self.names_in_general().next().is_some()
    }

    fn names_in_general(self) -> impl Iterator<Item = String> {
        let is_elsewhere =
            |word: &str| SUITES.iter().any(|suite| suite.init().is_some() && suite.is_named_by(word));
        self.names.iter().filter(move |word| self.scenarios || !is_elsewhere(word)).cloned()
    }

    /// The words for the general tests and those of the suites that need no other guests.
    fn general(self, kernel: Kernel) -> Vec<String> {
        let is_left_out = |suite: &Suite| match suite {
            Suite::General => false,
            _ if suite.has_own_guests() => suite.init().is_some(),
            // Who names tests means them on every kernel that can run them.
            _ if !self.names.is_empty() => !suite.terms().archs.contains(&kernel.arch()),
            _ => !self.means(*suite, kernel),
        };
        let skips = SUITES
            .iter()
            .filter(|suite| is_left_out(suite))
            .map(|suite| format!("--skip={}", suite.terms().names));
        self.names_in_general().chain(skips).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The guests of a run, in words.
    fn run(kernels: &[Kernel], names: &[&str], scenarios: bool) -> Vec<String> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let asked = Asked { kernels: !kernels.is_empty(), names: &names, scenarios };
        let kernels = if kernels.is_empty() { Suite::General.kernels() } else { kernels };
        let guests = |kernel: &Kernel| {
            let key = kernel.key();
            asked
                .guests(*kernel)
                .into_iter()
                .map(move |guest| format!("{key} {:?} {}", guest.suite, guest.words.join(" ")))
        };
        kernels.iter().flat_map(guests).collect()
    }

    #[test]
    fn a_whole_run_has_the_service_on_one_kernel_and_two_processors_on_two() {
        let expected = [
            "5.10 General --skip=systemd:: --skip=daemon:: --skip=hides::",
            "6.1 Cpus cpus",
            "6.1 General --skip=systemd::",
            "6.12 General --skip=systemd:: --skip=daemon:: --skip=hides::",
            "newest Cpus cpus",
            "newest General --skip=systemd:: --skip=daemon::",
        ];
        assert_eq!(run(&[], &[], false), expected);
        assert_eq!(run(&[Kernel::V6_12], &[], false), expected[3..4]);
    }

    #[test]
    fn systemd_runs_when_asked_for_on_two_kernels_or_those_that_are_named() {
        assert_eq!(run(&[], &["systemd::"], false), ["5.10 Systemd systemd::", "newest Systemd systemd::"]);
        assert_eq!(
            run(&[Kernel::V6_12], &["systemd::mute", "taps"], false),
            ["6.12 Systemd systemd::mute", "6.12 General taps --skip=systemd::"]
        );
    }

    #[test]
    fn tests_that_are_named_run_on_every_kernel() {
        let on = |kernel: &str| format!("{kernel} General daemon:: --skip=systemd::");
        assert_eq!(run(&[], &["daemon::"], false), ["5.10", "6.1", "6.12", "newest"].map(on));
        assert_eq!(
            run(&[Kernel::V5_10, Kernel::V6_1], &["all_cpus"], false),
            [
                "5.10 General all_cpus --skip=systemd::",
                "6.1 Cpus all_cpus",
                "6.1 General all_cpus --skip=systemd::"
            ]
        );
    }

    #[test]
    fn guests_of_another_processor_run_no_qemu_of_the_host() {
        let skips = "--skip=systemd:: --skip=migration::";
        assert_eq!(
            run(&[Kernel::Arm64V6_1], &["migration"], false),
            [format!("6.1-arm64 General migration {skips}")]
        );
        let whole = "6.12-arm64 General --skip=systemd:: --skip=daemon:: --skip=hides:: --skip=migration::";
        assert_eq!(run(&[Kernel::Arm64V6_12], &[], false), [whole]);
    }

    #[test]
    fn scenarios_alone_need_no_other_guests() {
        let guests = run(&[Kernel::V6_1], &["cpus", "systemd::"], true);
        assert_eq!(guests, ["6.1 General cpus systemd:: --skip=systemd::"]);
    }
}
