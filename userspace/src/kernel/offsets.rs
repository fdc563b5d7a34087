//! Fills [`Offsets`] from the running kernel's BTF, and says what is lost with what it does not have.

use std::collections::BTreeMap;

use zcdiag_wire::{Field, Lost, MISSING, Need, Offsets, Source};

use super::btf::{Btf, Member};

/// Structs and enums that the attach plan and other facts ask for, beside those of [`Offsets::FIELDS`].
const ALSO: [&str; 3] = ["bpf_ringbuf", "net", "skb_drop_reason"];

/// Structs and enums that are looked up.
pub fn types() -> Vec<&'static str> {
    let of_source = |source: &Source| match *source {
        Source::Byte(name, _)
        | Source::Mask(name, _)
        | Source::Shift(name, _)
        | Source::Enumerator(name, _)
        | Source::Size(name)
        | Source::Given(name, ..) => Some(name),
        Source::Always(_) => None,
    };
    let with = Offsets::FIELDS.iter().filter_map(|field| match field.need {
        Need::With(name, _) => Some(name),
        _ => None,
    });
    let sources = Offsets::FIELDS.iter().flat_map(|field| field.sources).filter_map(of_source);
    let mut types: Vec<_> = ALSO.into_iter().chain(with).chain(sources).collect();
    types.sort_unstable();
    types.dedup();
    types
}

/// What nothing works without.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Unusable {
    /// The kernel has no such field.
    #[error("this kernel's BTF has no {0}: it changed in a way zcdiag does not know yet")]
    NoField(String),
    /// The kernel has no BPF ring buffer, in which new senders and places are announced.
    #[error("this kernel has no BPF ring buffer")]
    NoRingBuffer,
}

impl Unusable {
    /// What helps.
    pub fn cure(&self) -> &'static str {
        match self {
            Self::NoField(_) => "please report this with the kernel's version",
            Self::NoRingBuffer => {
                "it came with Linux 5.8, and with minor release 8.4 of RHEL 8: use a later kernel; `zcdiag taps` and \
                 `zcdiag check` work here"
            }
        }
    }
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The numbers.
    pub offsets: Offsets,
    /// Names of those that this kernel does not have, in the order of the struct.
    pub missing: Vec<&'static str>,
    /// What is lost because of that, with the fields as the kernel's source names them.
    pub lost: BTreeMap<Lost, Vec<String>>,
}

impl Resolved {
    /// What is lost, in sentences.
    pub fn degraded(&self) -> Vec<String> {
        let sentence = |(lost, fields): (&Lost, &Vec<String>)| {
            format!("this kernel's BTF has no {}; lost: {}", fields.join(", "), words(*lost))
        };
        self.lost.iter().map(sentence).collect()
    }
}

/// What is lost, as a noun.
pub(crate) const fn words(lost: Lost) -> &'static str {
    match lost {
        Lost::Upfront => "why send calls copied by themselves",
        Lost::Offloads => "which offload a device lacks, and for which packets",
        Lost::TappedClone => "which copies were made for packet sockets, unless the stack tells",
        Lost::Misreported => "which notifications tell the application the wrong code",
        Lost::NotRequested => "sends with MSG_ZEROCOPY on sockets without SO_ZEROCOPY",
        Lost::Results => "sends that failed or were not zero-copy at all",
        Lost::FailureNumbers => {
            "how much option memory and how many unread notifications there were when sends failed"
        }
        Lost::IoUring => "the sends of io_uring",
        Lost::IoUringResults => "which sends of io_uring failed, and the bytes of the others",
        Lost::Ends => "between which addresses and ports sends were made",
        Lost::Taps => "which packet sockets were given copied packets",
    }
}

/// Looks up every field.
///
/// # Errors
/// Names the first field that the kernel does not have and nothing works without.
pub fn resolve(btf: &Btf) -> Result<Resolved, Unusable> {
    if !btf.has_struct("bpf_ringbuf") {
        return Err(Unusable::NoRingBuffer);
    }
    let mut values = Vec::with_capacity(Offsets::FIELDS.len());
    let (mut missing, mut lost) = (Vec::new(), BTreeMap::<Lost, Vec<String>>::new());
    for Field { name, sources, need } in Offsets::FIELDS {
        let value = sources.iter().find_map(|source| look_up(btf, *source));
        values.push(value.unwrap_or(MISSING));
        if value.is_some() {
            continue;
        }
        missing.push(*name);
        let field = name_of(sources[0]);
        match *need {
            Need::Essential => return Err(Unusable::NoField(field)),
            Need::For(what) => lost.entry(what).or_default().push(field),
            Need::With(gate, what) if btf.has_struct(gate) => lost.entry(what).or_default().push(field),
            Need::With(..) | Need::WhereThere => {}
        }
    }
    let offsets = bytemuck::pod_read_unaligned(bytemuck::cast_slice(&values));
    Ok(Resolved { offsets, missing, lost })
}

/// Every number that is looked up, as the kernel's source names it: the first of its sources that this kernel has, with the
/// number, or else the newest of them.
pub fn found(btf: &Btf) -> Vec<(String, Option<u32>)> {
    let looked_up = |source: &&Source| !matches!(source, Source::Always(_));
    let mut all = Vec::with_capacity(Offsets::FIELDS.len());
    for field in Offsets::FIELDS {
        let sources = || field.sources.iter().filter(looked_up);
        let found = sources().find_map(|source| Some((name_of(*source), Some(look_up(btf, *source)?))));
        // Of one member place and mask are asked for, by the same name.
        let row = found.or_else(|| sources().next().map(|source| (name_of(*source), None)));
        all.extend(row.filter(|(name, _)| !all.iter().any(|(known, _)| known == name)));
    }
    all
}

fn look_up(btf: &Btf, source: Source) -> Option<u32> {
    match source {
        Source::Byte(of, path) => btf.member(of, path).map(Member::byte),
        Source::Mask(of, path) => btf.member(of, path).map(Member::bit_mask),
        Source::Shift(of, path) => btf.member(of, path).map(|member| member.bit_offset % 8),
        Source::Enumerator(of, name) => btf.enumerator(of, name),
        Source::Size(of) => btf.size_of(of),
        Source::Given(of, path, value) => btf.member(of, path).map(|_| value),
        Source::Always(value) => Some(value),
    }
}

/// As the kernel's source names it.
fn name_of(source: Source) -> String {
    match source {
        Source::Byte(of, path)
        | Source::Mask(of, path)
        | Source::Shift(of, path)
        | Source::Given(of, path, _) => {
            format!("{of}.{path}")
        }
        Source::Enumerator(of, name) => format!("{name} of enum {of}"),
        Source::Size(of) => of.to_owned(),
        Source::Always(value) => value.to_string(),
    }
}

/// Whether taps that are not bound to a device are kept per network namespace (6.15 and later), so that
/// they cannot harm another one. `net/core/dev.c`, `dev_queue_xmit_nit()`.
pub fn taps_per_netns(btf: &Btf) -> bool {
    btf.member("net", "ptype_all").is_some()
}
