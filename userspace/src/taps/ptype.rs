//! Handlers for all protocols that are no packet sockets, from `/proc/net/ptype` (`ptype_seq_show()`).

/// A handler as its namespace lists it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PacketHandler {
    /// The function that is given packets.
    pub(crate) function: String,
    /// The module it belongs to, unless it is built in.
    pub(crate) module: Option<String>,
    /// Name of the device it is bound to; `None` for all devices.
    pub(crate) device: Option<String>,
}

/// What gives packets to packet sockets; those are found otherwise.
const PACKET_SOCKETS: &[&str] = &["packet_rcv", "packet_rcv_fanout", "packet_rcv_spkt", "tpacket_rcv"];

/// Reads the text of `/proc/net/ptype`: the handlers for `ETH_P_ALL` of other origin than packet sockets.
///
/// A line is the type, the device if the handler is bound to one, the function, and its module in brackets.
pub(crate) fn parse(text: &str) -> Vec<PacketHandler> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<PacketHandler> {
    let mut fields: Vec<&str> = line.strip_prefix("ALL")?.split_ascii_whitespace().collect();
    let module = fields.pop_if(|field| field.starts_with('['));
    let function = fields.pop()?;
    if PACKET_SOCKETS.contains(&function) {
        return None;
    }
    Some(PacketHandler {
        function: function.to_owned(),
        module: module.map(|module| module.trim_matches(['[', ']']).to_owned()),
        device: fields.pop().map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::{PacketHandler, parse};

    #[test]
    fn only_handlers_for_all_protocols_that_are_no_packet_sockets() {
        let text = "Type Device      Function\n\
                    ALL           packet_rcv\n\
                    ALL  v0       tpacket_rcv [af_packet]\n\
                    ALL  eth0     vboxNetFltLinuxPacketHandler [vboxnetflt]\n\
                    ALL           spy [spymod]\n\
                    ALL  eth1     builtin_spy\n\
                    0800          ip_rcv\n\
                    86dd          ipv6_rcv\n\
                    ALL\n";
        let handler = |function: &str, module: Option<&str>, device: Option<&str>| PacketHandler {
            function: function.to_owned(),
            module: module.map(str::to_owned),
            device: device.map(str::to_owned),
        };
        assert_eq!(
            parse(text),
            [
                handler("vboxNetFltLinuxPacketHandler", Some("vboxnetflt"), Some("eth0")),
                handler("spy", Some("spymod"), None),
                handler("builtin_spy", None, Some("eth1")),
            ]
        );
        assert_eq!(parse(""), []);
    }
}
