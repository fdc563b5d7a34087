//! Taps for people: the answer first, then the grounds and the cure, then what was left out.

use std::io::{self, Write};

use crate::{
    model::{
        cure::Cure,
        device::DeviceId,
        further::Enough,
        handler::{Handler, JudgedHandler},
        inventory::TapReport,
        path::Passage,
        tap::{Binding, Fanout, Harm, Holder, JudgedTap, PacketSocketType, Tap, TapVerdict},
    },
    render::{
        further,
        lines::{Emphasis, emphasize, harmless, wrap},
        remedy::sentence,
        words::age,
    },
};

/// How much to write, and how.
#[derive(Debug, Clone, Copy)]
pub struct TextOptions<'a> {
    /// List the harmless taps too.
    pub all: bool,
    /// Use colour.
    pub color: bool,
    /// The one device that the question was about.
    pub dev: Option<&'a str>,
}

/// How many taps the first line names.
const NAMED: usize = 3;

/// Writes the report; what could not be seen is left to the caller.
///
/// # Errors
/// The output cannot be written to.
pub fn write_text(report: &TapReport, options: TextOptions<'_>, out: &mut dyn Write) -> io::Result<()> {
    let with = |verdict| report.taps.iter().filter(move |tap| tap.judgement.verdict == verdict);
    let offending: Vec<_> = with(TapVerdict::Offending).collect();
    let unknown: Vec<_> = with(TapVerdict::Unknown).collect();
    write_answer(report, &offending, &unknown, options, out)?;
    for tap in offending.iter().chain(&unknown) {
        writeln!(out)?;
        write_tap(tap, report, options.color, out)?;
    }
    for judged in &report.handlers {
        writeln!(out)?;
        write_handler(judged, options.color, out)?;
    }
    write_way(report, options, out)?;
    let harmless = with(TapVerdict::Harmless).count();
    if harmless == 0 {
        return Ok(());
    }
    writeln!(out)?;
    if !options.all {
        let (noun, verb) = if harmless == 1 { ("socket", "is") } else { ("sockets", "are") };
        return writeln!(out, "{harmless} packet {noun} {verb} harmless; --all lists them.");
    }
    writeln!(out, "{}", emphasize("Harmless packet sockets", Emphasis::Heading, options.color))?;
    for JudgedTap { tap, judgement } in with(TapVerdict::Harmless) {
        let line = format!("{}, inode {}: {}", title(tap, report.here), tap.inode, judgement.reason);
        write!(out, "{}", wrap("  ", &line))?;
        for harm in met_by(&judgement.harms, report) {
            write!(out, "{}", wrap("    but ", &harm))?;
        }
    }
    Ok(())
}

fn write_answer(
    report: &TapReport,
    offending: &[&JudgedTap],
    unknown: &[&JudgedTap],
    options: TextOptions<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let TextOptions { color, dev, .. } = options;
    let place = dev.map_or(String::new(), |dev| format!(" on {}", harmless(dev)));
    let sight = if report.complete { "" } else { ", as far as could be seen" };
    if offending.is_empty() && unknown.is_empty() && report.handlers.is_empty() {
        let answer = format!("No tap makes sends copy{place}{sight}.");
        let emphasis = if report.complete { Emphasis::Good } else { Emphasis::Doubtful };
        return writeln!(out, "{}", emphasize(&answer, emphasis, color));
    }
    let answers =
        [(offending, "makes", "make", Emphasis::Bad), (unknown, "may make", "may make", Emphasis::Doubtful)];
    for (taps, one, many, emphasis) in answers {
        if taps.is_empty() {
            continue;
        }
        let (noun, verb) = if taps.len() == 1 { ("tap", one) } else { ("taps", many) };
        let mut names: Vec<_> =
            taps.iter().take(NAMED).map(|judged| title(&judged.tap, report.here)).collect();
        if taps.len() > NAMED {
            names.push(format!("and {} more", taps.len() - NAMED));
        }
        let answer = format!("{} {noun} {verb} sends copy{place}: {}", taps.len(), names.join(", "));
        let answer = wrap("", &answer);
        writeln!(out, "{}", emphasize(answer.trim_end(), emphasis, color))?;
    }
    if !report.handlers.is_empty() {
        let names: Vec<_> = report.handlers.iter().map(|judged| handler_title(&judged.handler)).collect();
        let answer = format!("A part of the kernel may make sends copy{place}: {}", names.join(", "));
        writeln!(out, "{}", emphasize(wrap("", &answer).trim_end(), Emphasis::Doubtful, color))?;
    }
    Ok(())
}

