//! Capabilities: what is lost without each, and which are given up once the programs are attached.

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

use crate::{app::outcome::Failure, engine::Engine, kernel::privilege::NEEDS};

/// Capabilities that the daemon uses after it has attached, with their names and what is lost without each.
fn wanted() -> impl Iterator<Item = (CapabilitySet, &'static str, &'static str)> {
    let set = |number: u32| CapabilitySet::from_bits_retain(1 << number);
    NEEDS.iter().filter_map(move |need| Some((set(need.number), need.name, need.to_daemon?)))
}

/// What is lost for want of a capability, in sentences.
pub(super) fn missing() -> Vec<String> {
    let effective = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
    let missing = wanted().filter(|(capability, ..)| !effective.contains(*capability));
    missing.map(|(_, name, lost)| format!("{name} is missing: {lost}")).collect()
}

/// Gives up what was for attaching only, for this thread and those it will start. Where the maps cannot be read without
/// `CAP_BPF` (before Linux 5.19), that stays, and `CAP_PERFMON` as well where hooks that have rested cannot be attached
/// again without both.
pub(super) fn drop_surplus(engine: &mut Engine) -> Result<(), Failure> {
    let failed = |error| Failure::new(format!("cannot give up capabilities: {error}"), "");
    let can_rest = engine.can_rest()?;
    let now = capabilities(None).map_err(failed)?;
    let wanted = wanted().fold(CapabilitySet::empty(), |all, (capability, ..)| all | capability);
    let keep = now.permitted & wanted;
    // Still permitted, so that it can be taken up again.
    let tried =
        CapabilitySets { effective: keep, permitted: now.permitted, inheritable: CapabilitySet::empty() };
    set_capabilities(None, tried).map_err(failed)?;
    let attachable = !can_rest || engine.try_rest()?;
    let needed = match (attachable, engine.can_read()) {
        (true, true) => CapabilitySet::empty(),
        (true, false) => CapabilitySet::BPF,
        (false, _) => CapabilitySet::BPF | CapabilitySet::PERFMON,
    };
    let keep = keep | now.permitted & needed;
    let rest = CapabilitySets { effective: keep, permitted: keep, inheritable: CapabilitySet::empty() };
    set_capabilities(None, rest).map_err(failed)?;
    if attachable { Ok(()) } else { engine.resume() }
}
