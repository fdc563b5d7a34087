//! The answer as JSON, with names that scripts rely on.
//!
//! No key is ever left out; what is not known is `null`.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    model::{
        cause::CauseId,
        check::{CheckReport, Obstacle, Outlook, PathDevice, Route, RouteKind, Way, WayAnswer},
        device::DeviceId,
        netns::Xdp,
    },
    render::{
        json::{SCHEMA, line},
        remedy::sentences,
        taps::json::TapJson,
    },
};

/// What will become of sends to a destination.
#[derive(Serialize, JsonSchema)]
pub(crate) struct CheckJson<'a> {
    schema: u32,
    kernel: &'a str,
    destination: Option<String>,
    #[schemars(extend("enum" = Outlook::ALL.map(Outlook::name)))]
    verdict: &'static str,
    transports: Vec<TransportJson>,
    obstacles: Vec<ObstacleJson<'a>>,
    route: Option<RouteJson>,
    path: Vec<PathJson<'a>>,
    limits: LimitsJson,
    sockets: Vec<SocketJson<'a>>,
    taps: Vec<TapJson<'a>>,
    missing: &'a [String],
}

#[derive(Serialize, JsonSchema)]
struct TransportJson {
    #[schemars(extend("enum" = Way::ALL.map(Way::name)))]
    transport: &'static str,
    #[schemars(extend("enum" = Outlook::ALL.map(Outlook::name)))]
    verdict: &'static str,
    /// What the completions will say.
    #[schemars(extend("enum" = Outlook::ALL.map(Outlook::name)))]
    reported: &'static str,
    /// Larger sends are copied.
    max_bytes: Option<u32>,
    /// Whether there can be such sends at all, by this kernel, to such an address and of so many bytes.
    supported: Option<bool>,
}

#[derive(Serialize, JsonSchema)]
struct ObstacleJson<'a> {
    /// `null` if it is not known whether there will be copies.
    cause: Option<CauseId>,
    certain: bool,
    #[schemars(extend("enum" = Outlook::ALL.map(Outlook::name)))]
    reported: &'static str,
    transports: Vec<&'static str>,
    device: Option<DeviceJson<'a>>,
    taps: &'a [u64],
    explanation: &'a str,
    remedies: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct DeviceJson<'a> {
    ifindex: u32,
    name: &'a str,
    netns: u32,
}

#[derive(Serialize, JsonSchema)]
struct RouteJson {
    #[serde(rename = "type")]
    kind: RouteWord,
    ifindex: u32,
    source: Option<String>,
    gateway: Option<String>,
    mtu: Option<u32>,
}

#[derive(Serialize, JsonSchema)]
struct PathJson<'a> {
    device: DeviceJson<'a>,
    direction: Direction,
    kind: Option<&'a str>,
    mtu: u32,
    xdp: XdpWord,
    scatter_gather: Option<bool>,
    checksum: Option<bool>,
    offloads: Option<Vec<&'a str>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum RouteWord {
    Unicast,
    Local,
    Broadcast,
    Multicast,
    Other,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Direction {
    In,
    Out,
}

/// How an XDP program is attached.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum XdpWord {
    None,
    Native,
    Generic,
    Offloaded,
    Multiple,
}

#[derive(Serialize, JsonSchema)]
struct LimitsJson {
    optmem_max: Option<u64>,
    /// Sends in flight that one socket may have.
    sends_of_socket: Option<u64>,
    /// Bytes that all processes of the user may pin; `null` for no limit.
    memlock: Option<u64>,
    ipc_lock: bool,
}

#[derive(Serialize, JsonSchema)]
struct SocketJson<'a> {
    kind: &'static str,
    zerocopy: bool,
    error: Option<&'a str>,
}

impl<'a> From<&'a DeviceId> for DeviceJson<'a> {
    fn from(device: &'a DeviceId) -> Self {
        Self { ifindex: device.ifindex, name: &device.name, netns: device.netns }
    }
}

impl From<&WayAnswer> for TransportJson {
    fn from(answer: &WayAnswer) -> Self {
        Self {
            transport: answer.way.name(),
            verdict: answer.outlook.name(),
            reported: answer.reported.name(),
            max_bytes: answer.max_bytes,
            supported: answer.supported,
        }
    }
}

impl<'a> From<&'a Obstacle> for ObstacleJson<'a> {
    fn from(obstacle: &'a Obstacle) -> Self {
        Self {
            cause: obstacle.cause,
            certain: obstacle.certain,
            reported: Outlook::name(obstacle.reported),
            transports: obstacle.ways.iter().copied().map(Way::name).collect(),
            device: obstacle.device.as_ref().map(DeviceJson::from),
            taps: &obstacle.taps,
            explanation: &obstacle.explanation,
            remedies: sentences(&obstacle.remedies),
        }
    }
}

