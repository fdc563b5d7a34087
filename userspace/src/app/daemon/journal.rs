//! The journal's native protocol: one datagram with fields for one entry.

use std::{io, os::unix::net::UnixDatagram, path::Path};

const SOCKET: &str = "/run/systemd/journal/socket";

/// A connection to the journal.
pub(super) struct Journal(UnixDatagram);

impl Journal {
    /// Connects to the journal of the system.
    pub(super) fn connect() -> io::Result<Self> {
        Self::at(Path::new(SOCKET))
    }

    fn at(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(path)?;
        // A journal that is stuck must not hold the daemon up.
        socket.set_nonblocking(true)?;
        Ok(Self(socket))
    }

    /// Writes an entry.
    pub(super) fn send(&self, fields: &[(&str, String)]) -> io::Result<()> {
        self.0.send(&datagram(fields)).map(drop)
    }
}

/// A value with line ends is preceded by its length, others by `=`.
fn datagram(fields: &[(&str, String)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.extend_from_slice(name.as_bytes());
        if value.contains('\n') {
            bytes.push(b'\n');
            bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
        } else {
            bytes.push(b'=');
        }
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(b'\n');
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_arrives_with_its_fields() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("socket");
        let journal = UnixDatagram::bind(&path).expect("bind");
        let fields = [("MESSAGE", "copied".to_owned()), ("ZCDIAG_CURE", "a\nb".to_owned())];
        Journal::at(&path).expect("connect").send(&fields).expect("send");
        let mut buffer = [0; 200];
        let length = journal.recv(&mut buffer).expect("receive");
        assert_eq!(&buffer[..length], b"MESSAGE=copied\nZCDIAG_CURE\n\x03\0\0\0\0\0\0\0a\nb\n");
    }
}