fn write_handler(judged: &JudgedHandler, color: bool, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", emphasize(&handler_title(&judged.handler), Emphasis::Doubtful, color))?;
    let mut field =
        |name: &str, text: &str| write!(out, "{}", wrap(&format!("  {name:<6}"), &harmless(text)));
    field("why", &format!("it {}", judged.reason))?;
    for (index, remedy) in judged.remedies.iter().enumerate() {
        field(if index == 0 { "cure" } else { "or" }, remedy)?;
    }
    Ok(())
}

/// "spy [module] on v0".
fn handler_title(handler: &Handler) -> String {
    let module = handler.module.as_deref().map_or(String::new(), |module| format!(" [{}]", harmless(module)));
    format!("{}{module} on {}", harmless(&handler.function), place(&handler.binding))
}

/// What all of it takes for the device asked for, and where its packets were lost sight of.
fn write_way(report: &TapReport, options: TextOptions<'_>, out: &mut dyn Write) -> io::Result<()> {
    if let (Some(cure), Some(dev)) = (&report.cure, options.dev)
        && !cure.is_empty()
    {
        if cure.changes() > 1 {
            let head = match cure.enough() {
                Enough::Yes => format!("For zero copy on {}, do all of the following", harmless(dev)),
                _ => further::head(cure).to_owned(),
            };
            writeln!(out, "\n{}", emphasize(&head, Emphasis::Heading, options.color))?;
            write_changes(cure, out)?;
        }
        write_besides(cure, out)?;
    }
    let lost: Vec<_> = report.ways.iter().flatten().flat_map(|way| &way.lost).collect();
    if !lost.is_empty() {
        writeln!(out)?;
    }
    for lost in lost {
        write!(out, "{}", wrap("not followed: ", &harmless(lost)))?;
    }
    Ok(())
}

/// Each change that the cure is made of, commands first.
pub(crate) fn changes(cure: &Cure) -> impl Iterator<Item = String> {
    let doubtful = cure.doubtful.iter().map(|inode| format!("perhaps: zcdiag mute --inode {inode}"));
    let others = cure.others.iter().map(|other| other.what.clone());
    cure.command().into_iter().chain(others).chain(doubtful)
}

/// Writes every change of a cure on a line of its own.
pub(crate) fn write_changes(cure: &Cure, out: &mut dyn Write) -> io::Result<()> {
    for change in changes(cure) {
        write!(out, "{}", wrap("  ", &harmless(&change)))?;
    }
    Ok(())
}

/// Writes what copies even without the taps that are dealt with, or may.
pub(crate) fn write_besides(cure: &Cure, out: &mut dyn Write) -> io::Result<()> {
    for sentence in further::besides(cure) {
        write!(out, "{}", wrap("  ", &harmless(&sentence)))?;
    }
    Ok(())
}

/// Whose sends meet a tap further on their way, in sentences; nothing where the question was about one device,
/// for then the reason says it.
fn met_by(harms: &[Harm], report: &TapReport) -> Vec<String> {
    if report.ways.is_some() {
        return Vec::new();
    }
    let out = |harm: &&Harm| harm.at.passage == Passage::Out;
    let (left, came_in): (Vec<_>, Vec<_>) = harms.iter().partition(out);
    let names = |harms: &[&Harm]| -> Option<String> {
        let mut names: Vec<_> =
            harms.iter().take(NAMED).map(|harm| device(&harm.from, report.here)).collect();
        if harms.len() > NAMED {
            names.push(format!("{} more", harms.len() - NAMED));
        }
        (!names.is_empty()).then(|| names.join(", "))
    };
    let left = names(&left).map(|names| format!("sends through {names} pass its device, too"));
    let came_in = names(&came_in).map(|names| {
        format!("packets of {names} come in on its device and are copied for it, whatever it ignores")
    });
    left.into_iter().chain(came_in).collect()
}

fn device(device: &DeviceId, here: Option<u32>) -> String {
    let name = harmless(&device.name);
    if here == Some(device.netns) { name.into_owned() } else { format!("{name} in netns {}", device.netns) }
}

