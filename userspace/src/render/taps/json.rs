//! Taps as JSON: the mirror of the model that scripts rely on.
//!
//! No key is ever left out; what is not known is `null`.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::ser::Formatter;

use crate::{
    model::tap::{Binding, Fanout, FanoutGroup, Holder, JudgedTap, PacketSocketType, TapReport, TapVerdict},
    render::lines::is_dangerous,
};

/// Rises with every change that could break a reader.
const SCHEMA: u32 = 1;

/// The whole report.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct TapsJson<'a> {
    schema: u32,
    kernel: Option<&'a str>,
    complete: bool,
    missing: &'a [String],
    /// How many there are of each kind, shown or not.
    counts: CountsJson,
    taps: Vec<TapJson<'a>>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct CountsJson {
    offending: usize,
    unknown: usize,
    harmless: usize,
}

/// One tap, here and wherever else a tap is named.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TapJson<'a> {
    inode: u64,
    holders: Vec<HolderJson<'a>>,
    netns: NetnsJson<'a>,
    /// 0 for all devices, -1 for a device that has been removed.
    ifindex: i64,
    ifname: Option<&'a str>,
    protocol: String,
    socket_type: &'static str,
    running: bool,
    /// The socket's own option; a member of a fanout group has the one of the group besides.
    ignore_outgoing: Option<bool>,
    fanout: Option<FanoutJson>,
    ring: Option<bool>,
    filter: Option<bool>,
    uid: Option<u32>,
    #[schemars(extend("enum" = ["offending", "unknown", "harmless"]))]
    verdict: &'static str,
    reason: &'a str,
    remedies: &'a [String],
    notes: &'a [String],
}

#[derive(Debug, Serialize, JsonSchema)]
struct HolderJson<'a> {
    pid: u32,
    comm: &'a str,
    exe: Option<&'a str>,
    fd: u32,
    unit: Option<&'a str>,
    container: Option<&'a str>,
    pod: Option<&'a str>,
    uid: Option<u32>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct NetnsJson<'a> {
    inum: u32,
    name: Option<&'a str>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct FanoutJson {
    id: u16,
    mode: Option<&'static str>,
    /// Whether the group has the flag; old kernels do not obey it.
    ignore_outgoing: Option<bool>,
}

impl<'a> From<&'a JudgedTap> for TapJson<'a> {
    fn from(judged: &'a JudgedTap) -> Self {
        let JudgedTap { tap, judgement } = judged;
        let (ifindex, ifname) = match &tap.binding {
            Binding::Any => (0, None),
            Binding::Device { ifindex, name } => (i64::from(*ifindex), name.as_deref()),
            Binding::Gone => (-1, None),
        };
        Self {
            inode: tap.inode,
            holders: tap.holders.iter().map(HolderJson::from).collect(),
            netns: NetnsJson { inum: tap.netns.inum, name: tap.netns.name.as_deref() },
            ifindex,
            ifname,
            protocol: tap.protocol.to_string(),
            socket_type: match tap.socket_type {
                PacketSocketType::Raw => "raw",
                PacketSocketType::Dgram => "dgram",
                PacketSocketType::Packet => "packet",
                PacketSocketType::Other(_) => "other",
            },
            running: tap.running,
            ignore_outgoing: tap.ignore_outgoing,
            fanout: match tap.fanout {
                Fanout::Member(group) => Some(group.into()),
                Fanout::None | Fanout::Unknown => None,
            },
            ring: tap.ring,
            filter: tap.filter,
            uid: tap.uid,
            verdict: match judgement.verdict {
                TapVerdict::Offending => "offending",
                TapVerdict::Unknown => "unknown",
                TapVerdict::Harmless => "harmless",
            },
            reason: &judgement.reason,
            remedies: &judgement.remedies,
            notes: &judgement.notes,
        }
    }
}

