//! From the facts of the kernel to attached programs; shared by all commands that watch.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::Read as _,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use aya::sys::{Stats, enable_stats};
use zcdiag_wire::{DropKey, Drops, MISSING, Offsets, SenderInfo, SenderKey, Site, SiteKey};

use super::{
    failure::Failure,
    trial::{self, TakenOut, Trial},
};
use crate::{
    attach::{
        found::{Place, found},
        hooks::{self, Role},
        load::{self, LoadError, Loaded, Took},
        plan::{Offer, Plan, plan},
    },
    kernel::{
        btf::Btf,
        offsets::{self, taps_per_netns},
        preempt::preemptible,
        privilege::Privileges,
        switches::Switches,
        symbols::Symbols,
    },
    model::{cost::StartTimes, doctor::TrialCounts, kernel::TapListScope},
    sys::heap,
};

const SYSTEM_BTF: &str = "/sys/kernel/btf/vmlinux";
/// More than the type information of any kernel takes; what is longer is cut off there.
const LONGEST_BTF: u64 = 256 << 20;
pub(crate) const KALLSYMS: &str = "/proc/kallsyms";
const MODULES: &str = "/proc/modules";

/// What is lost where the kernel hides its symbols.
pub(crate) const HIDDEN_SYMBOLS: &str = "the kernel hides its symbols from zcdiag (CAP_SYSLOG, kernel.kptr_restrict): \
                                         causes that a stack tells are unknown";

/// What is lost where the kernel does not measure BPF programs.
const NOT_MEASURED: &str = "the kernel does not measure BPF programs for zcdiag (CAP_SYS_ADMIN): only its own CPU time \
                            counts against the budget";

/// What the user may decide about attaching.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SessionOptions {
    /// Type information of the running kernel, where it carries none itself.
    pub btf: Option<PathBuf>,
    /// Use probes only, no trampolines.
    pub probes_only: bool,
    /// Count what this process sends, too.
    pub own_sends: bool,
    /// Detach per-packet hooks after this time, and once more as much, without a zerocopy send;
    /// `None`: never.
    pub rest_after: Option<Duration>,
    /// Have the kernel measure the programs.
    pub measure: bool,
    /// Leave out what makes zcdiag cost more than this percentage of one CPU.
    pub budget: Option<f64>,
}

/// Attached programs and the kernel's facts. Dropping it detaches them.
pub struct Session {
    /// The programs.
    pub loaded: Loaded,
    /// Release of the kernel.
    pub kernel: String,
    /// Whom unbound taps harm here.
    pub scope: TapListScope,
    /// How long it took to attach, and where the time went.
    pub start: StartTimes,
    /// What trying the hooks has counted; `None` if that could not be done.
    pub trial: Option<TrialCounts>,
    /// What trying the hooks has left in the ring buffer.
    pub(super) own: TakenOut,
    /// Programs that are attached and do not run.
    pub(super) blind: u64,
    /// Whether programs can tell sends on sockets that do not allow zero copy.
    tells_ignored: bool,
    /// Whether programs can tell what devices can do, or else nothing is to be said of it.
    pub(super) tells_offloads: bool,
    /// Whether what this process sends counts.
    own_sends: bool,
    symbols: Symbols,
    /// What the kernel calls its reasons to drop packets.
    drop_reasons: BTreeMap<u32, String>,
    detached: bool,
    /// While it is open, the kernel measures all BPF programs.
    stats: Option<OwnedFd>,
}

impl Session {
    /// Attaches.
    ///
    /// # Errors
    /// What is missing, and what helps.
    pub fn start(options: &SessionOptions) -> Result<Self, Failure> {
        // A kernel may have made a function of what ends a send, and not call it everywhere.
        match Self::start_with(options, false)? {
            Some(session) => Ok(session),
            None => Self::start_with(options, true)?
                .ok_or_else(|| Failure::new("the programs that end a send do not run", "")),
        }
    }

