//! Which virtual services of IPVS may send packets elsewhere. Pure.

use std::{collections::BTreeSet, net::IpAddr};

use super::{Detour, Effect, Flow, Stage};

/// What IPVS sends to real servers instead of the address that they were sent to, of its services in
/// `/proc/net/ip_vs`.
pub(crate) fn virtual_services(list: &str, flow: Flow) -> BTreeSet<Detour> {
    let mut found = BTreeSet::new();
    for line in list.lines() {
        let mut words = line.split_whitespace();
        let (kind, service) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let protocols: &[u8] = match kind {
            "TCP" => &[6],
            "UDP" => &[17],
            // By the mark of packets, whatever they are.
            "FWM" => &[6, 17],
            _ => continue,
        };
        if kind != "FWM" && surely_another(service, flow) {
            continue;
        }
        for (protocol, stage) in
            protocols.iter().flat_map(|it| [(*it, Stage::Output), (*it, Stage::ComingIn)])
        {
            let (effect, devices) = (Effect::Elsewhere, BTreeSet::new());
            let listed_by = "ipvsadm -ln".to_owned();
            found.insert(Detour { stage, action: "IPVS", effect, protocol, devices, listed_by });
        }
    }
    found
}

/// Whether a service, as `0A090002:0050` or `[2001:..]:0050` in hexadecimal, is not where the flow goes.
fn surely_another(service: &str, flow: Flow) -> bool {
    let Some((address, port)) = service.rsplit_once(':') else { return false };
    let address = match address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse().ok().map(IpAddr::V6),
        None => u32::from_str_radix(address, 16).ok().map(|bits| IpAddr::V4(bits.into())),
    };
    // Port 0 is any.
    let port = u16::from_str_radix(port, 16).ok().filter(|port| *port != 0);
    let differs =
        |known: Option<IpAddr>| matches!((address, known), (Some(its), Some(known)) if its != known);
    differs(flow.destination) || matches!((port, flow.port), (Some(its), Some(known)) if its != known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_of_ipvs() {
        let list = "IP Virtual Server version 1.2.1 (size=4096)\n\
            Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n\
            TCP  0A090002:0050 rr \n  -> 0A090103:0050      Masq    1      0          0\n\
            UDP  [fd09:0000:0000:0000:0000:0000:0000:0002]:0035 wlc \n";
        let found = |destination: &str, port| {
            let flow = Flow { destination: destination.parse().ok(), port, local: None };
            virtual_services(list, flow).iter().map(|detour| detour.protocol).collect::<BTreeSet<_>>()
        };
        assert_eq!(found("10.9.0.2", Some(80)), [6].into());
        assert_eq!(found("10.9.0.2", None), [6].into(), "the port is not known");
        assert_eq!(found("10.9.0.2", Some(81)), [].into());
        assert_eq!(found("10.9.1.3", Some(80)), [].into(), "a real server is no service");
        assert_eq!(found("fd09::2", Some(53)), [17].into());
        assert_eq!(virtual_services("FWM  00000001 rr \n", Flow::default()).len(), 4);
    }
}
