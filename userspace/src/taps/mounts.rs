//! Network namespaces that are mounted on files, from `/proc/PID/mountinfo`.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    ops::ControlFlow,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStringExt,
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FsWord, Mode, OFlags, ResolveFlags, fstat, fstatfs, openat, openat2},
    io::Errno,
};

use crate::{
    process::{ProcessDir, link_number},
    taps::budget::Share,
};

/// `NSFS_MAGIC` of `linux/magic.h`.
const NSFS_MAGIC: FsWord = 0x6e73_6673;

/// More than a line about a namespace has: a path of 4096 bytes, each of them escaped.
const LONGEST_LINE: u64 = 32 << 10;

/// Calls `visit` with each namespace mounted where the process sees it, as far as the share goes.
///
/// # Errors
/// If the mounts cannot be read, to the end or at all.
pub(crate) fn for_each(
    process: &ProcessDir,
    share: &mut Share,
    visit: impl FnMut(NamespaceMount, &mut Share) -> ControlFlow<()>,
) -> io::Result<()> {
    let file = process.open(c"mountinfo")?;
    read(BufReader::with_capacity(1 << 16, File::from(file)), share, visit)
}

fn read(
    mut lines: impl BufRead,
    share: &mut Share,
    mut visit: impl FnMut(NamespaceMount, &mut Share) -> ControlFlow<()>,
) -> io::Result<()> {
    let mut line = Vec::new();
    // The rest of a line that is too long is read as lines that say nothing.
    let mut whole = true;
    loop {
        line.clear();
        let length = lines.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
        if length == 0 || share.take(length as u64).is_break() {
            return Ok(());
        }
        let ends = line.pop_if(|last| *last == b'\n').is_some();
        if whole
            && let Some(mount) = parse(&line)
            && visit(mount, share).is_break()
        {
            return Ok(());
        }
        whole = ends;
    }
}

/// A network namespace mounted on a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NamespaceMount {
    pub(crate) inum: u32,
    pub(crate) path: PathBuf,
}

impl NamespaceMount {
    /// The name `ip netns` would use.
    pub(crate) fn name(&self) -> Option<String> {
        let directory = self.path.parent()?;
        let named = directory == Path::new("/run/netns") || directory == Path::new("/var/run/netns");
        named.then(|| self.path.file_name().map(|name| name.to_string_lossy().into_owned()))?
    }
}

/// Reads a line of mountinfo, if it is about a network namespace.
///
/// `102 25 0:4 net:[4026532180] /run/netns/blue rw shared:50 - nsfs nsfs rw`
fn parse(line: &[u8]) -> Option<NamespaceMount> {
    let mut fields = line.split(|byte| *byte == b' ').skip(3);
    let inum = link_number(fields.next()?, "net")?.try_into().ok()?;
    let path = unescape(fields.next()?);
    Some(NamespaceMount { inum, path: PathBuf::from(std::ffi::OsString::from_vec(path)) })
}

/// Undoes the octal escapes (`\040`) of mountinfo.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        let octal = tail.get(..3).filter(|digits| *first == b'\\' && digits.iter().all(u8::is_ascii_digit));
        let value = octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(value.unwrap_or(*first));
        rest = if value.is_some() { &tail[3..] } else { tail };
    }
    bytes
}

/// Opens a mounted namespace through the root of a process that sees the mount.
///
/// The path belongs to that process's mount namespace, where anyone may have put anything: no symbolic
/// link is followed, opening does not block, and what is opened must be the namespace that was looked for.
pub(crate) fn open(process: &ProcessDir, mount: &NamespaceMount) -> io::Result<OwnedFd> {
    let directory = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
    let root = openat(process.fd(), c"root", directory, Mode::empty())?;
    let flags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC).union(OFlags::NOCTTY);
    let resolve = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_SYMLINKS);
    let handle = match openat2(&root, &mount.path, flags, Mode::empty(), resolve) {
        // Before 5.6.
        Err(Errno::NOSYS) => {
            let relative = mount.path.strip_prefix("/").unwrap_or(&mount.path);
            openat(&root, relative, flags.union(OFlags::NOFOLLOW), Mode::empty())?
        }
        opened => opened?,
    };
    if inum_of(handle.as_fd()) == Some(mount.inum) { Ok(handle) } else { Err(io::ErrorKind::NotFound.into()) }
}

