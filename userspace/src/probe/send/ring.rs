//! Sends through io_uring, where every request is answered on its own.

use std::os::fd::OwnedFd;

use rustix::net::connect;

use super::ledger::Ledger;
use crate::{
    model::probe::{Endpoint, ProbeReport, Transport},
    probe::{
        error::ProbeError,
        options::{RingKind, RingRequest, SendOptions},
    },
    sys::uring::{Asked, End, Request, Ring},
};

/// Sends so many at a time, and waits for each.
pub(super) fn run(
    socket: &OwnedFd,
    destination: Endpoint,
    request: RingRequest,
    options: &SendOptions,
) -> Result<ProbeReport, ProbeError> {
    let kind = match request.kind {
        RingKind::Send => Request::Send,
        RingKind::SendFixed => Request::SendFixed,
        RingKind::Sendmsg => Request::Sendmsg,
    };
    if let (Endpoint::Inet(address), Transport::Udp) = (destination, options.transport) {
        connect(socket, &address)
            .map_err(|errno| ProbeError::Unreachable { destination, source: errno.into() })?;
    }
    // For ever, as a request that is given up may still be read from it.
    let data: &'static [u8] = vec![0x5a; options.largest()].leak();
    let mut ring =
        Ring::new(kind, request.in_flight.get(), data)?.ok_or(ProbeError::Unsupported("io_uring"))?;
    let mut ledger = Ledger::new(destination, options.transport);
    let (mut begun, mut lost) = (0, 0);
    while begun < options.count || ring.under_way() > 0 {
        while begun < options.count && ring.has_room() {
            begun += 1;
            let asked = Asked { report: request.report_usage, more: options.has_more(begun) };
            ring.begin(socket, options.size_of(begun), asked)?;
        }
        match ring.end(options.timeout)? {
            End::Done { bytes, copied: Some(copied) } => ledger.answered(bytes.into(), copied),
            End::Done { copied: None, .. } => ledger.sent_untold(),
            End::Failed(errno) if options.keep_going => ledger.failed(errno),
            End::Failed(errno) => return Err(ProbeError::Send { number: begun, source: errno.into() }),
            End::Late => {
                lost = ring.under_way();
                break;
            }
        }
        options.pause_after(begun);
    }
    Ok(ledger.close(lost))
}
