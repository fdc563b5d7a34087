//! Carries an attach plan out with aya. Dropping [`Loaded`] detaches everything: the links are file
//! descriptors of this process and are pinned nowhere.

mod announcement;
pub mod modules;
mod places;
mod rest;
mod shared;
mod table;
mod tables;
mod taps;

use std::{
    fmt::Write as _,
    fs, io,
    os::fd::{AsFd as _, AsRawFd as _, RawFd},
    time::{Duration, Instant},
};

use aya::{
    Ebpf, EbpfLoader, GlobalData,
    programs::{
        Program, ProgramError, fentry::FEntryLinkId, fexit::FExitLinkId, kprobe::KProbeLinkId,
        raw_trace_point::RawTracePointLinkId,
    },
};
use zcdiag_wire::{Config, Offsets, maps};

pub use self::announcement::Announcement;
use self::shared::Places;
use super::{
    hooks::Role,
    plan::{Kind, Plan, Step},
};
use crate::{
    model::fleet::ProgramRow,
    sys::{errqueue::ENOTSUPP, pidns},
};

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/zcdiag-ebpf"));

/// Why the programs are not in the kernel.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The kernel said no to a map or a program.
    #[error("the kernel refuses {what}: {source}")]
    Refused {
        /// What was to be created.
        what: String,
        /// Its answer.
        source: io::Error,
    },
    /// The verifier or the loader found fault with the object.
    #[error("loading {what} failed: {reason}")]
    Failed {
        /// What was to be loaded.
        what: String,
        /// The first lines of the reason.
        reason: String,
    },
}

impl LoadError {
    /// Whether the kernel lacks permission to give, rather than something else.
    pub fn not_permitted(&self) -> bool {
        matches!(self, Self::Refused { source, .. }
            if matches!(source.kind(), io::ErrorKind::PermissionDenied))
    }
}

/// The programs in the kernel, and the way to their maps.
pub struct Loaded {
    ebpf: Ebpf,
    places: Places,
    #[cfg(feature = "kernel-log")]
    log: Option<aya_log::EbpfLogger<&'static dyn log::Log>>,
    /// Links of the programs that can rest, unless they do.
    resting_links: Vec<(Step, Link)>,
    /// Whether probes rest: where there are trampolines, only those do.
    probes_rest: bool,
    /// Whether this kernel attaches a program again that was detached, once that was tried.
    can_rest: Option<bool>,
    /// What is to be attached once its module is loaded.
    later: Vec<Step>,
    /// What was attached, as carried out.
    pub steps: Vec<Step>,
    /// What is lost, in sentences.
    pub degraded: Vec<String>,
    /// How long each part of that took.
    pub took: Took,
}

/// What is lost where probes are refused to a process without CAP_SYS_ADMIN: by kernels of distributions that know
/// `kernel.perf_event_paranoid` above 2.
const TRAMPOLINES_MISS: &str = "trampolines are there instead of probes, and on this preemptible kernel they may miss events \
                                under load, which are counted; probes need CAP_SYS_ADMIN, or kernel.perf_event_paranoid=2";

/// By the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Took {
    /// Reading the object and making the maps.
    pub maps: Duration,
    /// Loading the programs, which the kernel's verifier goes through.
    pub load: Duration,
    /// Attaching them to their functions.
    pub attach: Duration,
}

/// Does it, and adds the time.
fn timed<T>(time: &mut Duration, what: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = what();
    *time += started.elapsed();
    result
}

