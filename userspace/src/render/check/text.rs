//! The answer for people: first itself, then what stands in the way with the cure, then what it is made from.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use crate::{
    model::{
        cause::CauseId,
        check::{CheckReport, Limits, Obstacle, Outlook, PathDevice, Refusal, Way, WayAnswer},
        further::Enough,
        netns::Xdp,
    },
    render::{
        lines::{Emphasis, emphasize, harmless, wrap},
        remedy::sentence,
        words::{bytes, plural},
    },
};

/// Bytes of the send that the limit on pinned memory is explained with.
const EXAMPLE: u64 = 16384;

/// Writes the report; what could not be seen is left to the caller. `destination` is as the user wrote it.
///
/// # Errors
/// The output cannot be written to.
pub fn write_text(
    report: &CheckReport,
    destination: &str,
    color: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let emphasis = match report.outlook {
        Outlook::ZeroCopy => Emphasis::Good,
        Outlook::Unknown => Emphasis::Doubtful,
        Outlook::Copied => Emphasis::Bad,
    };
    let answer = wrap("", &answer(report, destination));
    writeln!(out, "{}", emphasize(answer.trim_end(), emphasis, color))?;
    writeln!(out)?;
    for way in &report.ways {
        write!(out, "{}", wrap(&format!("  {:<13}", way.way.name()), &way_line(way)))?;
    }
    for obstacle in &report.obstacles {
        writeln!(out)?;
        write_obstacle(obstacle, report, color, out)?;
    }
    writeln!(out)?;
    let ipv6 = report.destination.is_some_and(|destination| destination.is_ipv6());
    for (index, hop) in report.path.iter().enumerate() {
        let head = if index == 0 { "path" } else { "then" };
        write!(out, "{}", wrap(&format!("  {head:<9}"), &hop_line(hop, ipv6)))?;
    }
    for (index, line) in limit_lines(report.limits).iter().enumerate() {
        let head = if index == 0 { "limits" } else { "" };
        write!(out, "{}", wrap(&format!("  {head:<9}"), line))?;
    }
    write!(
        out,
        "{}",
        wrap(
            "  not seen ",
            "BPF programs that redirect (tcx, XDP, cgroup), limits of drivers, and what the \
             application does: MSG_MORE, transmit timestamps, TLS, MD5, IP options or IP_MULTICAST_LOOP on its socket"
        )
    )
}

/// The answer in a line.
fn answer(report: &CheckReport, destination: &str) -> String {
    let to = harmless(destination);
    let with = |outlook| {
        let ways =
            report.ways.iter().filter(move |way| way.supported != Some(false) && way.outlook == outlook);
        ways.map(|way| way.way.name()).collect::<Vec<_>>().join(", ")
    };
    let (free, copied, unknown) = (with(Outlook::ZeroCopy), with(Outlook::Copied), with(Outlook::Unknown));
    let first =
        report.obstacles.iter().find(|obstacle| obstacle.certain || report.outlook == Outlook::Unknown);
    let because = first.map_or(String::new(), |obstacle| format!(": {}", title(obstacle)));
    let refused = report.ways.iter().filter(|way| way.refusal.is_some()).map(|way| way.way.name());
    let refused = refused.collect::<Vec<_>>().join(", ");
    match (free.is_empty(), copied.is_empty(), unknown.is_empty()) {
        (true, true, true) if !refused.is_empty() => {
            format!("There can be no MSG_ZEROCOPY sends {to} by {refused}")
        }
        _ if !refused.is_empty() => parts(
            &to,
            &[(copied, "copied"), (unknown, "not to be told"), (free, "zero-copy"), (refused, "impossible")],
            &because,
        ),
        (false, true, true) => format!("MSG_ZEROCOPY sends {to} will be zero-copy"),
        (true, false, true) => format!("MSG_ZEROCOPY sends {to} will be copied{because}"),
        (true, true, _) => {
            format!("It cannot be told whether MSG_ZEROCOPY sends {to} will be copied{because}")
        }
        _ => parts(&to, &[(copied, "copied"), (unknown, "not to be told"), (free, "zero-copy")], &because),
    }
}

/// What becomes of each way of sending, by what becomes of it.
fn parts(to: &str, outlooks: &[(String, &str)], because: &str) -> String {
    let known = outlooks.iter().filter(|(ways, _)| !ways.is_empty());
    let parts: Vec<String> = known.map(|(ways, what)| format!("{what} for {ways}")).collect();
    format!("MSG_ZEROCOPY sends {to}: {}{because}", parts.join("; "))
}

