//! Traffic control on a device: what damages, redirects or mirrors packets.

use std::collections::BTreeMap;

use crate::{
    check::facts::TrafficControl,
    sys::{
        SysError,
        netlink::{NetlinkSocket, attribute, u32_at},
    },
};

const RTM_NEWQDISC: u16 = 36;
const RTM_GETQDISC: u16 = 38;
const RTM_NEWTFILTER: u16 = 44;
const RTM_GETTFILTER: u16 = 46;
/// Size of `struct tcmsg`.
const MESSAGE: usize = 20;
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
/// Size of `struct tc_netem_qopt`, which comes before the attributes of netem.
const NETEM_OPTIONS: usize = 24;
const TCA_NETEM_CORRUPT: u16 = 4;
/// `TC_H_CLSACT` with `TC_H_MIN_INGRESS` and `TC_H_MIN_EGRESS`.
const INGRESS: u32 = 0xffff_fff2;
const EGRESS: u32 = 0xffff_fff3;

/// What traffic control does on the devices of the calling thread's namespace; those not named do nothing.
pub(super) fn list() -> Result<BTreeMap<u32, TrafficControl>, SysError> {
    let mut socket = NetlinkSocket::route()?;
    let dump = socket.dump(RTM_GETQDISC, &[0; MESSAGE])?;
    let mut found: BTreeMap<u32, TrafficControl> = BTreeMap::new();
    for (_, message) in dump.messages.iter().filter(|(kind, _)| *kind == RTM_NEWQDISC) {
        let (Some(ifindex), Some(attributes)) = (u32_at(message, 4), message.get(MESSAGE..)) else {
            continue;
        };
        let kind = attribute(attributes, TCA_KIND).unwrap_or_default();
        let control = found.entry(ifindex).or_default();
        match kind.strip_suffix(b"\0").unwrap_or(kind) {
            b"netem" => control.corrupts = control.corrupts.max(corrupts(attributes)),
            b"clsact" => {
                control.egress_filters = filters(&mut socket, ifindex, EGRESS)?;
                control.ingress_filters = filters(&mut socket, ifindex, INGRESS)?;
            }
            b"ingress" => control.ingress_filters = filters(&mut socket, ifindex, INGRESS)?,
            _ => {}
        }
    }
    Ok(found)
}

/// How probable it is that netem corrupts a packet.
fn corrupts(attributes: &[u8]) -> u32 {
    let options = attribute(attributes, TCA_OPTIONS).and_then(|options| options.get(NETEM_OPTIONS..));
    let corrupt = options.and_then(|options| attribute(options, TCA_NETEM_CORRUPT));
    corrupt.and_then(|corrupt| u32_at(corrupt, 0)).unwrap_or_default()
}

fn filters(socket: &mut NetlinkSocket, ifindex: u32, parent: u32) -> Result<usize, SysError> {
    let mut request = [0; MESSAGE];
    request[4..8].copy_from_slice(&ifindex.to_ne_bytes());
    request[12..16].copy_from_slice(&parent.to_ne_bytes());
    let dump = socket.dump(RTM_GETTFILTER, &request)?;
    Ok(dump.messages.iter().filter(|(kind, _)| *kind == RTM_NEWTFILTER).count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::netlink::put_attribute;

    #[test]
    fn netem_corrupts_as_it_is_told_to() {
        for (probability, expected) in [(None, 0), (Some(0_u32), 0), (Some(u32::MAX), u32::MAX)] {
            let mut options = vec![0; NETEM_OPTIONS];
            if let Some(probability) = probability {
                let value = [probability.to_ne_bytes(), [0; 4]].concat();
                put_attribute(&mut options, TCA_NETEM_CORRUPT, &value);
            }
            let mut message = Vec::new();
            put_attribute(&mut message, TCA_OPTIONS, &options);
            assert_eq!(corrupts(&message), expected, "{probability:?}");
        }
    }

    #[test]
    fn nothing_is_made_up_for_lo() {
        let found = list().expect("dump the disciplines");
        assert_eq!(found.get(&1).copied().unwrap_or_default(), TrafficControl::default());
    }
}
