//! `zcdiag check --self`: whether zcdiag can do its work on this host. For a moment it attaches what a watch would.

use std::{io::Write, path::Path};

use super::outcome::{Failure, Outcome, code, is_read};
use crate::{
    engine::session::{self, Session, SessionOptions},
    kernel::{
        preempt::preemptible,
        privilege::{NEEDS, Privileges},
        symbols::Symbols,
    },
    model::doctor::{Capability, Hindrance, PlannedStep, SelfReport},
    render,
};

/// Looks at what zcdiag needs, and writes what it found to `out`.
///
/// # Errors
/// If the output cannot be written to.
pub fn run(options: &SessionOptions, json: bool, color: bool, out: &mut dyn Write) -> Outcome {
    let report = examine(options);
    let written = if json {
        render::doctor::write_json(&report, out)
    } else {
        render::doctor::write_text(&report, color, out)
    };
    is_read(written)?;
    Ok(if report.hindrances.is_empty() { code::OK } else { code::FAILED })
}

/// What stands in the way; where nothing does that can be read, everything is loaded, attached and tried for a moment.
pub(super) fn examine(options: &SessionOptions) -> SelfReport {
    let privileges = Privileges::read(Path::new("/"));
    let symbols = !Symbols::hidden(Path::new(session::KALLSYMS));
    let mut hindrances: Vec<Hindrance> =
        session::forbidden(&privileges).map(Hindrance::from).into_iter().collect();
    let prepared = session::prepare(options);
    let btf = prepared.is_ok() || session::read_btf(options).is_ok();
    let (mut steps, mut degraded) = match prepared {
        Ok(prepared) => (prepared.plan.steps, prepared.plan.degraded),
        Err(failure) => {
            hindrances.push(failure.into());
            (Vec::new(), Vec::new())
        }
    };
    let (mut tried, mut trial) = (false, None);
    if hindrances.is_empty() {
        match Session::start(options) {
            Ok(session) => {
                (tried, trial) = (true, session.trial);
                (steps, degraded) = (session.loaded.steps.clone(), session.loaded.degraded.clone());
            }
            Err(failure) => hindrances.push(failure.into()),
        }
    } else if !symbols {
        degraded.push(session::HIDDEN_SYMBOLS.to_owned());
    }
    SelfReport {
        tried,
        trial,
        version: env!("CARGO_PKG_VERSION"),
        kernel: session::release(),
        hindrances,
        degraded,
        capabilities: NEEDS
            .iter()
            .map(|need| Capability {
                name: need.name,
                purpose: need.purpose,
                without: need.without,
                held: need.is_met(&privileges),
            })
            .collect(),
        lockdown: privileges.lockdown,
        btf,
        symbols,
        preemptible: preemptible(Path::new("/")),
        tap_scope: session::tap_list_scope(),
        plan: steps
            .into_iter()
            .map(|step| PlannedStep {
                function: step.function.to_owned(),
                kind: step.kind.name(),
                because: step.because,
            })
            .collect(),
    }
}

impl From<Failure> for Hindrance {
    fn from(failure: Failure) -> Self {
        Self { what: failure.what, cure: failure.cure }
    }
}
