//! `zcdiag check --self`: whether zcdiag can do its work on this host. Attaches nothing.

use std::{io::Write, path::Path};

use super::outcome::{Failure, Outcome, code, is_read};
use crate::{
    engine::session::{self, SessionOptions},
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
pub fn run(json: bool, color: bool, out: &mut dyn Write) -> Outcome {
    let report = examine();
    let written = if json {
        render::doctor::write_json(&report, out)
    } else {
        render::doctor::write_text(&report, color, out)
    };
    is_read(written)?;
    Ok(if report.hindrances.is_empty() { code::OK } else { code::FAILED })
}

fn examine() -> SelfReport {
    let privileges = Privileges::read(Path::new("/"));
    let prepared = session::prepare(&SessionOptions::default());
    let btf = session::read_btf(&SessionOptions::default()).is_ok();
    let symbols = !Symbols::hidden(Path::new(session::KALLSYMS));
    let mut hindrances = Vec::new();
    if !privileges.may_trace() {
        hindrances.push(Hindrance::from(session::no_capabilities()));
    }
    if privileges.lockdown.as_deref() == Some("confidentiality") {
        hindrances.push(Hindrance {
            what: "kernel lockdown is at 'confidentiality', which forbids BPF to read kernel memory"
                .to_owned(),
            cure: "boot with lockdown=integrity, or without Secure Boot".to_owned(),
        });
    }
    let (plan, mut degraded) = match prepared {
        Ok(prepared) => (prepared.plan.steps, prepared.plan.degraded),
        Err(failure) => {
            hindrances.push(failure.into());
            (Vec::new(), Vec::new())
        }
    };
    if !symbols {
        degraded.push(session::HIDDEN_SYMBOLS.to_owned());
    }
    SelfReport {
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
        plan: plan
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
