//! Taps as JSON: the mirror of the model that scripts rely on.
//!
//! No key is ever left out; what is not known is `null`.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    model::{
        cause::CauseId,
        cure::{Cure, OtherChange},
        device::DeviceId,
        further::{Further, Grounds},
        handler::JudgedHandler,
        inventory::TapReport,
        netns::Netns,
        path::{DevicePath, Hop, Passage},
        program::KnownProgram,
        tap::{Binding, Fanout, FanoutGroup, Harm, Holder, JudgedTap, PacketSocketType, TapVerdict},
    },
    render::{
        json::{SCHEMA, line},
        remedy::sentences,
    },
};

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
    /// Handlers of other origin that are given every packet.
    handlers: Vec<HandlerJson<'a>>,
    /// The devices that sends through the one asked for meet; `null` if none was asked for.
    path: Option<Vec<HopJson<'a>>>,
    /// Where that path could not be followed.
    path_lost: Option<Vec<&'a str>>,
    /// What has to be changed for these sends to be zero-copy.
    cure: Option<CureJson<'a>>,
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
    promiscuous: Option<bool>,
    uid: Option<u32>,
    #[schemars(extend("enum" = ["offending", "unknown", "harmless"]))]
    verdict: &'static str,
    reason: &'a str,
    remedies: Vec<String>,
    notes: &'a [String],
    /// What is known of the program that holds it.
    program: Option<ProgramJson<'a>>,
    /// Sends of which devices meet it on their way: where, and whether they are copied for it.
    harms: Vec<HarmJson<'a>>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ProgramJson<'a> {
    name: &'a str,
    purpose: &'a str,
    harmless_since: Option<&'a str>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct HarmJson<'a> {
    from: DeviceJson<'a>,
    at: HopJson<'a>,
    verdict: &'static str,
}

#[derive(Debug, Serialize, JsonSchema)]
struct HopJson<'a> {
    device: DeviceJson<'a>,
    /// `out` or `in`.
    passage: &'static str,
    /// Whether every packet comes there.
    certain: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DeviceJson<'a> {
    netns: u32,
    ifindex: u32,
    name: &'a str,
}

#[derive(Debug, Serialize, JsonSchema)]
struct HandlerJson<'a> {
    function: &'a str,
    module: Option<&'a str>,
    /// `null` if several namespaces list it.
    netns: Option<NetnsJson<'a>>,
    ifindex: i64,
    ifname: Option<&'a str>,
    verdict: &'static str,
    reason: &'a str,
    remedies: &'a [String],
}

/// What has to be changed, all of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CureJson<'a> {
    mute: &'a [u64],
    command: Option<String>,
    others: Vec<ChangeJson<'a>>,
    doubtful: &'a [u64],
    /// Whether all of it brings zero copy back; `null` if that could not be told.
    enough: Option<bool>,
    /// What copies all the same, or may.
    also: Vec<FurtherJson<'a>>,
}

/// Another copy of the same sends.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct FurtherJson<'a> {
    cause: CauseId,
    device: AtJson<'a>,
    /// Inodes of the packet sockets that it is made for.
    taps: &'a [u64],
    /// Whether all these sends meet it.
    certain: bool,
    /// So many of these packets were copied again there; `null` if that was not seen.
    packets: Option<u64>,
}

/// The device on which something is copied.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AtJson<'a> {
    ifindex: u32,
    name: Option<&'a str>,
    netns: u32,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ChangeJson<'a> {
    taps: &'a [u64],
    what: &'a str,
}

