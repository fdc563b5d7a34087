//! `zcdiag status`: asks the running daemon over its socket.

use std::{
    io::{self, Write},
    net::Shutdown,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::outcome::{Failure, Outcome, code, is_read};
use crate::{
    model::fleet::Snapshot,
    render::{json, status},
    sys::unix,
};

/// The daemon answers at once, or is stuck.
const PATIENCE: Duration = Duration::from_secs(5);
/// More than any daemon has to say.
const LONGEST: usize = 256 << 20;

/// What to ask, and how to show it.
#[derive(Clone, Debug)]
pub struct StatusOptions {
    /// The daemon's socket.
    pub socket: PathBuf,
    /// Show what it said.
    pub json: bool,
    /// Use colour.
    pub color: bool,
}

/// Asks, and shows the answer.
///
/// # Errors
/// If no daemon answers.
pub fn run(options: &StatusOptions, out: &mut dyn Write) -> Outcome {
    let snapshot = snapshot(&options.socket)?;
    // Written anew: who answered may escape less.
    let written =
        if options.json { json::line(out, &snapshot) } else { status::text(&snapshot, options.color, out) };
    is_read(written)?;
    Ok(code::OK)
}

/// What the daemon at this socket knows.
pub(super) fn snapshot(socket: &Path) -> Result<Snapshot, Failure> {
    serde_json::from_slice(&ask(socket)?).map_err(|error| {
        Failure::new(
            format!("what answers at {} is no zcdiag of this version: {error}", socket.display()),
            "restart the daemon after an update",
        )
    })
}

fn ask(socket: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: &io::Error| {
        let cure = match error.kind() {
            io::ErrorKind::PermissionDenied => "ask as root, or as a member of the socket's group",
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                "start the daemon: `systemctl start zcdiag`; if its socket is elsewhere, name it with --socket"
            }
            _ => "look at the daemon: `systemctl status zcdiag`",
        };
        Failure::new(format!("no daemon answers at {}: {error}", socket.display()), cure)
    };
    let deadline = Instant::now() + PATIENCE;
    unix::connect_within(socket, PATIENCE)
        .and_then(|stream| {
            // Nothing in particular is asked.
            stream.shutdown(Shutdown::Write)?;
            unix::read_to_end(&stream, deadline, LONGEST)
        })
        .map_err(|error| failed(&error))
}
