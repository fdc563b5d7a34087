//! Copying and zero copy to the same peer, by turns.

use std::{
    io,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

use super::{
    error::ProbeError,
    options::{Method, SendOptions},
    send::{Probe, reach},
};
use crate::model::{
    comparison::{Comparison, Row, Run},
    probe::{Endpoint, ProbeReport},
    report::Split,
};

/// Sends between two looks at the error queue: a program that cares for speed does not wait for each notification.
const READ_EVERY: u64 = 16;

/// What to compare.
#[derive(Debug, Clone)]
pub struct CompareOptions {
    /// How to send; sizes are compared with each other, and method and count are not looked at.
    pub send: SendOptions,
    /// How often each is measured.
    pub rounds: u32,
    /// How long each run sends.
    pub each: Duration,
}

/// Measures both methods for each size; every run has a socket of its own.
///
/// # Errors
/// If the destination cannot be reached, or the kernel refuses to send.
pub fn run(destinations: &[Endpoint], options: &CompareOptions) -> Result<Comparison, ProbeError> {
    let mut sizes = options.send.sizes.clone();
    sizes.sort_unstable();
    sizes.dedup();
    let empty = |size| Row { size, copying: Vec::new(), zerocopy: Vec::new(), sends: Split::default() };
    let mut rows: Vec<Row> = sizes.into_iter().map(empty).collect();
    let mut unanswered = 0;
    let mut reached = destinations.first().copied();
    for _ in 0..options.rounds {
        for row in &mut rows {
            let (run, report) = stretch(destinations, options, row.size, Method::Copying)?;
            row.copying.push(run);
            reached = Some(report.destination);
            let (run, report) = stretch(destinations, options, row.size, Method::Zerocopy)?;
            row.zerocopy.push(run);
            row.sends.add(report.sends);
            unanswered += report.unanswered;
        }
    }
    let destination = reached.ok_or_else(|| ProbeError::NotADestination(String::new()))?;
    Ok(Comparison { destination, transport: options.send.transport, rows, unanswered })
}

/// Sends for a while.
fn stretch(
    destinations: &[Endpoint],
    options: &CompareOptions,
    size: usize,
    method: Method,
) -> Result<(Run, ProbeReport), ProbeError> {
    let send = SendOptions { method, sizes: vec![size], keep_going: false, ..options.send.clone() };
    let (socket, destination) = reach(destinations, &send)?;
    let mut probe = Probe::new(socket, destination, &send);
    let (started, cpu_before) = (Instant::now(), thread_time());
    let mut number = 0;
    while started.elapsed() < options.each {
        number += 1;
        send_once(&mut probe, number)?;
        if number % READ_EVERY == 0 {
            probe.drain()?;
        }
    }
    let run = Run {
        bytes: number * size as u64,
        wall: started.elapsed(),
        cpu: thread_time().saturating_sub(cpu_before),
    };
    probe.wait()?;
    Ok((run, probe.close()))
}

/// Sends; where the kernel has no room for one more notification, after it has given one back.
fn send_once(probe: &mut Probe<'_>, number: u64) -> Result<(), ProbeError> {
    loop {
        match probe.send(number) {
            Err(ProbeError::Send { source, .. }) if is_full(&source) && probe.wait_for_any()? => {}
            sent => return sent,
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOBUFS)
}

/// What the calling thread has taken of processors.
fn thread_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}
