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
const RTM_NEWTCLASS: u16 = 40;
const RTM_GETTCLASS: u16 = 42;
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
        let (Some(ifindex), Some(handle), Some(attributes)) =
            (u32_at(message, 4), u32_at(message, 8), message.get(MESSAGE..))
        else {
            continue;
        };
        let kind = attribute(attributes, TCA_KIND).unwrap_or_default();
        let control = found.entry(ifindex).or_default();
        match kind.strip_suffix(b"\0").unwrap_or(kind) {
            b"netem" => control.corrupts = control.corrupts.max(corrupts(attributes)),
            b"clsact" => {
                control.egress_filters += filters(&mut socket, ifindex, EGRESS)?.len();
                control.ingress_filters = filters(&mut socket, ifindex, INGRESS)?.len();
            }
            b"ingress" => control.ingress_filters = filters(&mut socket, ifindex, INGRESS)?.len(),
            // What the kernel makes itself has no handle, and no filters.
            _ if handle == 0 => {}
            kind => {
                let mut parents = vec![handle];
                if [&b"htb"[..], b"hfsc", b"cbq"].contains(&kind) {
                    parents.extend(classes(&mut socket, ifindex, handle)?);
                }
                for parent in parents {
                    let filters = filters(&mut socket, ifindex, parent)?;
                    control.egress_filters += filters.iter().filter(|filter| !classifies(filter)).count();
                }
            }
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

/// The classes of a queueing discipline, which may have filters of their own.
fn classes(socket: &mut NetlinkSocket, ifindex: u32, handle: u32) -> Result<Vec<u32>, SysError> {
    let mut request = [0; MESSAGE];
    request[4..8].copy_from_slice(&ifindex.to_ne_bytes());
    let dump = socket.dump(RTM_GETTCLASS, &request)?;
    let classes = dump.messages.iter().filter(|(kind, _)| *kind == RTM_NEWTCLASS);
    let own = classes.filter_map(|(_, message)| u32_at(message, 8));
    Ok(own.filter(|class| class >> 16 == handle >> 16).collect())
}

/// Whether a filter has no actions, so that it only chooses a class.
fn classifies(filter: &[u8]) -> bool {
    let attributes = filter.get(MESSAGE..).unwrap_or_default();
    let kind = attribute(attributes, TCA_KIND).unwrap_or_default();
    // `TCA_U32_ACT`, `TCA_FLOWER_ACT` .. and what polices.
    let acts: &[u16] = match kind.strip_suffix(b"\0").unwrap_or(kind) {
        b"u32" => &[6, 7],
        b"flower" => &[3],
        b"matchall" => &[2],
        b"basic" => &[3, 4],
        b"fw" => &[2, 4],
        _ => return false,
    };
    let options = attribute(attributes, TCA_OPTIONS).unwrap_or_default();
    acts.iter().all(|act| attribute(options, *act).is_none())
}

fn filters(socket: &mut NetlinkSocket, ifindex: u32, parent: u32) -> Result<Vec<Vec<u8>>, SysError> {
    let mut request = [0; MESSAGE];
    request[4..8].copy_from_slice(&ifindex.to_ne_bytes());
    request[12..16].copy_from_slice(&parent.to_ne_bytes());
    let dump = socket.dump(RTM_GETTFILTER, &request)?;
    let filters = dump.messages.into_iter().filter(|(kind, _)| *kind == RTM_NEWTFILTER);
    Ok(filters.map(|(_, message)| message).collect())
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
    fn filters_without_actions_choose_a_class() {
        let filter = |kind: &[u8], options: &[u16]| {
            let mut inner = Vec::new();
            for option in options {
                put_attribute(&mut inner, *option, &[0; 4]);
            }
            let mut message = vec![0; MESSAGE];
            put_attribute(&mut message, TCA_KIND, kind);
            put_attribute(&mut message, TCA_OPTIONS, &inner);
            message
        };
        assert!(classifies(&filter(b"u32\0", &[1, 5])));
        assert!(!classifies(&filter(b"u32\0", &[1, 7])), "an action");
        assert!(!classifies(&filter(b"bpf\0", &[1])), "a program may do anything");
    }

    #[test]
    fn nothing_is_made_up_for_lo() {
        let found = list().expect("dump the disciplines");
        assert_eq!(found.get(&1).copied().unwrap_or_default(), TrafficControl::default());
    }
}
