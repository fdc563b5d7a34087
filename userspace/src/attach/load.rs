//! Carries an attach plan out with aya. Dropping [`Loaded`] detaches everything: the links are file
//! descriptors of this process and are pinned nowhere.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs, io,
    os::fd::{AsFd as _, AsRawFd as _, RawFd},
    time::Duration,
};

use aya::{
    Ebpf, EbpfLoader, GlobalData,
    maps::{Array, HashMap, MapData, MapError, PerCpuArray, RingBuf, StackTraceMap},
    programs::{Program, ProgramError, fentry::FEntryLinkId, fexit::FExitLinkId},
};
use bytemuck::pod_read_unaligned;
use zcdiag_wire::{
    Config, Failure, FailureKey, Held, Loss, MORE_STACKS_FROM, Offsets, Rare, SenderInfo, SenderKey, Site,
    SiteKey, Switch, Tally, TallyKey, TapEvent, TapKey, TapTally, Uarg, maps,
};

use super::plan::{Kind, Plan, Step};
use crate::model::{counts::Counts, fleet::ProgramRow};

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
    #[cfg(feature = "kernel-log")]
    log: Option<aya_log::EbpfLogger<&'static dyn log::Log>>,
    /// Links of the programs that can rest, unless they do, by name of the program.
    resting_links: Vec<(String, Link)>,
    /// Whether this kernel attaches a program again that was detached (5.13 and later).
    pub can_rest: bool,
    /// Misses of programs that are detached.
    missed: Misses,
    /// What was attached, as carried out.
    pub steps: Vec<Step>,
    /// What is lost, in sentences.
    pub degraded: Vec<String>,
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
    let own_tgid = if with_own_sends { 0 } else { std::process::id() };
    let config = Config { own_tgid, pad: 0 };
    let mut object = EbpfLoader::new();
    object.btf(btf);
    object.override_global(maps::OFFSETS, GlobalData::from(bytemuck::bytes_of(offsets)), true);
    object.override_global(maps::CONFIG, GlobalData::from(bytemuck::bytes_of(&config)), true);
    #[cfg_attr(not(feature = "kernel-log"), expect(unused_mut, reason = "the log takes its map out"))]
    let mut ebpf = object.load(OBJECT).map_err(|error| explain("the BPF maps", &error))?;
    let mut loaded = Loaded {
        #[cfg(feature = "kernel-log")]
        log: aya_log::EbpfLogger::init(&mut ebpf).ok(),
        ebpf,
        resting_links: Vec::new(),
        can_rest: false,
        missed: Misses::default(),
        steps: Vec::new(),
        degraded: plan.degraded.clone(),
    };
    for step in &plan.steps {
        loaded.attach(step, btf)?;
    }
    loaded.can_rest = loaded.try_rest()?;
    if !loaded.can_rest {
        loaded.reload(btf)?;
    }
    Ok(loaded)
}

/// Events that the kernel ran no program for, because that very program was in the middle of another one.
#[derive(Clone, Copy, Default)]
struct Misses {
    events: u64,
    /// What send calls returned.
    results: u64,
}

/// A program that runs at its function.
enum Link {
    Fentry(FEntryLinkId),
    Fexit(FExitLinkId),
}

impl Loaded {
    fn attach(&mut self, step: &Step, btf: Option<&aya::Btf>) -> Result<(), LoadError> {
        let Err(refused) = self.try_attach(step, btf) else {
            self.steps.push(step.clone());
            return Ok(());
        };
        let probe = step.as_probe(format!("{} was refused: {refused}", step.kind.name()));
        let refused = match probe {
            Some(probe) if !refused.not_permitted() => match self.try_attach(&probe, None) {
                Ok(()) => {
                    self.steps.push(probe);
                    return Ok(());
                }
                Err(_) => refused,
            },
            _ => refused,
        };
        match step.lost {
            Some(lost) if !refused.not_permitted() => {
                self.degraded.push(format!("{refused}; lost: {lost}"));
                Ok(())
            }
            _ => Err(refused),
        }
    }