#[derive(Debug, Serialize, JsonSchema)]
struct HolderJson<'a> {
    pid: u32,
    comm: &'a str,
    exe: Option<&'a str>,
    fd: Option<u32>,
    unit: Option<&'a str>,
    container: Option<&'a str>,
    pod: Option<&'a str>,
    uid: Option<u32>,
    /// How long it has been running.
    age_seconds: Option<f64>,
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
        let (ifindex, ifname) = bound(&tap.binding);
        Self {
            inode: tap.inode,
            holders: tap.holders.iter().map(HolderJson::from).collect(),
            netns: (&tap.netns).into(),
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
            promiscuous: tap.promiscuous,
            uid: tap.uid,
            verdict: word(judgement.verdict),
            reason: &judgement.reason,
            remedies: sentences(&judgement.remedies),
            notes: &judgement.notes,
            program: judgement.program.as_ref().map(ProgramJson::from),
            harms: judgement.harms.iter().map(HarmJson::from).collect(),
        }
    }
}

fn word(verdict: TapVerdict) -> &'static str {
    match verdict {
        TapVerdict::Offending => "offending",
        TapVerdict::Unknown => "unknown",
        TapVerdict::Harmless => "harmless",
    }
}

/// Index and name of the device.
fn bound(binding: &Binding) -> (i64, Option<&str>) {
    match binding {
        Binding::Any => (0, None),
        Binding::Device { ifindex, name } => (i64::from(*ifindex), name.as_deref()),
        Binding::Gone => (-1, None),
    }
}

impl<'a> From<&'a Netns> for NetnsJson<'a> {
    fn from(netns: &'a Netns) -> Self {
        Self { inum: netns.inum, name: netns.name.as_deref() }
    }
}

impl<'a> From<&'a KnownProgram> for ProgramJson<'a> {
    fn from(program: &'a KnownProgram) -> Self {
        Self {
            name: &program.name,
            purpose: &program.purpose,
            harmless_since: program.harmless_since.as_deref(),
        }
    }
}

impl<'a> From<&'a Harm> for HarmJson<'a> {
    fn from(harm: &'a Harm) -> Self {
        Self { from: (&harm.from).into(), at: (&harm.at).into(), verdict: word(harm.verdict) }
    }
}

impl<'a> From<&'a Hop> for HopJson<'a> {
    fn from(hop: &'a Hop) -> Self {
        let passage = if hop.passage == Passage::Out { "out" } else { "in" };
        Self { device: (&hop.device).into(), passage, certain: hop.certain }
    }
}

impl<'a> From<&'a DeviceId> for DeviceJson<'a> {
    fn from(device: &'a DeviceId) -> Self {
        Self { netns: device.netns, ifindex: device.ifindex, name: &device.name }
    }
}

impl<'a> From<&'a JudgedHandler> for HandlerJson<'a> {
    fn from(judged: &'a JudgedHandler) -> Self {
        let handler = &judged.handler;
        let (ifindex, ifname) = bound(&handler.binding);
        Self {
            function: &handler.function,
            module: handler.module.as_deref(),
            netns: handler.netns.as_ref().map(NetnsJson::from),
            ifindex,
            ifname,
            verdict: word(judged.verdict),
            reason: &judged.reason,
            remedies: &judged.remedies,
        }
    }
}

impl<'a> From<&'a Cure> for CureJson<'a> {
    fn from(cure: &'a Cure) -> Self {
        let others = cure.others.iter().map(|OtherChange { taps, what }| ChangeJson { taps, what });
        Self {
            mute: &cure.mute,
            command: cure.command(),
            others: others.collect(),
            doubtful: &cure.doubtful,
            enough: cure.enough().told(),
            also: cure.also.iter().map(FurtherJson::from).collect(),
        }
    }
}

impl<'a> From<&'a DeviceId> for AtJson<'a> {
    fn from(DeviceId { netns, ifindex, name }: &'a DeviceId) -> Self {
        Self { ifindex: *ifindex, name: (!name.is_empty()).then_some(name), netns: *netns }
    }
}

