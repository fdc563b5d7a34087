//! Sends through io_uring, where every request is answered on its own.

use std::os::fd::OwnedFd;

use rustix::net::connect;

use super::ledger::Ledger;
use crate::{
    model::probe::{Endpoint, ProbeReport, Transport},
    probe::{
        ProbeError,
        options::{RingRequest, SendOptions},
    },
    sys::uring::{End, Request, Ring},
};

/// Sends one by one and waits for each.
pub(super) fn run(
    socket: &OwnedFd,
    destination: Endpoint,
    request: RingRequest,
    options: &SendOptions,
) -> Result<ProbeReport, ProbeError> {
    let kind = if request.sendmsg { Request::Sendmsg } else { Request::Send };
    if let (Endpoint::Inet(address), Transport::Udp) = (destination, options.transport) {
        connect(socket, &address)
            .map_err(|errno| ProbeError::Unreachable { destination, source: errno.into() })?;
    }
    let mut ring = Ring::new(kind)?.ok_or(ProbeError::Unsupported("io_uring"))?;
    // For ever, as a request that is given up may still be read from it.
    let data: &'static [u8] = vec![0x5a; options.largest()].leak();
    let mut ledger = Ledger::new(destination, options.transport);
    let mut lost = 0;
    for number in 1..=options.count {
        let data = &data[..options.size_of(number)];
        let report = request.report_usage;
        match ring.send(socket, data, report, options.timeout)? {
            End::Done { bytes, copied: Some(copied) } => ledger.answered(bytes.into(), copied),
            End::Done { copied: None, .. } => ledger.sent_untold(),
            End::Failed(errno) if options.keep_going => ledger.failed(errno),
            End::Failed(errno) => return Err(ProbeError::Send { number, source: errno.into() }),
            End::Late => {
                lost = 1;
                break;
            }
        }
        options.pause_after(number);
    }
    Ok(ledger.close(lost))
}