    /// `None` if the programs would see sends end, had they not been told that this is a function of its own.
    fn start_with(options: &SessionOptions, ends_inlined: bool) -> Result<Option<Self>, Failure> {
        let privileges = Privileges::read(Path::new("/"));
        if let Some(forbidden) = forbidden(&privileges) {
            return Err(forbidden);
        }
        let begun = Instant::now();
        let Prepared { kernel, btf, offsets, plan } = prepare_with(options, ends_inlined)?;
        let tells_offloads = [
            offsets.dev_features,
            offsets.dev_hw_features,
            offsets.dev_enc_features,
            offsets.dev_vlan_features,
            offsets.dev_mpls_features,
        ];
        let tells_offloads = !tells_offloads.contains(&MISSING);
        let tells_ignored = offsets.sock_flags != MISSING && offsets.sock_zerocopy_flag != MISSING;
        let planned = begun.elapsed();
        let loader_btf = match no_trampolines(options) {
            None => aya::Btf::parse(&btf.functions_only(), aya::Endianness::default()).ok(),
            Some(_) => None,
        };
        let types = begun.elapsed().saturating_sub(planned);
        let sees_ends = plan.steps.iter().any(|step| step.role == Role::End);
        let mut loaded = match load::load(&plan, &offsets, loader_btf.as_ref(), options.own_sends) {
            Ok(loaded) => loaded,
            // Perhaps it is the one program that there is another way without.
            Err(error) if sees_ends && !error.not_permitted() => return Ok(None),
            Err(error) => return Err(refusal(&error, &privileges)),
        };
        if Symbols::hidden(Path::new(KALLSYMS)) {
            loaded.degraded.push(HIDDEN_SYMBOLS.to_owned());
        }
        let Some(trial) = try_hooks(&mut loaded, tells_ignored, sees_ends)? else { return Ok(None) };
        let scope = scope_of(&btf);
        let measure = options.measure || options.budget.is_some();
        let stats = if measure { enable_stats(Stats::RunTime).ok() } else { None };
        if options.budget.is_some() && stats.is_none() {
            loaded.degraded.push(NOT_MEASURED.to_owned());
        }
        let drop_reasons = drop_reasons(&btf);
        drop((btf, loader_btf));
        heap::give_back();
        let Took { maps, load, attach } = loaded.took;
        let start = StartTimes { total: begun.elapsed(), plan: planned, types, maps, load, attach };
        Ok(Some(Self {
            loaded,
            kernel,
            scope,
            start,
            trial: trial.counts,
            blind: trial.blind.len() as u64,
            own: trial.own,
            tells_ignored,
            tells_offloads,
            own_sends: options.own_sends,
            symbols: Symbols::default(),
            drop_reasons,
            detached: false,
            stats,
        }))
    }

    /// Tries again whether the programs run, before they are detached. What does not run any more is a loss.
    pub(super) fn try_again(&mut self) {
        if self.own_sends {
            return;
        }
        if let Ok(trial) = trial::run(&mut self.loaded, self.tells_ignored) {
            self.blind = self.blind.max(trial.blind.len() as u64);
            self.own.senders.extend(trial.own.senders);
            self.own.sites.extend(trial.own.sites);
        }
    }

    /// Reads the kernel's symbols anew: a module may have been loaded since. Only while the programs are
    /// attached, for their trampolines are on the stacks, and nameless later.
    pub fn refresh_symbols(&mut self) {
        if !self.detached {
            self.symbols = Symbols::read(Path::new(KALLSYMS), Path::new(MODULES)).unwrap_or_default();
        }
    }

    /// Gives the memory of the symbols back, until they are read anew. Not once everything is detached, for then they cannot be.
    pub fn forget_symbols(&mut self) {
        if !self.detached {
            self.symbols = Symbols::default();
            heap::give_back();
        }
    }

    /// Whether the kernel measures the programs because of this session.
    pub fn measures(&self) -> bool {
        self.stats.is_some()
    }

    /// Whether everything is detached.
    pub fn detached(&self) -> bool {
        self.detached
    }

    /// Detaches everything, so that what is read from now on is of one moment.
    pub fn detach(&mut self) {
        self.loaded.detach();
        self.detached = true;
    }

    /// Names of the functions on a stack, innermost first; none if the kernel hides them.
    pub fn stack(&self, site: &Site) -> Vec<String> {
        if self.symbols.is_empty() {
            return Vec::new();
        }
        let mut stack = self.loaded.stack(site.stack);
        if !stack.is_empty() && site.caller != 0 {
            stack.insert(1, site.caller);
        }
        stack.into_iter().map(|address| self.symbols.name(address)).collect()
    }