fn way_line(answer: &WayAnswer) -> String {
    match answer.refusal {
        Some(Refusal::Group) => return "TCP cannot send to a group or to all hosts of a link".to_owned(),
        Some(Refusal::TooLong { most }) => {
            return format!("a datagram has at most {most} bytes: such sends fail (EMSGSIZE)");
        }
        None => {}
    }
    if answer.supported == Some(false) {
        return "this kernel cannot send so with zero copy".to_owned();
    }
    let mut line = match (answer.outlook, answer.reported) {
        (Outlook::ZeroCopy, _) => "zero-copy".to_owned(),
        (Outlook::Unknown, _) => "cannot be told".to_owned(),
        (Outlook::Copied, Outlook::Copied) => "copied".to_owned(),
        (Outlook::Copied, Outlook::ZeroCopy) => {
            "copied, though the kernel will say that it was not".to_owned()
        }
        (Outlook::Copied, Outlook::Unknown) => {
            "copied, though the kernel may say that some was not".to_owned()
        }
    };
    if let (Outlook::ZeroCopy, Some(most)) = (answer.outlook, answer.max_bytes) {
        let _ = write!(line, " up to {most} bytes a send; larger ones are copied (upfront_frag)");
    }
    if answer.supported.is_none() {
        line += "; whether this kernel can send so at all is not known";
    }
    if answer.way.is_ring() && answer.outlook != Outlook::ZeroCopy {
        line += "; the kernel says so only if it is asked to (IORING_SEND_ZC_REPORT_USAGE)";
    }
    line
}

/// `tap_tx on d0`
fn title(obstacle: &Obstacle) -> String {
    let name = obstacle.cause.map_or(obstacle.about, CauseId::name);
    match &obstacle.device {
        Some(device) if !device.name.is_empty() => format!("{name} on {}", harmless(&device.name)),
        _ => name.to_owned(),
    }
}

fn write_obstacle(
    obstacle: &Obstacle,
    report: &CheckReport,
    color: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let emphasis = if obstacle.certain { Emphasis::Bad } else { Emphasis::Doubtful };
    let everywhere = obstacle.ways.len() == report.ways.len();
    let ways: Vec<_> = obstacle.ways.iter().copied().map(Way::name).collect();
    let ways = if everywhere { String::new() } else { format!(" ({})", ways.join(", ")) };
    let doubt = if obstacle.certain { "" } else { "perhaps " };
    writeln!(out, "{}{ways}", emphasize(&format!("{doubt}{}", title(obstacle)), emphasis, color))?;
    write!(out, "{}", wrap("  ", &harmless(&obstacle.explanation)))?;
    for (index, remedy) in obstacle.remedies.iter().enumerate() {
        let head = match (remedy.enough, index) {
            (Enough::Yes, 0) => "cure",
            (Enough::Yes, _) => "or",
            (Enough::Perhaps | Enough::No, _) => "step",
        };
        write!(out, "{}", wrap(&format!("  {head:<6}"), &harmless(&sentence(remedy))))?;
    }
    Ok(())
}

