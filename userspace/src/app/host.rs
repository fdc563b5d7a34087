//! `zcdiag check --self --report`: what a user of another distribution sends back, and nothing that he would not.

use std::{io::Write, path::Path};

use super::{
    doctor,
    outcome::{Outcome, code, is_read},
};
use crate::{
    attach::found::Place,
    engine::session::{self, SessionOptions},
    kernel::{host::Host, offsets},
    model::host::HostReport,
    render,
};

/// Looks at the host, and writes what zcdiag found there to `out`.
///
/// # Errors
/// If the output cannot be written to.
pub fn run(options: &SessionOptions, json: bool, out: &mut dyn Write) -> Outcome {
    let report = examine(options);
    let written =
        if json { render::host::write_json(&report, out) } else { render::host::write_text(&report, out) };
    is_read(written)?;
    Ok(if report.itself.hindrances.is_empty() { code::OK } else { code::FAILED })
}

/// What there is to report.
pub(super) fn examine(options: &SessionOptions) -> HostReport {
    let mut itself = doctor::examine(options);
    if let Some(path) = &options.btf {
        // Where a user keeps his files is his own business.
        let path = path.display().to_string();
        for hindrance in &mut itself.hindrances {
            hindrance.what = hindrance.what.replace(&path, "FILE");
        }
    }
    let host = Host::read(Path::new("/"), &itself.kernel);
    let btf = session::read_btf(options).ok();
    let functions = btf.as_ref().map(|btf| session::functions(options, btf)).unwrap_or_default();
    HostReport {
        distribution: host.distribution,
        distribution_version: host.version,
        architecture: rustix::system::uname().machine().to_string_lossy().into_owned(),
        settings: host.settings,
        options: host.options,
        members: btf.as_ref().map(offsets::found).unwrap_or_default(),
        functions: functions.into_iter().map(|(name, place)| (name, place.map(Place::name))).collect(),
        itself,
    }
}