/// The number of the namespace that a descriptor refers to; `None` if it is something else.
///
/// Namespaces of all kinds draw their numbers from one pool, and the number is the inode in nsfs.
pub(crate) fn inum_of(handle: BorrowedFd<'_>) -> Option<u32> {
    let in_nsfs = fstatfs(handle).is_ok_and(|status| status.f_type == NSFS_MAGIC);
    if !in_nsfs {
        return None;
    }
    fstat(handle).ok()?.st_ino.try_into().ok()
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, BufReader, Read},
        ops::ControlFlow,
        time::{Duration, Instant},
    };

    use super::{LONGEST_LINE, NamespaceMount, parse, read};
    use crate::taps::budget::{Allowance, Budget, Kind, Owner};

    #[test]
    fn mount_lines() {
        let named = "102 25 0:4 net:[4026532180] /run/netns/blue rw shared:50 - nsfs nsfs rw";
        let spaced = "102 25 0:4 net:[7] /srv/my\\040net\\134s rw - nsfs nsfs rw";
        let mount = |inum, path: &str| Some(NamespaceMount { inum, path: path.into() });
        let cases = [
            (named, mount(4_026_532_180, "/run/netns/blue"), Some("blue")),
            (spaced, mount(7, "/srv/my net\\s"), None),
            ("25 1 8:1 / / rw - ext4 /dev/sda1 rw", None, None),
            ("102 25 0:4 mnt:[4026532180] /run/x rw - nsfs nsfs rw", None, None),
            ("102 25 0:4 net:[1]", None, None),
            ("", None, None),
        ];
        for (line, expected, name) in cases {
            let parsed = parse(line.as_bytes());
            assert_eq!(parsed, expected, "{line}");
            assert_eq!(parsed.and_then(|mount| mount.name()).as_deref(), name, "{line}");
        }
    }

    const NAMED: &str = "102 25 0:4 net:[7] /run/netns/blue rw - nsfs nsfs rw\n";

    /// What is found in `text`, whether that was all, and the bytes that were spent.
    fn found(text: impl Fn() -> Box<dyn Read>) -> (Vec<u32>, bool, io::Result<()>, u64) {
        let limits = |_| Allowance { first: 1 << 20, most: 1 << 20, all: 1 << 22 };
        let mut budget = Budget::new(Instant::now() + Duration::from_hours(1), limits);
        let (mut inums, mut result) = (Vec::new(), Ok(()));
        budget.share_out(Kind::Mounts, [(Owner::default(), ())], |(), share| {
            inums.clear();
            result = read(BufReader::new(text()), share, |mount, _| {
                inums.push(mount.inum);
                ControlFlow::Continue(())
            });
        });
        (inums, budget.left_out.is_empty(), result, budget.spent(Kind::Mounts))
    }

    #[test]
    fn of_endless_mounts_no_more_is_read_than_bounded() {
        let (inums, whole, result, spent) = found(|| Box::new(NAMED.as_bytes().chain(io::repeat(b'\n'))));
        assert_eq!((inums, whole), (vec![7], false));
        result.expect("what was read could be read");
        assert!(spent <= 2 << 20, "{spent}");
        let (inums, whole, ..) = found(|| Box::new(NAMED.as_bytes()));
        assert_eq!((inums, whole), (vec![7], true));
    }

    #[test]
    fn a_line_without_end_hides_no_other() {
        let length = usize::try_from(LONGEST_LINE).expect("a small number");
        let text = ["x".repeat(length), NAMED.trim().to_owned(), "\n".to_owned(), NAMED.to_owned()].concat();
        let (inums, whole, ..) = found(|| Box::new(io::Cursor::new(text.clone())));
        assert_eq!((inums, whole), (vec![7], true), "its rest is no line");
    }

    #[test]
    fn a_read_that_fails_is_an_error() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::OutOfMemory.into())
            }
        }
        let (inums, _, result, _) = found(|| Box::new(NAMED.as_bytes().chain(Broken)));
        assert_eq!(inums, [7]);
        result.expect_err("it cannot be read to the end");
    }
}