    fn try_attach(&mut self, step: &Step, btf: Option<&aya::Btf>) -> Result<(), LoadError> {
        let what = || format!("{} on {}", step.kind.name(), step.function);
        let program = self.ebpf.program_mut(&step.program).ok_or_else(|| LoadError::Failed {
            what: what(),
            reason: format!("the object has no program {}", step.program),
        })?;
        let no_btf = || LoadError::Failed { what: what(), reason: "no BTF for it".to_owned() };
        let mut link = None;
        let result = match (program, step.kind) {
            (Program::FEntry(program), Kind::Fentry) => program
                .load(step.function, btf.ok_or_else(no_btf)?)
                .and_then(|()| program.attach().map(|id| link = Some(Link::Fentry(id)))),
            (Program::FExit(program), Kind::Fexit) => program
                .load(step.function, btf.ok_or_else(no_btf)?)
                .and_then(|()| program.attach().map(|id| link = Some(Link::Fexit(id)))),
            (Program::KProbe(program), Kind::Kprobe | Kind::Kretprobe) => {
                // Two functions may share one probe program.
                let loaded = if program.fd().is_ok() { Ok(()) } else { program.load() };
                loaded.and_then(|()| program.attach(step.function, 0).map(drop))
            }
            _ => Err(ProgramError::UnexpectedProgramType),
        };
        result.map_err(|error| explain(&what(), &error))?;
        if let Some(link) = link.filter(|_| step.can_rest()) {
            self.resting_links.push((step.program.clone(), link));
        }
        Ok(())
    }

    /// Detaches the programs that [can rest](Step::can_rest); they stay in the kernel.
    ///
    /// # Errors
    /// If one cannot be detached.
    pub fn suspend(&mut self) -> Result<(), LoadError> {
        // First, so that nothing is missed in between without being counted; a map that is there can be written.
        let _ = self.switch(Switch::RESTING, 1);
        while self.suspend_one()?.is_some() {}
        Ok(())
    }

    /// Attaches those that rest again.
    ///
    /// # Errors
    /// If the kernel refuses one.
    pub fn resume(&mut self) -> Result<(), LoadError> {
        let attached = |program: &String| self.resting_links.iter().any(|(name, _)| name == program);
        let steps = self.steps.iter().filter(|step| step.can_rest());
        let rest: Vec<String> =
            steps.map(|step| step.program.clone()).filter(|name| !attached(name)).collect();
        rest.into_iter().try_for_each(|program| self.resume_one(program))?;
        let _ = self.switch(Switch::RESTING, 0);
        Ok(())
    }

    /// Whether what was detached can be attached again, tried with one program: before 5.13 it cannot
    /// (`bpf_tracing_prog_attach()`), and before 5.19 only with CAP_BPF. Should it fail, that program is detached.
    ///
    /// # Errors
    /// If it cannot be detached.
    pub fn try_rest(&mut self) -> Result<bool, LoadError> {
        let program = self.suspend_one()?;
        Ok(program.is_none_or(|program| self.resume_one(program).is_ok()))
    }

    /// Gives the name of the program that was detached, if there was one.
    fn suspend_one(&mut self) -> Result<Option<String>, LoadError> {
        let Some((name, link)) = self.resting_links.pop() else { return Ok(None) };
        let result = match (self.ebpf.program_mut(&name), link) {
            (Some(Program::FEntry(program)), Link::Fentry(link)) => program.detach(link),
            (Some(Program::FExit(program)), Link::Fexit(link)) => program.detach(link),
            _ => Err(ProgramError::UnexpectedProgramType),
        };
        result.map_err(|error| explain(&format!("detaching {name}"), &error))?;
        Ok(Some(name))
    }

    fn resume_one(&mut self, name: String) -> Result<(), LoadError> {
        let link = match self.ebpf.program_mut(&name) {
            Some(Program::FEntry(program)) => program.attach().map(Link::Fentry),
            Some(Program::FExit(program)) => program.attach().map(Link::Fexit),
            _ => Err(ProgramError::UnexpectedProgramType),
        };
        let link = link.map_err(|error| explain(&format!("attaching {name} again"), &error))?;
        self.resting_links.push((name, link));
        Ok(())
    }

