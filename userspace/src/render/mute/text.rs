//! What was done for people: a paragraph for each tap, then what else makes sends copy there.

use std::{
    io::{self, Write},
    path::Path,
};

use crate::{
    model::{
        mute::{MuteAction, MuteOutcome, MuteReport, MuteResult},
        program::KnownProgram,
        tap::{Fanout, Tap},
    },
    render::{
        lines::{Emphasis, emphasize, harmless, wrap},
        taps::{title, write_besides, write_changes},
    },
};

/// Writes what was done, would be done or was left alone; refusals are for [`write_refusals`].
///
/// # Errors
/// The output cannot be written to.
pub fn write_text(report: &MuteReport, color: bool, out: &mut dyn Write) -> io::Result<()> {
    let mut first = true;
    for result in &report.results {
        let Some((head, emphasis)) = head(result, report.action) else { continue };
        if !std::mem::take(&mut first) {
            writeln!(out)?;
        }
        let line = wrap("", &format!("{head}: {}", name(result, report.here)));
        writeln!(out, "{}", emphasize(line.trim_end(), emphasis, color))?;
        write_fields(result, out)?;
    }
    if report.remaining.is_empty() && report.cure.also.is_empty() {
        return Ok(());
    }
    if !first {
        writeln!(out)?;
    }
    if report.remaining.is_empty() {
        return write_besides(&report.cure, out);
    }
    let others: Vec<_> = report.remaining.iter().map(|judged| title(&judged.tap, report.here)).collect();
    let verb = if report.dry_run { "would still be" } else { "are still" };
    let line =
        format!("Sends there {verb} copied because of {}. All of this is needed as well:", others.join(", "));
    writeln!(out, "{}", emphasize(wrap("", &line).trim_end(), Emphasis::Doubtful, color))?;
    write_changes(&report.cure, out)?;
    write_besides(&report.cure, out)
}

/// Writes what could not be done, why, and what to do instead.
///
/// # Errors
/// The output cannot be written to.
pub fn write_refusals(report: &MuteReport, err: &mut dyn Write) -> io::Result<()> {
    for result in &report.results {
        let MuteOutcome::Refused(refusal) = &result.outcome else { continue };
        writeln!(err, "zcdiag: not {}d: {}", report.action.name(), name(result, report.here))?;
        write!(err, "{}", wrap("  why   ", &harmless(&refusal.why)))?;
        write!(err, "{}", wrap("  cure  ", &harmless(&refusal.instead)))?;
    }
    Ok(())
}

/// Writes that a program stands in the file of those that are to be muted, what it loses, and who does it.
///
/// # Errors
/// The output cannot be written to.
pub fn write_kept(
    (whom, devices): (&str, &[String]),
    file: &Path,
    is_new: bool,
    known: Option<&KnownProgram>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (whom, file) = (harmless(whom), file.display().to_string());
    let head = if is_new { "written to" } else { "already in" };
    writeln!(out, "{head} {}: {whom}", harmless(&file))?;
    let mut field = |name: &str, text: &str| write!(out, "{}", wrap(&format!("  {name:<6}"), text));
    let bound = if devices.is_empty() {
        String::new()
    } else {
        format!(" that are bound to {}", harmless(&devices.join(", ")))
    };
    field(
        "now",
        &format!(
            "its taps{bound} are muted whenever they open, by zcdiag-mute.service, if they can be; from then on no send is copied \
             for them on its way out"
        ),
    )?;
    field(
        "note",
        &match known {
            Some(program) => {
                format!("{} loses nothing that is known of when it is muted", harmless(&program.name))
            }
            None => "zcdiag does not know this program: it no longer sees what this host sends".to_owned(),
        },
    )?;
    if is_new {
        field(
            "next",
            "systemctl enable --now zcdiag-mute; where it runs already: systemctl reload zcdiag-mute",
        )?;
        field("undo", "take the entry out of the file, and reload")?;
    }
    Ok(())
}

/// What became of one tap in one line, as a service says it.
pub fn line(action: MuteAction, result: &MuteResult, here: Option<u32>) -> String {
    let name = name(result, here);
    match (&result.outcome, head(result, action)) {
        (MuteOutcome::LeftAlone { why, .. }, Some((head, _))) => {
            let instead = all_the_same(result).map_or(String::new(), |instead| format!("; {instead}"));
            format!("{head}: {name}: it {}", harmless(&format!("{why}{instead}")))
        }
        (MuteOutcome::Refused(refusal), _) => {
            let reason = format!("{}; {}", refusal.why, refusal.instead);
            format!("not {}d: {name}: {}", action.name(), harmless(&reason))
        }
        (_, Some((head, _))) => format!("{head}: {name}"),
        (_, None) => name,
    }
}

/// "dhclient (pid 812) on v0, inode 12354", or the target if there is no such tap.
fn name(result: &MuteResult, here: Option<u32>) -> String {
    match &result.tap {
        Some(judged) => format!("{}, inode {}", title(&judged.tap, here), judged.tap.inode),
        None => result.target.to_string(),
    }
}

fn head(result: &MuteResult, action: MuteAction) -> Option<(&'static str, Emphasis)> {
    let mute = action == MuteAction::Mute;
    Some(match result.outcome {
        MuteOutcome::Done { .. } => (if mute { "muted" } else { "unmuted" }, Emphasis::Good),
        MuteOutcome::WouldDo => (if mute { "would mute" } else { "would unmute" }, Emphasis::Doubtful),
        MuteOutcome::Already => (if mute { "already muted" } else { "not muted anyway" }, Emphasis::Good),
        MuteOutcome::LeftAlone { .. } => ("left alone", Emphasis::Heading),
        MuteOutcome::Refused(_) => return None,
    })
}

fn write_fields(result: &MuteResult, out: &mut dyn Write) -> io::Result<()> {
    let mut field =
        |name: &str, text: &str| write!(out, "{}", wrap(&format!("  {name:<6}"), &harmless(text)));
    match (&result.outcome, &result.tap) {
        (MuteOutcome::LeftAlone { why, .. }, _) => field("why", &format!("it {why}"))?,
        (_, Some(judged)) => {
            field("now", &format!("{}: it {}", option(&judged.tap), judged.judgement.reason))?;
        }
        (_, None) => {}
    }
    for note in result.notes.iter().chain(&all_the_same(result)) {
        field("note", note)?;
    }
    if let MuteOutcome::Done { undo } = result.outcome {
        field("undo", &undo.to_string())?;
    }
    Ok(())
}

/// What changes a tap that was left alone.
pub(super) fn all_the_same(result: &MuteResult) -> Option<String> {
    let MuteOutcome::LeftAlone { instead: Some(change), .. } = &result.outcome else { return None };
    Some(format!("`{change}` clears it all the same"))
}

/// What was read from the socket.
fn option(tap: &Tap) -> String {
    let name =
        if matches!(tap.fanout, Fanout::Member(_)) { "its own option" } else { "PACKET_IGNORE_OUTGOING" };
    match tap.ignore_outgoing {
        Some(value) => format!("{name} reads {}", u8::from(value)),
        None => format!("{name} could not be read"),
    }
}

#[cfg(test)]
pub(crate) mod tests;
