//! Which libraries that open packet sockets a process has mapped, from `/proc/PID/maps`.
//!
//! Only what is there can be told: a program that is linked statically maps none of them.
//!
//! The file is read under the lock of the process's address space, which a process that waits in a page fault may
//! hold for as long as it likes. So it is read on a thread of its own, which is left behind at the deadline.

use std::{
    collections::{BTreeSet, HashMap},
    fs::File,
    io::{self, BufRead, BufReader, Read},
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    model::{program::PacketLibrary, tap::Libraries},
    process::ProcRoot,
};

/// How long all processes together may take.
const PATIENCE: Duration = Duration::from_millis(300);

/// How much is read of one process: some 40,000 mappings.
const MOST_BYTES: u64 = 4 << 20;

/// How many readers may be left behind, or at work.
const MOST_READERS: usize = 16;

static READERS: AtomicUsize = AtomicUsize::new(0);

/// Reads what these processes have mapped; gives an entry for each.
pub(super) fn read(proc: &ProcRoot, pids: BTreeSet<u32>) -> HashMap<u32, Libraries> {
    let deadline = Instant::now() + PATIENCE;
    let (sender, receiver) = mpsc::channel();
    let mut found = HashMap::new();
    let unread = if let Err(error) = start(proc.clone(), pids.clone(), sender) {
        error.to_string()
    } else {
        let left = || deadline.saturating_duration_since(Instant::now());
        while found.len() < pids.len()
            && let Ok((pid, libraries)) = receiver.recv_timeout(left())
        {
            found.insert(pid, libraries);
        }
        format!("not within {} ms", PATIENCE.as_millis())
    };
    for pid in pids {
        found.entry(pid).or_insert_with(|| Libraries::Unreadable(unread.clone()));
    }
    found
}

/// Starts a thread that reads until nobody listens any more.
fn start(proc: ProcRoot, pids: BTreeSet<u32>, sender: mpsc::Sender<(u32, Libraries)>) -> io::Result<()> {
    if pids.is_empty() {
        return Ok(());
    }
    let Some(reader) = Reader::new() else {
        return Err(io::Error::other("earlier readers still wait for other processes"));
    };
    let read = move || {
        let _reader = reader;
        for pid in pids {
            if sender.send((pid, of(&proc, pid))).is_err() {
                break;
            }
        }
    };
    thread::Builder::new().name("libraries".to_owned()).spawn(read).map(drop)
}

/// One of the readers that there may be.
struct Reader;