    /// Loads those anew that should run and do not.
    fn reload(&mut self, btf: Option<&aya::Btf>) -> Result<(), LoadError> {
        let attached = |step: &Step| self.resting_links.iter().any(|(name, _)| *name == step.program);
        let steps = self.steps.iter().filter(|step| step.can_rest() && !attached(step));
        for step in steps.cloned().collect::<Vec<_>>() {
            let result = match self.ebpf.program_mut(&step.program) {
                Some(Program::FEntry(program)) => program.unload(),
                Some(Program::FExit(program)) => program.unload(),
                _ => Err(ProgramError::UnexpectedProgramType),
            };
            result.map_err(|error| explain(&format!("unloading {}", step.program), &error))?;
            self.try_attach(&step, btf)?;
        }
        Ok(())
    }

    /// Has the kernel side tell of the next zerocopy send, by a [`Rare`] of its own kind.
    ///
    /// # Errors
    /// If the map cannot be written.
    pub fn wait_for_send(&mut self) -> Result<(), MapError> {
        self.switch(Switch::WAITING, 1)
    }

    /// Has the kernel side walk one stack of so many only.
    ///
    /// # Errors
    /// If the map cannot be written.
    pub fn walk_one_stack_of(&mut self, many: u32) -> Result<(), MapError> {
        self.switch(Switch::STACKS, many)
    }

    fn switch(&mut self, switch: u32, to: u32) -> Result<(), MapError> {
        let mut map: Array<_, u32> = Array::try_from(self.map_mut(maps::SWITCHES)?)?;
        map.set(switch, to, 0)
    }

    /// Writes the programs' debug messages to the logger.
    #[cfg(feature = "kernel-log")]
    pub fn flush_log(&mut self) {
        if let Some(log) = &mut self.log {
            log.flush();
        }
    }

    /// The ring buffer of [`Rare`] announcements; can be taken once.
    pub fn take_rare(&mut self) -> Option<RingBuf<MapData>> {
        self.ebpf.take_map(maps::RARE).and_then(|map| RingBuf::try_from(map).ok())
    }

    /// Reads the counts.
    ///
    /// # Errors
    /// If a map cannot be read.
    pub fn counts(&self) -> Result<Counts, MapError> {
        let mut losses = [0; Loss::COUNT as usize];
        let map: PerCpuArray<_, u64> = PerCpuArray::try_from(self.map(maps::LOSSES)?)?;
        for (index, loss) in (0..).zip(losses.iter_mut()) {
            *loss = map.get(&index, 0)?.iter().sum();
        }
        let misses = self.misses();
        Ok(Counts {
            tallies: self.table(maps::TALLIES)?,
            failures: self.table(maps::FAILURES)?,
            taps: self.table(maps::TAPS)?,
            losses,
            misses: misses.events,
            missed_results: misses.results,
        })
    }

