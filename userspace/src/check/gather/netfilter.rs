//! Netfilter rules of a namespace that may send packets elsewhere than their route does.

use std::{collections::BTreeSet, fs, io, net::IpAddr};

use crate::{
    check::netfilter::{Detour, Effect, Flow, Ruleset, Stage, ipvs},
    sys::netlink::NetlinkSocket,
};

/// `NFNL_SUBSYS_NFTABLES << 8`, and its messages.
const NFTABLES: u16 = 10 << 8;
const NEWCHAIN: u16 = NFTABLES | 3;
const GETCHAIN: u16 = NFTABLES | 4;
const NEWRULE: u16 = NFTABLES | 6;
const GETRULE: u16 = NFTABLES | 7;
/// `struct nfgenmsg` for all families.
const ALL_FAMILIES: [u8; 4] = [0; 4];

/// Reads the rules of the calling thread's namespace that may send packets of the flow elsewhere; needs
/// CAP_NET_ADMIN there.
pub(super) fn detours(flow: Flow) -> io::Result<BTreeSet<Detour>> {
    let mut detours = ruleset()?.detours(flow);
    detours.extend(ipvs::virtual_services(&read_if_there("/proc/thread-self/net/ip_vs")?, flow));
    let (list, command) = match flow.destination {
        Some(IpAddr::V6(_)) => ("/proc/thread-self/net/ip6_tables_names", "ip6tables-legacy"),
        _ => ("/proc/thread-self/net/ip_tables_names", "iptables-legacy"),
    };
    let tables = read_if_there(list)?;
    // Which rules are in them only their own program can read.
    for table in tables.lines().filter(|table| ["nat", "mangle"].contains(table)) {
        let action = if table == "nat" { "perhaps DNAT or REDIRECT" } else { "perhaps MARK, TPROXY or TEE" };
        for stage in [Stage::Output, Stage::ComingIn] {
            for protocol in [6, 17] {
                let listed_by = format!("{command} -t {table} -S");
                let (effect, devices) = (Effect::Elsewhere, BTreeSet::new());
                detours.insert(Detour { stage, action, effect, protocol, devices, listed_by });
            }
        }
    }
    Ok(detours)
}

/// What a module that may not be loaded lists.
fn read_if_there(path: &str) -> io::Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        text => text,
    }
}

fn ruleset() -> io::Result<Ruleset> {
    let mut rules = Ruleset::default();
    let mut socket = match NetlinkSocket::netfilter() {
        // A kernel without netfilter has no rules.
        Err(error) if error.is(libc::EPROTONOSUPPORT) => return Ok(rules),
        socket => socket.map_err(|error| error.source)?,
    };
    for question in [GETCHAIN, GETRULE] {
        let dump = match socket.dump(question, &ALL_FAMILIES) {
            // Nor has one without nftables.
            Err(error) if error.is(libc::EINVAL) || error.is(libc::EOPNOTSUPP) => return Ok(rules),
            dump => dump.map_err(|error| error.source)?,
        };
        if dump.interrupted {
            return Err(io::Error::other("the rules change all the time"));
        }
        for (kind, message) in &dump.messages {
            match *kind {
                // Without a hook it is no chain that the kernel calls itself.
                NEWCHAIN => _ = rules.add_chain(message),
                NEWRULE => _ = rules.add_rule(message),
                _ => {}
            }
        }
    }
    Ok(rules)
}