/// Loads and attaches what `plan` says. `btf` is the running kernel's, needed for trampolines. Sends of this process
/// count only `with_own_sends`.
///
/// # Errors
/// If a program that nothing works without cannot be loaded; all others are then detached again.
pub fn load(
    plan: &Plan,
    offsets: &Offsets,
    btf: Option<&aya::Btf>,
    with_own_sends: bool,
) -> Result<Loaded, LoadError> {
    // Elsewhere the number that this process goes by is somebody else's for the kernel side.
    let own_tgid = if !with_own_sends && pidns::is_first() == Some(true) { std::process::id() } else { 0 };
    let sees_io_results = plan.steps.iter().any(|step| step.role == Role::IoSent);
    let sees_ends = plan.steps.iter().any(|step| step.role == Role::End);
    let config =
        Config { own_tgid, io_results: u32::from(sees_io_results), ends: u32::from(sees_ends), pad: 0 };
    let mut object = EbpfLoader::new();
    object.btf(btf);
    object.override_global(maps::OFFSETS, GlobalData::from(bytemuck::bytes_of(offsets)), true);
    object.override_global(maps::CONFIG, GlobalData::from(bytemuck::bytes_of(&config)), true);
    let old = plan.steps.iter().any(|step| step.role == Role::OldBirth);
    if old {
        Places::leave_out(&mut object);
    }
    let mut took = Took::default();
    let ebpf = timed(&mut took.maps, || object.load(OBJECT));
    #[cfg_attr(not(feature = "kernel-log"), expect(unused_mut, reason = "the log takes its map out"))]
    let mut ebpf = ebpf.map_err(|error| explain("the BPF maps", &error))?;
    let places = if old { Ok(Places::default()) } else { Places::of(&ebpf) };
    let places = places.map_err(|error| explain("the memory of the BPF maps", &error))?;
    let mut loaded = Loaded {
        places,
        #[cfg(feature = "kernel-log")]
        log: aya_log::EbpfLogger::init(&mut ebpf).ok(),
        ebpf,
        resting_links: Vec::new(),
        probes_rest: false,
        can_rest: None,
        later: plan.later.clone(),
        steps: Vec::new(),
        degraded: plan.degraded.clone(),
        took,
    };
    for step in &plan.steps {
        loaded.attach(step, btf)?;
    }
    loaded.trust_hooks();
    loaded.choose_what_rests();
    Ok(loaded)
}

/// A program that runs at its function.
enum Link {
    Fentry(FEntryLinkId),
    Fexit(FExitLinkId),
    Probe(KProbeLinkId),
    Tracepoint(RawTracePointLinkId),
}

impl Loaded {
    fn attach(&mut self, step: &Step, btf: Option<&aya::Btf>) -> Result<(), LoadError> {
        let Err(refused) = self.try_attach(step, btf) else {
            self.steps.push(step.clone());
            return Ok(());
        };
        let other = step.otherwise(format!("{} was refused: {refused}", step.kind.name()));
        if let Some(other) = other.filter(|_| !refused.not_permitted())
            && self.try_attach(&other, btf).is_ok()
        {
            if other.kind.is_trampoline() {
                self.told_of_trampolines(&refused);
            }
            self.steps.push(other);
            return Ok(());
        }
        match step.lost {
            Some(lost) if !refused.not_permitted() => {
                self.degraded.push(format!("{refused}; lost: {lost}"));
                Ok(())
            }
            _ => Err(refused),
        }
    }

    /// Trampolines have taken the place of probes: says so once.
    fn told_of_trampolines(&mut self, refused: &LoadError) {
        if !self.degraded.iter().any(|sentence| sentence.ends_with(TRAMPOLINES_MISS)) {
            self.degraded.push(format!("{refused}; {TRAMPOLINES_MISS}"));
        }
    }

    fn try_attach(&mut self, step: &Step, btf: Option<&aya::Btf>) -> Result<(), LoadError> {
        let what = || format!("{} on {}", step.kind.name(), step.function);
        let program = self.ebpf.program_mut(&step.program).ok_or_else(|| LoadError::Failed {
            what: what(),
            reason: format!("the object has no program {}", step.program),
        })?;
        let no_btf = || LoadError::Failed { what: what(), reason: "no BTF for it".to_owned() };
        let Took { load, attach, .. } = &mut self.took;
        let link = match (program, step.kind) {
            (Program::FEntry(program), Kind::Fentry) => {
                let btf = btf.ok_or_else(no_btf)?;
                timed(load, || program.load(step.function, btf))
                    .and_then(|()| timed(attach, || program.attach()))
                    .map(Link::Fentry)
            }
            (Program::FExit(program), Kind::Fexit) => {
                let btf = btf.ok_or_else(no_btf)?;
                timed(load, || program.load(step.function, btf))
                    .and_then(|()| timed(attach, || program.attach()))
                    .map(Link::Fexit)
            }
            (Program::KProbe(program), Kind::Kprobe | Kind::Kretprobe) => {
                // Two functions may share one probe program.
                let loaded = if program.fd().is_ok() { Ok(()) } else { timed(load, || program.load()) };
                loaded.and_then(|()| timed(attach, || program.attach(step.function, 0))).map(Link::Probe)
            }
            (Program::RawTracePoint(program), Kind::Tracepoint) => timed(load, || program.load())
                .and_then(|()| timed(attach, || program.attach(step.function)))
                .map(Link::Tracepoint),
            _ => Err(ProgramError::UnexpectedProgramType),
        };
        let link = link.map_err(|error| explain(&what(), &error))?;
        if step.role.is_for_everybody() {
            self.resting_links.push((step.clone(), link));
        }
        Ok(())
    }