impl From<Route> for RouteJson {
    fn from(route: Route) -> Self {
        Self {
            kind: match route.kind {
                RouteKind::Unicast => RouteWord::Unicast,
                RouteKind::Local => RouteWord::Local,
                RouteKind::Broadcast => RouteWord::Broadcast,
                RouteKind::Multicast { .. } => RouteWord::Multicast,
                RouteKind::Other(_) => RouteWord::Other,
            },
            ifindex: route.ifindex,
            source: route.source.map(|source| source.to_string()),
            gateway: route.gateway.map(|gateway| gateway.to_string()),
            mtu: route.mtu,
        }
    }
}

impl<'a> PathJson<'a> {
    fn new(hop: &'a PathDevice, ipv6: bool) -> Self {
        let on = hop.offloads.as_ref();
        Self {
            device: DeviceJson::from(&hop.device),
            direction: if hop.comes_in { Direction::In } else { Direction::Out },
            kind: hop.details.kind.as_deref(),
            mtu: hop.details.mtu,
            xdp: match hop.details.xdp {
                Xdp::None => XdpWord::None,
                Xdp::Native => XdpWord::Native,
                Xdp::Generic => XdpWord::Generic,
                Xdp::Offloaded => XdpWord::Offloaded,
                Xdp::Multiple => XdpWord::Multiple,
            },
            scatter_gather: on.map(crate::model::check::Offloads::gathers),
            checksum: on.map(|on| on.sums(ipv6)),
            offloads: on.map(|on| on.0.iter().map(String::as_str).collect()),
        }
    }
}

/// Writes the report as one line.
///
/// # Errors
/// The output cannot be written to.
pub fn write_json(report: &CheckReport, out: &mut dyn Write) -> io::Result<()> {
    let ipv6 = report.destination.is_some_and(|destination| destination.is_ipv6());
    let json = CheckJson {
        schema: SCHEMA,
        kernel: &report.kernel,
        destination: report.destination.map(|destination| destination.to_string()),
        verdict: report.outlook.name(),
        transports: report.ways.iter().map(TransportJson::from).collect(),
        obstacles: report.obstacles.iter().map(ObstacleJson::from).collect(),
        route: report.route.map(RouteJson::from),
        path: report.path.iter().map(|hop| PathJson::new(hop, ipv6)).collect(),
        limits: LimitsJson {
            optmem_max: report.limits.optmem_max,
            sends_of_socket: report.limits.sends_of_socket(),
            memlock: report.limits.memlock,
            ipc_lock: report.limits.ipc_lock,
        },
        sockets: report
            .sockets
            .iter()
            .map(|socket| SocketJson {
                kind: socket.kind,
                zerocopy: socket.refusal.is_none(),
                error: socket.refusal.as_deref(),
            })
            .collect(),
        taps: report.taps.iter().map(TapJson::from).collect(),
        missing: &report.missing,
    };
    line(out, &json)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::render::{check::text::tests::report, schema::tests::document};

    #[test]
    fn every_key_is_there() {
        let mut out = Vec::new();
        write_json(&report(), &mut out).expect("write to memory");
        let value = document("check.schema.json", &out);
        assert_eq!(
            (&value["schema"], &value["verdict"], &value["destination"]),
            (&json!(1), &json!("copied"), &json!("10.9.0.2"))
        );
        assert_eq!(
            value["transports"][1],
            json!({"transport": "udp", "verdict": "copied", "reported": "copied", "max_bytes": 1472, "supported": true})
        );
        assert_eq!(
            value["obstacles"][0],
            json!({
                "cause": "no_sg", "certain": true, "reported": "copied", "transports": ["tcp", "udp"],
                "device": {"ifindex": 5, "name": "d\u{1b}0", "netns": 7}, "taps": [],
                "explanation": "d\u{1b}0 lacks scatter-gather.", "remedies": ["turn it on"],
            })
        );
        assert_eq!(
            value["path"][0],
            json!({
                "device": {"ifindex": 5, "name": "d\u{1b}0", "netns": 7}, "direction": "out", "kind": "dummy",
                "mtu": 1500, "xdp": "none", "scatter_gather": false, "checksum": true,
                "offloads": ["tx-checksum-ip-generic"],
            })
        );
        assert_eq!(
            value["limits"],
            json!({"optmem_max": 20480, "sends_of_socket": 26, "memlock": null, "ipc_lock": false})
        );
        assert_eq!(value["sockets"][0], json!({"kind": "tcp", "zerocopy": true, "error": null}));
        assert_eq!(
            value["route"],
            json!({"type": "unicast", "ifindex": 5, "source": "10.9.0.1", "gateway": null, "mtu": null})
        );
    }
}
