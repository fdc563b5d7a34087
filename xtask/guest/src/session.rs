//! The last steps in the command's own process: a session, a terminal if one is wanted, then the command.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, exit};

/// The argument that selects this role.
pub(crate) const ROLE: &str = "session";

/// Becomes the command that follows [`ROLE`] among the arguments.
pub(crate) fn run() -> ! {
    let mut argv = std::env::args().skip(2);
    let program = argv.next().unwrap_or_default();
    // A leader of its own session, so that its signals stay its own; fails for one who already is.
    let _ = rustix::process::setsid();
    if rustix::termios::isatty(io::stdin()) {
        let _ = rustix::process::ioctl_tiocsctty(io::stdin());
    }
    let error = Command::new(&program).args(argv).exec();
    eprintln!("guest: {program}: {error}");
    exit(if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 })
}