    /// Writes the programs' debug messages to the logger.
    #[cfg(feature = "kernel-log")]
    pub fn flush_log(&mut self) {
        if let Some(log) = &mut self.log {
            log.flush();
        }
    }

    /// What every program did since it was attached.
    pub fn programs(&self) -> Vec<ProgramRow> {
        let row = |name: &str, fd: RawFd| {
            let fdinfo = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
            let number = |field| fdinfo_number(&fdinfo, field).unwrap_or(0);
            Some(ProgramRow {
                program: name.to_owned(),
                runs: number("run_cnt"),
                run_seconds: Duration::from_nanos(number("run_time_ns")).as_secs_f64(),
                misses: number("recursion_misses"),
            })
        };
        self.ebpf.programs().filter_map(|(name, program)| row(name, descriptor(program)?)).collect()
    }

    /// Detaches everything, so that what is read from now on is of one moment.
    pub fn detach(&mut self) {
        for (_, program) in self.ebpf.programs_mut() {
            // Not loaded at all, or already gone: both is what is wanted.
            let _ = match program {
                Program::FEntry(program) => program.unload(),
                Program::FExit(program) => program.unload(),
                Program::KProbe(program) => program.unload(),
                Program::RawTracePoint(program) => program.unload(),
                _ => Ok(()),
            };
        }
    }
}

/// A number of a program's fdinfo (`bpf_prog_show_fdinfo()`): `run_time_ns` and `run_cnt`, from 5.12 on
/// `recursion_misses`.
fn fdinfo_number(fdinfo: &str, field: &str) -> Option<u64> {
    let value = |line: &str| line.strip_prefix(field)?.strip_prefix(':')?.trim().parse().ok();
    fdinfo.lines().find_map(value)
}

/// The descriptor of a program that is loaded.
fn descriptor(program: &Program) -> Option<RawFd> {
    let fd = match program {
        Program::FEntry(program) => program.fd(),
        Program::FExit(program) => program.fd(),
        Program::KProbe(program) => program.fd(),
        Program::RawTracePoint(program) => program.fd(),
        _ => return None,
    };
    Some(fd.ok()?.as_fd().as_raw_fd())
}

/// The errno at the root of an error, or its first words: a verifier log has thousands of lines.
fn explain(what: &str, error: &(dyn std::error::Error + 'static)) -> LoadError {
    let mut source = Some(error);
    let mut text = String::new();
    while let Some(error) = source {
        if let Some(io) = error.downcast_ref::<io::Error>()
            && matches!(io.raw_os_error(), Some(libc::EPERM))
        {
            return LoadError::Refused {
                what: what.to_owned(),
                source: io::Error::from_raw_os_error(libc::EPERM),
            };
        }
        let os_error = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
        let words = match os_error {
            // As where a processor has no trampolines yet: arm64 before 6.4.
            Some(ENOTSUPP) => "this kernel does not support it here (ENOTSUPP)".to_owned(),
            // `ftrace_kill()`
            Some(libc::ENODEV) => {
                "the kernel has given up ftrace after a fault of its own, until it is booted anew; see dmesg \
                                   (ENODEV)"
                    .to_owned()
            }
            _ => error.to_string(),
        };
        let _ = write!(text, "{}{words}", if text.is_empty() { "" } else { ": " });
        source = error.source();
    }
    // What the verifier counts comes after what it found.
    let counted = ["verification time", "stack depth", "insns processed", "processed "];
    let says = |line: &&str| !line.trim().is_empty() && !counted.iter().any(|count| line.starts_with(count));
    let lines: Vec<&str> = text.lines().filter(says).collect();
    let short = if lines.len() > 6 {
        format!("{} .. {}", lines[0], lines[lines.len() - 4..].join(" | "))
    } else {
        lines.join(" | ")
    };
    LoadError::Failed { what: what.to_owned(), reason: short }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_only_the_kernel_knows_has_a_name() {
        let error = explain("fentry on f", &io::Error::from_raw_os_error(ENOTSUPP));
        assert_eq!(
            error.to_string(),
            "loading fentry on f failed: this kernel does not support it here (ENOTSUPP)"
        );
    }

    #[test]
    fn misses_are_read_from_the_program_s_fdinfo() {
        let fdinfo = "pos:\t0\nprog_type:\t26\nrun_cnt:\t9\nrecursion_misses:\t17\nverified_insns:\t120\n";
        assert_eq!(fdinfo_number(fdinfo, "recursion_misses"), Some(17));
        assert_eq!(fdinfo_number(fdinfo, "run_cnt"), Some(9));
        assert_eq!(fdinfo_number("prog_type:\t26\n", "recursion_misses"), None);
    }
}