impl<'a> From<&'a Further> for FurtherJson<'a> {
    fn from(further: &'a Further) -> Self {
        Self {
            cause: further.cause,
            device: AtJson::from(&further.device),
            taps: &further.taps,
            certain: further.certain(),
            packets: match further.grounds {
                Grounds::Seen { packets } => Some(packets),
                _ => None,
            },
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
            age_seconds: holder.age.map(|age| age.as_secs_f64()),
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
        handlers: report.handlers.iter().map(HandlerJson::from).collect(),
        path: report.ways.as_deref().map(|ways| hops(ways).collect()),
        path_lost: report.ways.as_deref().map(|ways| ways.iter().flat_map(lost).collect()),
        cure: report.cure.as_ref().map(CureJson::from),
    };
    line(out, &json)
}

fn hops(ways: &[DevicePath]) -> impl Iterator<Item = HopJson<'_>> {
    ways.iter().flat_map(|way| &way.hops).map(HopJson::from)
}

fn lost(way: &DevicePath) -> impl Iterator<Item = &str> {
    way.lost.iter().map(String::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::write_json;
    use crate::{
        model::{
            cure::{Cure, OtherChange},
            device::DeviceId,
            inventory::TapReport,
            path::{DevicePath, Hop, Passage},
        },
        render::{
            remedy::sentences,
            schema::tests::document,
            taps::text::tests::{dhclient, report},
        },
    };

    fn written(all: bool) -> (String, Value) {
        let mut out = Vec::new();
        write_json(&report(), all, &mut out).expect("write to memory");
        let text = String::from_utf8(out).expect("JSON is UTF-8");
        let value = document("taps.schema.json", text.as_bytes());
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
                    "unit": "ifup@v0.service", "container": null, "pod": null, "uid": 0,
                    "age_seconds": 7200.0
                }],
                "netns": {"inum": 4_026_531_840_u32, "name": null},
                "ifindex": 5, "ifname": "v0", "protocol": "ETH_P_ALL", "socket_type": "raw", "running": true,
                "ignore_outgoing": false, "fanout": null, "ring": false, "filter": true,
                "promiscuous": false, "uid": 0,
                "verdict": "offending", "reason": "sees every packet that leaves v0",
                "remedies": sentences(&dhclient().judgement.remedies), "notes": dhclient().judgement.notes,
                "program": {
                    "name": "ISC dhclient", "purpose": "it reads the answers of DHCP servers from it",
                    "harmless_since": null
                },
                "harms": [],
            })
        );
        assert_eq!(
            value["handlers"][0],
            json!({
                "function": "spy", "module": "spymod", "netns": null, "ifindex": 0, "ifname": null,
                "verdict": "unknown", "reason": "is given every packet", "remedies": ["unload spymod"],
            })
        );
        assert_eq!(
            (&value["path"], &value["path_lost"], &value["cure"]),
            (&Value::Null, &Value::Null, &Value::Null)
        );
    }

    #[test]
    fn the_way_and_the_cure_of_one_device() {
        let device = DeviceId { netns: 1, ifindex: 5, name: "v0".to_owned() };
        let hop = Hop { device, passage: Passage::In { taken: true }, certain: false, loopback: false };
        let other = OtherChange { taps: vec![3], what: "stop it".to_owned() };
        let report = TapReport {
            ways: Some(vec![DevicePath { hops: vec![hop], lost: vec!["lost".to_owned()] }]),
            cure: Some(Cure { mute: vec![1, 2], others: vec![other], doubtful: vec![4], also: Vec::new() }),
            ..report()
        };
        let mut out = Vec::new();
        write_json(&report, true, &mut out).expect("write to memory");
        let value = document("taps.schema.json", &out);
        let device = json!({"netns": 1, "ifindex": 5, "name": "v0"});
        assert_eq!(value["path"], json!([{"device": device, "passage": "in", "certain": false}]));
        assert_eq!(value["path_lost"], json!(["lost"]));
        assert_eq!(
            value["cure"],
            json!({
                "mute": [1, 2], "command": "zcdiag mute --inode 1 --inode 2",
                "others": [{"taps": [3], "what": "stop it"}], "doubtful": [4], "enough": true, "also": [],
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