fn write_tap(judged: &JudgedTap, report: &TapReport, color: bool, out: &mut dyn Write) -> io::Result<()> {
    let JudgedTap { tap, judgement } = judged;
    let here = report.here;
    let emphasis =
        if judgement.verdict == TapVerdict::Offending { Emphasis::Bad } else { Emphasis::Doubtful };
    writeln!(out, "{}", emphasize(&title(tap, here), emphasis, color))?;
    let mut field = |name: &str, text: &str| write!(out, "{}", wrap(&format!("  {name:<6}"), text));
    field("why", &format!("it {}", judgement.reason))?;
    for note in met_by(&judgement.harms, report).iter().chain(&judgement.notes) {
        field("note", note)?;
    }
    if let Some(program) = &judgement.program {
        field("for", &harmless(&format!("{}: {}", program.name, program.purpose)))?;
    }
    for (index, remedy) in judgement.remedies.iter().enumerate() {
        let name = match (remedy.enough, index) {
            (Enough::Yes, 0) => "cure",
            (Enough::Yes, _) => "or",
            (Enough::Perhaps | Enough::No, _) => "step",
        };
        field(name, &harmless(&sentence(remedy)))?;
    }
    for holder in &tap.holders {
        field("who", &holder_line(holder))?;
    }
    if tap.holders.is_empty() {
        field("who", "no process in sight")?;
    }
    field("tap", &tap_line(tap))
}

/// "dhclient (pid 812) on v0", as short as it can be.
///
/// The namespace is named unless it is the one the question came from.
pub(crate) fn title(tap: &Tap, here: Option<u32>) -> String {
    let who = tap.holder();
    let who = who.as_deref().map_or("an unseen process".into(), harmless);
    let place = place(&tap.binding);
    if here == Some(tap.netns.inum) {
        return format!("{who} on {place}");
    }
    let netns = tap.netns.name.as_deref().map_or(tap.netns.inum.to_string().into(), harmless);
    format!("{who} on {place} in netns {netns}")
}

fn place(binding: &Binding) -> String {
    match binding {
        Binding::Any => "all devices".to_owned(),
        Binding::Device { name: Some(name), .. } => harmless(name).into_owned(),
        Binding::Device { ifindex, name: None } => format!("device {ifindex}"),
        Binding::Gone => "a removed device".to_owned(),
    }
}

fn holder_line(holder: &Holder) -> String {
    let process = &holder.process;
    let mut parts = vec![format!("pid {}", process.pid)];
    parts.push(
        process.exe.as_deref().map_or(format!("({})", harmless(&process.comm)), |exe| harmless(exe).into()),
    );
    parts.extend(holder.fd.map(|fd| format!("fd {fd}")));
    parts.extend(process.unit.as_deref().map(|unit| format!("unit {}", harmless(unit))));
    parts.extend(process.container.as_deref().map(|id| {
        let id = id.get(..12).filter(|_| id.len() == 64).unwrap_or(id);
        format!("container {}", harmless(id))
    }));
    parts.extend(process.pod.as_deref().map(|pod| format!("pod {}", harmless(pod))));
    parts.extend(process.uid.filter(|uid| *uid != 0).map(|uid| format!("uid {uid}")));
    parts.extend(holder.age.map(|running| format!("running for {}", age(running))));
    parts.join(", ")
}

fn tap_line(tap: &Tap) -> String {
    let mut parts = vec![format!("inode {}", tap.inode)];
    parts.push(match tap.socket_type {
        PacketSocketType::Raw => "SOCK_RAW".to_owned(),
        PacketSocketType::Dgram => "SOCK_DGRAM".to_owned(),
        PacketSocketType::Packet => "SOCK_PACKET".to_owned(),
        PacketSocketType::Other(number) => format!("type {number}"),
    });
    parts.push(tap.protocol.to_string());
    if let Fanout::Member(group) = tap.fanout {
        parts.push(format!("fanout group {} ({})", group.id, group.mode_name().unwrap_or("unknown mode")));
    }
    parts.extend((tap.ring == Some(true)).then(|| "ring".to_owned()));
    parts.extend((tap.promiscuous == Some(true)).then(|| "promiscuous".to_owned()));
    parts.push(format!("network namespace {}", tap.netns.inum));
    parts.join(", ")
}

#[cfg(test)]
pub(crate) mod tests;