    /// Name of the function that an address is in; empty if the kernel hides its symbols.
    pub fn function(&self, address: u64) -> String {
        if self.symbols.is_empty() { String::new() } else { self.symbols.name(address) }
    }

    /// Whether the kernel has words for reasons to drop packets.
    pub fn has_drop_reasons(&self) -> bool {
        !self.drop_reasons.is_empty()
    }

    /// The kernel's word for a reason to drop a packet; `None` for those that say nothing.
    pub fn drop_reason(&self, reason: u32) -> Option<String> {
        self.drop_reasons.get(&reason).cloned()
    }

    /// Dropped packets known to the kernel side; empty if the map cannot be read.
    pub fn drops(&self) -> BTreeMap<DropKey, Drops> {
        self.loaded.drops().unwrap_or_default()
    }

    /// Senders known to the kernel side; empty if the map cannot be read.
    pub fn senders(&self) -> BTreeMap<SenderKey, SenderInfo> {
        self.loaded.senders().unwrap_or_default()
    }

    /// Sites known to the kernel side, now or when the hooks were tried.
    pub fn sites(&self) -> BTreeMap<SiteKey, Site> {
        let mut sites = self.own.sites.clone();
        sites.extend(self.loaded.sites().unwrap_or_default());
        sites
    }
}

/// `enum skb_drop_reason`, without its members that say nothing; empty before 5.17.
fn drop_reasons(btf: &Btf) -> BTreeMap<u32, String> {
    let named = btf.enumerators("skb_drop_reason").into_iter();
    let named =
        named.filter_map(|(value, name)| Some((value, name.strip_prefix("SKB_DROP_REASON_")?.to_owned())));
    named.filter(|(_, name)| name != "NOT_SPECIFIED" && name != "MAX").collect()
}

/// Tries whether the programs run that are attached. `None` if none sees a send end, which they see by itself.
///
/// # Errors
/// If one does not without which nothing works.
fn try_hooks(loaded: &mut Loaded, tells_ignored: bool, sees_ends: bool) -> Result<Option<Trial>, Failure> {
    let trial = trial::run(loaded, tells_ignored)
        .map_err(|error| Failure::new(format!("cannot try the attached programs: {error}"), ""))?;
    if trial.is_hopeless() {
        return if sees_ends { Ok(None) } else { Err(trial.failure()) };
    }
    if !trial.blind.is_empty() {
        let lost: BTreeSet<&str> = trial.blind.iter().filter_map(|step| step.lost).collect();
        let lost: Vec<&str> = lost.into_iter().collect();
        loaded.degraded.push(format!("{}; lost: {}", trial.failure().what, lost.join(", ")));
    }
    if let Some(why) = &trial.untried {
        // What keeps every program from running is known all the same.
        if let Some((what, cure)) = Switches::read(Path::new("/")).off() {
            return Err(Failure::new(what, cure));
        }
        loaded.degraded.push(format!(
            "whether the attached programs run could not be tried by a send over lo ({why}): if zerocopy sends are made and \
             none is counted, they do not"
        ));
    }
    Ok(Some(trial))
}

/// What is known of the kernel before anything is loaded into it.
pub(crate) struct Prepared {
    kernel: String,
    btf: Btf,
    offsets: Offsets,
    /// What to attach.
    pub(crate) plan: Plan,
}

/// Reads the kernel's type information, and makes the plan from it.
///
/// # Errors
/// What is missing, and what helps.
pub(crate) fn prepare(options: &SessionOptions) -> Result<Prepared, Failure> {
    prepare_with(options, false)
}

fn prepare_with(options: &SessionOptions, ends_inlined: bool) -> Result<Prepared, Failure> {
    let kernel = release();
    let btf = read_btf(options)?;
    let resolved = offsets::resolve(&btf)
        .map_err(|error| Failure::new(format!("kernel {kernel}: {error}"), error.cure()))?;
    let mut plan = with_offer(options, &btf, ends_inlined, plan).map_err(|error| {
        Failure::new(
            format!("kernel {kernel}: {error}"),
            "use a kernel of a distribution, or report this one",
        )
    })?;
    plan.degraded.extend(resolved.degraded());
    Ok(Prepared { kernel, btf, offsets: resolved.offsets, plan })
}

