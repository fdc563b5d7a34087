//! Streams to sockets of the file system. Whoever listens there may be stuck, or mean harm: nothing is waited for without
//! an end, and nothing read without one.

use std::{
    io::{self, Read as _},
    os::unix::net::UnixStream,
    path::Path,
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with,
        sockopt::{Timeout, set_socket_timeout},
    },
};

/// Connects to what listens at `path`. It may have more clients waiting than it takes in: after `patience` that is
/// `TimedOut`.
pub(crate) fn connect_within(path: &Path, patience: Duration) -> io::Result<UnixStream> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // It is the patience of connect(2), too.
    set_socket_timeout(&socket, Timeout::Send, Some(patience))?;
    match connect(&socket, &SocketAddrUnix::new(path)?) {
        Ok(()) => Ok(socket.into()),
        Err(Errno::AGAIN) => Err(io::Error::new(io::ErrorKind::TimedOut, "it lets nobody in")),
        Err(errno) => Err(errno.into()),
    }
}

/// Reads to the end, which must come before `deadline` and before `longest` bytes.
pub(crate) fn read_to_end(mut stream: &UnixStream, deadline: Instant, longest: usize) -> io::Result<Vec<u8>> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, "it does not come to an end");
    let mut read = Vec::new();
    let mut room = vec![0; 64 * 1024];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(late());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut room) {
            Ok(0) => return Ok(read),
            Ok(count) => read.extend_from_slice(room.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(late()),
            Err(error) => return Err(error),
        }
        if read.len() > longest {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it says too much"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, os::unix::net::UnixListener, thread};

    use super::*;

    const SOON: Duration = Duration::from_millis(200);

    #[test]
    fn what_drips_comes_to_no_end() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        let drips = thread::spawn(move || {
            while theirs.write_all(b" ").is_ok() {
                thread::sleep(SOON / 20);
            }
        });
        let failed = read_to_end(&ours, Instant::now() + SOON, 1 << 20).expect_err("no end");
        assert_eq!(failed.kind(), io::ErrorKind::TimedOut, "{failed}");
        drop(ours);
        drips.join().expect("it ends with its reader");
    }

    #[test]
    fn what_floods_is_cut_off() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        let floods = thread::spawn(move || while theirs.write_all(&[b' '; 4096]).is_ok() {});
        let failed = read_to_end(&ours, Instant::now() + 100 * SOON, 1 << 20).expect_err("no end");
        assert_eq!(failed.to_string(), "it says too much");
        drop(ours);
        floods.join().expect("it ends with its reader");
    }

    #[test]
    fn who_lets_nobody_in_is_not_waited_for() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("full");
        let _listener = UnixListener::bind(&path).expect("listen");
        let mut waiting = Vec::new();
        let failed = loop {
            match connect_within(&path, SOON) {
                Ok(stream) => waiting.push(stream),
                Err(error) => break error,
            }
            assert!(waiting.len() < 100_000, "the backlog of a listener is smaller");
        };
        assert_eq!(failed.kind(), io::ErrorKind::TimedOut, "{failed}");
    }
}