    /// Every sender seen so far.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn senders(&self) -> Result<BTreeMap<SenderKey, SenderInfo>, MapError> {
        self.table(maps::SENDERS)
    }

    /// Every site seen so far.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn sites(&self) -> Result<BTreeMap<SiteKey, Site>, MapError> {
        self.table(maps::SITES)
    }

    /// Return addresses of a stack, innermost first; empty if it was not kept.
    pub fn stack(&self, id: u32) -> Vec<u64> {
        let (map, id) = stack_place(id);
        let stack = self.map(map).and_then(StackTraceMap::try_from).and_then(|stacks| stacks.get(&id, 0));
        stack.map_or_else(|_| Vec::new(), |stack| stack.frames().iter().map(|frame| frame.ip).collect())
    }

    /// The uargs that still have a record, by address.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn uargs(&self) -> Result<BTreeMap<u64, Uarg>, MapError> {
        self.table(maps::UARGS)
    }

    /// The copies that are still held back, by address of the packet.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn held(&self) -> Result<BTreeMap<u64, Held>, MapError> {
        self.table(maps::HELD)
    }

    /// Takes a tally out; gives what it had counted, `None` if it was not there.
    ///
    /// # Errors
    /// If the map cannot be written.
    pub fn take_tally(&mut self, key: &TallyKey) -> Result<Option<Tally>, MapError> {
        self.take(maps::TALLIES, key)
    }

    /// Takes the counts of a tap out.
    ///
    /// # Errors
    /// If the map cannot be written.
    pub fn take_tap(&mut self, key: &TapKey) -> Result<Option<TapTally>, MapError> {
        self.take(maps::TAPS, key)
    }

    /// Takes a sender out.
    ///
    /// # Errors
    /// If the map cannot be written.
    pub fn take_sender(&mut self, key: &SenderKey) -> Result<Option<SenderInfo>, MapError> {
        self.take(maps::SENDERS, key)
    }

    /// Takes a site out.
    ///
    /// # Errors
    /// If the map cannot be written.
    pub fn take_site(&mut self, key: &SiteKey) -> Result<Option<Site>, MapError> {
        self.take(maps::SITES, key)
    }

    /// Takes the record of a uarg out: from now on it is for the caller to count.
    ///
    /// # Errors
    /// If the map cannot be written.
    pub fn take_uarg(&mut self, address: u64) -> Result<Option<Uarg>, MapError> {
        self.take(maps::UARGS, &address)
    }

    /// Takes a copy out that is held back: from now on it is for the caller to count.
    ///
    /// # Errors
    /// If the map cannot be written.
    pub fn take_held(&mut self, skb: u64) -> Result<Option<Held>, MapError> {
        self.take(maps::HELD, &skb)
    }

    /// Forgets a stack.
    ///
    /// # Errors
    /// If the map cannot be written.
    pub fn forget_stack(&mut self, id: u32) -> Result<(), MapError> {
        let (map, id) = stack_place(id);
        StackTraceMap::try_from(self.map_mut(map)?)?.remove(&id)
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
        self.missed = self.misses();
        for (_, program) in self.ebpf.programs_mut() {
            // Not loaded at all, or already gone: both is what is wanted.
            let _ = match program {
                Program::FEntry(program) => program.unload(),
                Program::FExit(program) => program.unload(),
                Program::KProbe(program) => program.unload(),
                _ => Ok(()),
            };
        }
    }

    /// Events missed by programs that count. The second look at a function's exit is not among them: what it
    /// misses shows as a send in flight, or as an end seen late.
    fn misses(&self) -> Misses {
        let mut misses = self.missed;
        for (name, program) in self.ebpf.programs() {
            let fdinfo =
                descriptor(program).and_then(|fd| fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok());
            let missed = fdinfo.and_then(|fdinfo| fdinfo_number(&fdinfo, "recursion_misses")).unwrap_or(0);
            match name {
                "put_fexit" | "abort_fexit" => {}
                "inet_sendmsg_fexit" | "inet6_sendmsg_fexit" => misses.results += missed,
                _ => misses.events += missed,
            }
        }
        misses
    }

    fn map(&self, name: &str) -> Result<&aya::maps::Map, MapError> {
        self.ebpf.map(name).ok_or(MapError::InvalidName { name: name.to_owned() })
    }

    fn map_mut(&mut self, name: &str) -> Result<&mut aya::maps::Map, MapError> {
        self.ebpf.map_mut(name).ok_or(MapError::InvalidName { name: name.to_owned() })
    }

    /// Whoever removes an entry has it to himself: the programs count only what they remove themselves.
    fn take<K, V>(&mut self, name: &str, key: &K) -> Result<Option<V>, MapError>
    where
        K: Table,
        V: Table,
        K::Bytes: aya::Pod,
        V::Bytes: aya::Pod,
    {
        let mut map: HashMap<_, K::Bytes, V::Bytes> = HashMap::try_from(self.map_mut(name)?)?;
        let key = key.encode();
        let taken = map.get(&key, 0).and_then(|value| map.remove(&key).map(|()| V::decode(&value)));
        match taken {
            Ok(value) => Ok(Some(value)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(MapError::SyscallError(error)) if error.io_error.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn table<K, V>(&self, name: &str) -> Result<BTreeMap<K, V>, MapError>
    where
        K: Table + Ord,
        V: Table,
        K::Bytes: aya::Pod,
        V::Bytes: aya::Pod,
    {
        let map: HashMap<_, K::Bytes, V::Bytes> = HashMap::try_from(self.map(name)?)?;
        // Where entries go while they are read, the walk starts over: the limit keeps it finite.
        let rows = map.iter().take(MOST_ROWS);
        rows.map(|row| row.map(|(key, value)| (K::decode(&key), V::decode(&value)))).collect()
    }
}

/// Twice what the largest map holds.
const MOST_ROWS: usize = 1 << 17;

/// A wire type as the bytes that the map holds.
trait Table: Sized {
    type Bytes;
    fn decode(bytes: &Self::Bytes) -> Self;
    fn encode(&self) -> Self::Bytes;
}

macro_rules! table {
    ($($type:ty),+) => {
        $(impl Table for $type {
            type Bytes = [u8; size_of::<$type>()];
            fn decode(bytes: &Self::Bytes) -> Self {
                pod_read_unaligned(bytes)
            }
            fn encode(&self) -> Self::Bytes {
                let mut bytes = [0; size_of::<$type>()];
                bytes.copy_from_slice(bytemuck::bytes_of(self));
                bytes
            }
        })+
    };
}

table!(
    u64, TapKey, TapTally, TallyKey, Tally, FailureKey, Failure, SenderKey, SenderInfo, SiteKey, Site, Uarg,
    Held
);

/// What comes out of the ring buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// A sender or a site that is new.
    Rare(Rare),
    /// Something happened to a packet socket.
    Tap(TapEvent),
}

/// They are told apart by their length.
const _: () = assert!(size_of::<Rare>() != size_of::<TapEvent>());

impl Announcement {
    /// An announcement as it came out of the ring buffer; `None` if it is none of this version.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() == size_of::<Rare>() {
            Some(Self::Rare(pod_read_unaligned(bytes)))
        } else if bytes.len() == size_of::<TapEvent>() {
            Some(Self::Tap(pod_read_unaligned(bytes)))
        } else {
            None
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
        _ => return None,
    };
    Some(fd.ok()?.as_fd().as_raw_fd())
}