fn hop_line(hop: &PathDevice, ipv6: bool) -> String {
    let name = harmless(&hop.device.name);
    let way = if hop.comes_in { "in through" } else { "out through" };
    let mut parts = vec![harmless(hop.details.kind.as_deref().unwrap_or("device")).into_owned()];
    parts.push(format!("mtu {}", hop.details.mtu));
    match &hop.offloads {
        _ if hop.comes_in => {}
        None => parts.push("offloads unknown".to_owned()),
        Some(on) => {
            parts.push(format!("scatter-gather {}", on_off(on.gathers())));
            parts.push(format!("checksums {}", on_off(on.sums(ipv6))));
        }
    }
    match hop.details.xdp {
        Xdp::None => {}
        Xdp::Native => parts.push("native XDP".to_owned()),
        Xdp::Generic => parts.push("generic XDP".to_owned()),
        Xdp::Offloaded => parts.push("offloaded XDP".to_owned()),
        Xdp::Multiple => parts.push("several XDP programs".to_owned()),
    }
    format!("{way} {name} ({}), network namespace {}", parts.join(", "), hop.device.netns)
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn limit_lines(limits: Limits) -> Vec<String> {
    let mut lines = Vec::new();
    lines.push(match (limits.sends_of_socket(), limits.optmem_max) {
        (Some(sends), Some(optmem)) => format!(
            "{} in flight or with an unread notification on one socket, then ENOBUFS (net.core.optmem_max {optmem}); \
             sends that the kernel joins count once",
            plural(sends, "send")
        ),
        _ => "net.core.optmem_max could not be read".to_owned(),
    });
    lines.push(match (limits.ipc_lock, limits.memlock) {
        (true, _) => "pinned memory is not limited for this user (CAP_IPC_LOCK)".to_owned(),
        (false, None) => "pinned memory is not limited for this user".to_owned(),
        (false, Some(memlock)) => format!(
            "{} of pinned memory for all processes of this user (ulimit -l), then ENOBUFS: {} of {} in flight",
            bytes(memlock),
            plural(limits.sends_of_user(EXAMPLE).unwrap_or_default(), "send"),
            bytes(EXAMPLE)
        ),
    });
    lines
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::{
        check::{Offloads, Route, RouteKind, SocketSupport},
        device::DeviceId,
        netns::Device,
        remedy::Remedy,
    };

    fn way(way: Way, outlook: Outlook) -> WayAnswer {
        let max_bytes = (way == Way::Udp).then_some(1472);
        WayAnswer { way, outlook, reported: outlook, max_bytes, supported: Some(true), refusal: None }
    }

    /// A device without scatter-gather and with a name to be wary of.
    pub(crate) fn report() -> CheckReport {
        let device = DeviceId { netns: 7, ifindex: 5, name: "d\u{1b}0".to_owned() };
        let details = Device {
            ifindex: 5,
            name: device.name.clone(),
            kind: Some("dummy".to_owned()),
            mtu: 1500,
            ..Device::default()
        };
        CheckReport {
            kernel: "6.1.0".to_owned(),
            destination: Some([10, 9, 0, 2].into()),
            outlook: Outlook::Copied,
            ways: vec![way(Way::Tcp, Outlook::Copied), way(Way::Udp, Outlook::Copied)],
            obstacles: vec![Obstacle {
                cause: Some(CauseId::NoSg),
                about: "",
                device: Some(device.clone()),
                ways: vec![Way::Tcp, Way::Udp],
                certain: true,
                reported: Outlook::Copied,
                explanation: "d\u{1b}0 lacks scatter-gather.".to_owned(),
                remedies: vec![Remedy::written("turn it on")],
                taps: Vec::new(),
            }],
            route: Some(Route {
                kind: RouteKind::Unicast,
                ifindex: 5,
                source: Some([10, 9, 0, 1].into()),
                gateway: None,
                mtu: None,
                encapsulated: false,
            }),
            path: vec![PathDevice {
                device,
                comes_in: false,
                details,
                offloads: Some(Offloads(["tx-checksum-ip-generic".to_owned()].into())),
            }],
            limits: Limits { optmem_max: Some(20480), per_send: 768, memlock: None, ipc_lock: false },
            sockets: vec![SocketSupport { kind: "tcp", refusal: None }],
            taps: Vec::new(),
            missing: Vec::new(),
        }
    }

    fn text(report: &CheckReport) -> String {
        let mut out = Vec::new();
        write_text(report, "to host.example", false, &mut out).expect("write to memory");
        String::from_utf8(out).expect("text is UTF-8")
    }

    #[test]
    fn the_answer_comes_first_and_the_cure_with_it() {
        let text = text(&report());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "MSG_ZEROCOPY sends to host.example will be copied: no_sg on d\\u{1b}0");
        assert!(text.contains("  cure  turn it on\n"), "{text}");
        assert!(text.contains("26 sends in flight"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn ways_that_differ_are_told_apart() {
        let mut report = report();
        report.ways[0].outlook = Outlook::ZeroCopy;
        report.obstacles[0].ways = vec![Way::Udp];
        let told = text(&report);
        assert!(
            told.starts_with("MSG_ZEROCOPY sends to host.example: copied for udp; zero-copy for tcp: no_sg"),
            "{told}"
        );
        assert!(told.contains("no_sg on d\\u{1b}0 (udp)"), "{told}");
        report.ways[1].outlook = Outlook::Unknown;
        report.outlook = Outlook::Unknown;
        report.obstacles[0].certain = false;
        let told = text(&report);
        assert!(told.contains("not to be told for udp") && told.contains("perhaps no_sg"), "{told}");
    }

    #[test]
    fn sends_that_there_cannot_be_are_told_apart() {
        let mut report = report();
        report.obstacles.clear();
        report.ways[0] = WayAnswer {
            supported: Some(false),
            refusal: Some(Refusal::Group),
            ..way(Way::Tcp, Outlook::Unknown)
        };
        report.ways[1].outlook = Outlook::ZeroCopy;
        let told = text(&report);
        assert!(
            told.starts_with("MSG_ZEROCOPY sends to host.example: zero-copy for udp; impossible for tcp\n"),
            "{told}"
        );
        report.ways.truncate(1);
        let told = text(&report);
        assert!(told.starts_with("There can be no MSG_ZEROCOPY sends to host.example by tcp\n"), "{told}");
        assert!(told.contains("TCP cannot send to a group"), "{told}");
    }

    #[test]
    fn zero_copy_has_its_limit_said() {
        let mut report = report();
        report.outlook = Outlook::ZeroCopy;
        report.obstacles.clear();
        report.ways.iter_mut().for_each(|way| way.outlook = Outlook::ZeroCopy);
        let text = text(&report);
        assert!(text.starts_with("MSG_ZEROCOPY sends to host.example will be zero-copy\n"), "{text}");
        assert!(text.contains("up to 1472 bytes a send"), "{text}");
    }
}