/// Has something made from what the running kernel offers.
fn with_offer<T>(
    options: &SessionOptions,
    btf: &Btf,
    ends_inlined: bool,
    make: impl FnOnce(&Offer<'_>) -> T,
) -> T {
    let symbols = std::cell::OnceCell::new();
    make(&Offer {
        parameters: &|function| btf.parameters(function),
        has_symbol: &|function| {
            symbols
                .get_or_init(|| Symbols::read(Path::new(KALLSYMS), Path::new(MODULES)).unwrap_or_default())
                .has(function)
        },
        has_module: &load::modules::is_loaded,
        ends_inlined,
        no_trampolines: no_trampolines(options),
        preemptible: preemptible(Path::new("/")),
    })
}

/// Every function of the hook table, and where the running kernel has it.
pub(crate) fn functions(options: &SessionOptions, btf: &Btf) -> Vec<(&'static str, Option<Place>)> {
    with_offer(options, btf, false, found)
}

/// What forbids a watch, whatever the kernel offers: the kernel's own answers, such as EINVAL under lockdown, do not tell.
pub(crate) fn forbidden(privileges: &Privileges) -> Option<Failure> {
    let lacking = privileges.lacking();
    if !lacking.is_empty() {
        return Some(Failure::new(
            format!("watching needs CAP_BPF and CAP_PERFMON; zcdiag lacks {}", lacking.join(" and ")),
            "run it as root: `sudo zcdiag ..`; `zcdiag taps` needs less",
        ));
    }
    (privileges.lockdown.as_deref() == Some("confidentiality")).then(|| {
        Failure::new(
            "kernel lockdown is at 'confidentiality', which forbids BPF to read kernel memory",
            "boot with lockdown=integrity, or without Secure Boot; `zcdiag taps` and `zcdiag check` need no BPF",
        )
    })
}

/// Release of the running kernel.
pub fn release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// Whom unbound taps harm on the running kernel, also where there is no BTF.
pub fn tap_list_scope() -> TapListScope {
    let btf = fs::read(SYSTEM_BTF).ok().and_then(|data| Btf::parse(data, &offsets::types()).ok());
    match btf {
        Some(btf) => scope_of(&btf),
        None => TapListScope::from_release(&release()),
    }
}

fn scope_of(btf: &Btf) -> TapListScope {
    if taps_per_netns(btf) { TapListScope::PerNetns } else { TapListScope::Global }
}

fn no_trampolines(options: &SessionOptions) -> Option<&'static str> {
    if options.probes_only {
        Some("probes were asked for")
    } else if options.btf.is_some() {
        Some("the kernel carries no BTF of its own")
    } else {
        None
    }
}

pub(crate) fn read_btf(options: &SessionOptions) -> Result<Btf, Failure> {
    let path = options.btf.as_deref().unwrap_or(Path::new(SYSTEM_BTF));
    let mut data = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST_BTF).read_to_end(&mut data));
    read.map_err(|error| {
        Failure::new(
            format!("no type information (BTF) of this kernel: {}: {error}", path.display()),
            "use a kernel built with CONFIG_DEBUG_INFO_BTF=y, or make its BTF from its vmlinux with debugging information \
             (`pahole --btf_encode_detached FILE vmlinux`) and give that with --btf FILE",
        )
    })?;
    let wanted: Vec<&str> = offsets::types().into_iter().chain(hooks::functions()).collect();
    Btf::parse(data, &wanted).map_err(|error| {
        Failure::new(format!("{}: {error}", path.display()), "give the BTF of the running kernel")
    })
}

/// Why the kernel said no, as far as it can be known.
fn refusal(error: &LoadError, privileges: &Privileges) -> Failure {
    if !error.not_permitted() {
        return Failure::new(error, "please report this with the kernel's version");
    }
    let lockdown = privileges.lockdown.as_deref();
    let also = lockdown.map_or(String::new(), |mode| format!(" (kernel lockdown is at '{mode}')"));
    let cure = format!(
        "zcdiag has the capabilities, so a policy forbids BPF tracing{also}: look at the container's seccomp profile, the \
         security module, and the hypervisor; `zcdiag taps` needs no BPF"
    );
    Failure::new(error, cure)
}