impl<'a> From<&'a Holder> for HolderJson<'a> {
    fn from(holder: &'a Holder) -> Self {
        let process = &holder.process;
        Self {
            pid: process.pid,
            comm: &process.comm,
            exe: process.exe.as_deref(),
            fd: holder.fd,
            unit: process.unit.as_deref(),
            container: process.container.as_deref(),
            pod: process.pod.as_deref(),
            uid: process.uid,
        }
    }
}

impl From<FanoutGroup> for FanoutJson {
    fn from(group: FanoutGroup) -> Self {
        Self { id: group.id, mode: group.mode_name(), ignore_outgoing: group.flag }
    }
}

/// Writes the report as one line; without `all` the harmless taps are left out.
///
/// # Errors
/// The output cannot be written to.
pub fn write_json(report: &TapReport, all: bool, out: &mut dyn Write) -> io::Result<()> {
    let shown = report.taps.iter().filter(|tap| all || tap.judgement.verdict != TapVerdict::Harmless);
    let count = |verdict| report.taps.iter().filter(|tap| tap.judgement.verdict == verdict).count();
    let json = TapsJson {
        schema: SCHEMA,
        kernel: report.kernel.as_deref(),
        complete: report.complete,
        missing: &report.missing,
        counts: CountsJson {
            offending: count(TapVerdict::Offending),
            unknown: count(TapVerdict::Unknown),
            harmless: count(TapVerdict::Harmless),
        },
        taps: shown.map(TapJson::from).collect(),
    };
    json.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, PlainFormatter))?;
    out.write_all(b"\n")
}

/// Escapes what could move a terminal, beyond what JSON demands.
pub(crate) struct PlainFormatter;

impl Formatter for PlainFormatter {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(is_dangerous) {
            let (plain, tail) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut tail = tail.chars();
            // All dangerous characters are in the Basic Multilingual Plane: one escape is enough.
            if let Some(character) = tail.next() {
                write!(writer, "\\u{:04x}", u32::from(character))?;
            }
            rest = tail.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::write_json;
    use crate::render::taps::text::tests::{dhclient, report};

    fn written(all: bool) -> (String, Value) {
        let mut out = Vec::new();
        write_json(&report(), all, &mut out).expect("write to memory");
        let text = String::from_utf8(out).expect("JSON is UTF-8");
        let value = serde_json::from_str(&text).expect("it is JSON");
        (text, value)
    }

    #[test]
    fn every_key_is_there() {
        let (text, value) = written(true);
        assert_eq!(text.lines().count(), 1);
        assert_eq!(value["schema"], 1);
        assert_eq!(value["complete"], false);
        assert_eq!(value["counts"], json!({"offending": 1, "unknown": 1, "harmless": 1}));
        assert_eq!(
            value["taps"][0],
            json!({
                "inode": 12354,
                "holders": [{
                    "pid": 812, "comm": "dhclient", "exe": "/usr/sbin/dhclient", "fd": 7,
                    "unit": "ifup@v0.service", "container": null, "pod": null, "uid": 0
                }],
                "netns": {"inum": 4_026_531_840_u32, "name": null},
                "ifindex": 5, "ifname": "v0", "protocol": "ETH_P_ALL", "socket_type": "raw", "running": true,
                "ignore_outgoing": false, "fanout": null, "ring": false, "filter": true, "uid": 0,
                "verdict": "offending", "reason": "sees every packet that leaves v0",
                "remedies": dhclient().judgement.remedies, "notes": dhclient().judgement.notes,
            })
        );
    }

    #[test]
    fn harmless_taps_only_on_demand() {
        assert_eq!(written(true).1["taps"].as_array().map(Vec::len), Some(3));
        assert_eq!(written(false).1["taps"].as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn names_survive_but_cannot_move_the_terminal() {
        let (text, value) = written(true);
        assert!(!text.trim_end().chars().any(char::is_control), "{text:?}");
        assert_eq!(value["taps"][1]["holders"][0]["comm"], "evil\u{1b}[2J\u{9b}x");
    }
}
