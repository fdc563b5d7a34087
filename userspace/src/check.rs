//! What becomes of zerocopy sends before any is sent: what can be known of the way, and what follows from it.
//!
//! [`gather`] reads, [`trace`] finds the way, [`judge`] says what would copy on it. Nothing is sent, and no BPF
//! program is needed.

pub mod devices;
pub mod facts;
pub mod gather;
pub(crate) mod judge;
pub mod netfilter;
pub(crate) mod trace;

use crate::{
    check::gather::{CheckError, Question},
    model::check::{CheckReport, Way},
    process::ProcRoot,
};

/// Finds out what can be known, and judges it for these ways of sending.
///
/// # Errors
/// If there is no such device or no route; what could merely not be read is in the report.
pub fn check(question: &Question, ways: &[Way], proc: &ProcRoot) -> Result<CheckReport, CheckError> {
    let mut protocols: Vec<u8> = ways.iter().map(|way| way.protocol()).collect();
    protocols.sort_unstable();
    protocols.dedup();
    let (facts, trace) = gather::gather(question, &protocols, proc)?;
    Ok(judge::judge(facts, &trace, ways))
}