/// The map that a stack is in, and its id there.
fn stack_place(id: u32) -> (&'static str, u32) {
    match id.checked_sub(MORE_STACKS_FROM) {
        None => (maps::STACKS, id),
        Some(id) => (maps::MORE_STACKS, id),
    }
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
        let _ = write!(text, "{}{error}", if text.is_empty() { "" } else { ": " });
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
    fn misses_are_read_from_the_program_s_fdinfo() {
        let fdinfo = "pos:\t0\nprog_type:\t26\nrun_cnt:\t9\nrecursion_misses:\t17\nverified_insns:\t120\n";
        assert_eq!(fdinfo_number(fdinfo, "recursion_misses"), Some(17));
        assert_eq!(fdinfo_number(fdinfo, "run_cnt"), Some(9));
        assert_eq!(fdinfo_number("prog_type:\t26\n", "recursion_misses"), None);
    }

    #[test]
    fn an_announcement_of_another_size_is_refused() {
        let rare = Rare { kind: 1, ..Rare::default() };
        let event = TapEvent { kind: 1, ..TapEvent::default() };
        let bytes = bytemuck::bytes_of(&rare);
        assert_eq!(Announcement::decode(bytes), Some(Announcement::Rare(rare)));
        assert_eq!(Announcement::decode(bytemuck::bytes_of(&event)), Some(Announcement::Tap(event)));
        assert_eq!(Announcement::decode(&bytes[1..]), None);
        assert_eq!(Announcement::decode(&[]), None);
    }
}