impl Reader {
    fn new() -> Option<Self> {
        let one_more = |readers| (readers < MOST_READERS).then_some(readers + 1);
        READERS.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok().map(|_| Self)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        READERS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What one process has mapped.
fn of(proc: &ProcRoot, pid: u32) -> Libraries {
    let maps = proc.process(pid).and_then(|process| process.open(c"maps"));
    match maps.and_then(|maps| mapped(File::from(maps))) {
        Ok(libraries) => Libraries::Mapped(libraries),
        // ESRCH: it ended while it was being read.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Libraries::NotRead,
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Libraries::NotRead,
        Err(error) => Libraries::Unreadable(error.to_string()),
    }
}

fn mapped(maps: impl Read) -> io::Result<Vec<PacketLibrary>> {
    let mut maps = BufReader::with_capacity(1 << 16, maps.take(MOST_BYTES));
    let (mut line, mut found) = (Vec::new(), Vec::new());
    while maps.read_until(b'\n', &mut line)? > 0 {
        if let Some(library) = library(&line)
            && !found.contains(&library)
        {
            found.push(library);
        }
        line.clear();
    }
    if found.is_empty() && maps.into_inner().limit() == 0 {
        return Err(io::Error::other(format!("more than {} MiB of mappings", MOST_BYTES >> 20)));
    }
    Ok(found)
}

/// The library whose file a line is about.
fn library(line: &[u8]) -> Option<PacketLibrary> {
    let path = &line[line.iter().position(|byte| *byte == b'/')?..];
    let path = path.trim_ascii_end();
    let path = path.strip_suffix(b" (deleted)").unwrap_or(path);
    let name = path.rsplit(|byte| *byte == b'/').next()?;
    let is_version = |rest: &[u8]| matches!(rest, [b'.', digit, ..] if digit.is_ascii_digit());
    match (name.strip_prefix(b"libpcap.so"), name.strip_prefix(b"libnet.so")) {
        (Some(rest), _) if rest.is_empty() || is_version(rest) => Some(PacketLibrary::Libpcap),
        // A bare libnet.so is Java's own.
        (_, Some(rest)) if is_version(rest) => Some(PacketLibrary::Libnet),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, io, path::Path};

    use super::{MOST_BYTES, mapped, read};
    use crate::{
        model::{
            program::PacketLibrary::{self, Libnet, Libpcap},
            tap::Libraries,
        },
        process::ProcRoot,
    };

    fn line(path: &str) -> String {
        format!("7f9d3fdde000-7f9d3fdeb000 r--p 00000000 fe:01 132442                     {path}\n")
    }

    #[test]
    fn libraries_are_known_by_the_names_of_their_files() {
        let lib = "/usr/lib/x86_64-linux-gnu";
        let cases: [(String, &[PacketLibrary]); 10] = [
            (format!("{lib}/libpcap.so.1.10.3"), &[Libpcap]),
            (format!("{lib}/libpcap.so.0.8 (deleted)"), &[Libpcap]),
            ("/opt/my sensor/libpcap.so".to_owned(), &[Libpcap]),
            (format!("{lib}/libnet.so.1.8.0"), &[Libnet]),
            ("/usr/lib/jvm/java-17-openjdk-amd64/lib/libnet.so".to_owned(), &[]),
            (format!("{lib}/libpcap.some"), &[]),
            (format!("{lib}/libnetfilter_queue.so.1"), &[]),
            ("/srv/libpcap.so.1/data".to_owned(), &[]),
            ("[heap]".to_owned(), &[]),
            (String::new(), &[]),
        ];
        for (path, expected) in cases {
            assert_eq!(mapped(line(&path).as_bytes()).expect("bytes can be read"), expected, "{path}");
        }
        let both = [line("/a/libnet.so.1"), line("/a/libpcap.so.1"), line("/a/libpcap.so.1")].concat();
        assert_eq!(mapped(both.as_bytes()).expect("bytes can be read"), [Libnet, Libpcap]);
    }

    #[test]
    fn of_endless_mappings_no_more_is_read_than_bounded() {
        let error = mapped(io::repeat(b'x')).expect_err("there is more than is read");
        assert_eq!(error.to_string(), "more than 4 MiB of mappings");
        let found = line("/a/libpcap.so.1").into_bytes();
        let endless = io::Read::chain(&found[..], io::repeat(b'x'));
        assert_eq!(mapped(endless).expect("what was found counts"), [Libpcap]);
        let whole = vec![b'\n'; usize::try_from(MOST_BYTES - 1).expect("a small number")];
        assert_eq!(mapped(&whole[..]).expect("all of it was read"), []);
    }

    fn process(root: &Path, pid: u32) -> std::path::PathBuf {
        let directory = root.join(pid.to_string());
        fs::create_dir(&directory).expect("create the process");
        directory
    }

    #[test]
    fn each_process_has_an_answer() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let maps = process(dir.path(), 7).join("maps");
        fs::write(maps, line("/usr/lib/libpcap.so.1.10.3")).expect("write maps");
        process(dir.path(), 8);
        fs::create_dir(process(dir.path(), 9).join("maps")).expect("what cannot be read");
        let found = read(&ProcRoot::new(dir.path()), BTreeSet::from([7, 8, 9, 10]));
        assert_eq!(found.len(), 4);
        assert_eq!(found[&7], Libraries::Mapped(vec![Libpcap]));
        assert_eq!((&found[&8], &found[&10]), (&Libraries::NotRead, &Libraries::NotRead));
        assert!(matches!(&found[&9], Libraries::Unreadable(why) if why.contains("directory")), "{found:?}");
    }

    #[test]
    fn who_never_answers_is_left_behind() {
        let dir = tempfile::tempdir().expect("temporary directory");
        // Opening a pipe for reading waits for a writer, and none comes.
        let pipe = process(dir.path(), 7).join("maps");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).expect("make a pipe");
        let found = read(&ProcRoot::new(dir.path()), BTreeSet::from([7]));
        assert!(
            matches!(&found[&7], Libraries::Unreadable(why) if why.starts_with("not within")),
            "{found:?}"
        );
    }
}
