//! Streams that cannot be let in.

use std::{io, time::Duration};

use tokio::sync::mpsc::Sender;

/// Until it is tried again to let somebody in: some streams will have ended.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// Where the first trouble with letting somebody in is told; further ones are the same.
pub(super) type Trouble = Sender<io::Error>;

/// Whether a connection was gone again before it was let in.
pub(super) fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted)
}
