//! Taps for people: the answer first, then the grounds and the cure, then what was left out.

use std::io::{self, Write};

use crate::{
    model::tap::{Binding, Fanout, Holder, JudgedTap, PacketSocketType, Tap, TapReport, TapVerdict},
    render::lines::{Emphasis, emphasize, harmless, wrap},
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
        write_tap(tap, report.here, options.color, out)?;
    }
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
    if offending.is_empty() && unknown.is_empty() {
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
    Ok(())
}

fn write_tap(judged: &JudgedTap, here: Option<u32>, color: bool, out: &mut dyn Write) -> io::Result<()> {
    let JudgedTap { tap, judgement } = judged;
    let emphasis =
        if judgement.verdict == TapVerdict::Offending { Emphasis::Bad } else { Emphasis::Doubtful };
    writeln!(out, "{}", emphasize(&title(tap, here), emphasis, color))?;
    let mut field = |name: &str, text: &str| write!(out, "{}", wrap(&format!("  {name:<6}"), text));
    field("why", &format!("it {}", judgement.reason))?;
    for note in &judgement.notes {
        field("note", note)?;
    }
    for (index, remedy) in judgement.remedies.iter().enumerate() {
        field(if index == 0 { "cure" } else { "or" }, remedy)?;
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
    let place = match &tap.binding {
        Binding::Any => "all devices".to_owned(),
        Binding::Device { name: Some(name), .. } => harmless(name).into_owned(),
        Binding::Device { ifindex, name: None } => format!("device {ifindex}"),
        Binding::Gone => "a removed device".to_owned(),
    };
    if here == Some(tap.netns.inum) {
        return format!("{who} on {place}");
    }
    let netns = tap.netns.name.as_deref().map_or(tap.netns.inum.to_string().into(), harmless);
    format!("{who} on {place} in netns {netns}")
}

fn holder_line(holder: &Holder) -> String {
    let process = &holder.process;
    let mut parts = vec![format!("pid {}", process.pid)];
    parts.push(
        process.exe.as_deref().map_or(format!("({})", harmless(&process.comm)), |exe| harmless(exe).into()),
    );
    parts.push(format!("fd {}", holder.fd));
    parts.extend(process.unit.as_deref().map(|unit| format!("unit {}", harmless(unit))));
    parts.extend(process.container.as_deref().map(|id| {
        let id = id.get(..12).filter(|_| id.len() == 64).unwrap_or(id);
        format!("container {}", harmless(id))
    }));
    parts.extend(process.pod.as_deref().map(|pod| format!("pod {}", harmless(pod))));
    parts.extend(process.uid.filter(|uid| *uid != 0).map(|uid| format!("uid {uid}")));
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
    parts.push(format!("network namespace {}", tap.netns.inum));
    parts.join(", ")
}

#[cfg(test)]
pub(crate) mod tests;
