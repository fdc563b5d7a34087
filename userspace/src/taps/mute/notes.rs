//! Which taps zcdiag has muted itself: a small file for each, so that `unmute` takes back that and nothing else.
//!
//! Notes live as long as sockets do: `/run` is empty after a start of the machine. Without one nothing is lost but that
//! `unmute PID` leaves the tap alone. An inode is used again some day; a socket's cookie (`SO_COOKIE`) never is.

use std::{
    collections::HashSet,
    fs::{self, DirBuilder, DirEntry, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::{fd::AsFd, unix::fs::DirBuilderExt as _},
    path::{Path, PathBuf},
};

use rustix::net::sockopt::socket_cookie;
use serde::{Deserialize, Serialize};

use crate::{model::tap::Tap, process::ProcRoot};

/// Where the command keeps them. Not below the daemon's own directory: that goes when the daemon ends.
pub const DIRECTORY: &str = "/run/zcdiag-muted";
/// So many notes are kept; beyond that those go whose sockets are not seen any more, and then the oldest.
const MOST: usize = 1024;
/// No note has more bytes.
const LONGEST: u64 = 1024;

/// One socket, told from every other that this machine has had since it started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    inode: u64,
    /// Number of its network namespace.
    netns: u32,
    /// `SO_COOKIE`.
    cookie: u64,
    /// Random id of the machine's start; `None` if not readable.
    boot: Option<String>,
}

/// All notes.
#[derive(Debug, Clone)]
pub struct Notes {
    directory: PathBuf,
    boot: Option<String>,
}

impl Notes {
    /// Those in a directory, which need not be there; of a machine with this procfs.
    pub fn below(directory: impl Into<PathBuf>, proc: &ProcRoot) -> Self {
        let boot = fs::read_to_string(proc.path().join("sys/kernel/random/boot_id")).ok();
        Self { directory: directory.into(), boot: boot.map(|id| id.trim().to_owned()) }
    }

    /// Where they are.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// What a note on this socket says.
    pub(super) fn on(&self, socket: impl AsFd, tap: &Tap) -> io::Result<Note> {
        let cookie = socket_cookie(socket)?;
        Ok(Note { inode: tap.inode, netns: tap.netns.inum, cookie, boot: self.boot.clone() })
    }

    /// Whether there is this very note. One that cannot be read is none.
    pub(super) fn has(&self, note: &Note) -> bool {
        let mut text = Vec::new();
        let read =
            File::open(self.path(note.inode)).and_then(|file| file.take(LONGEST).read_to_end(&mut text));
        read.is_ok() && serde_json::from_slice::<Note>(&text).is_ok_and(|found| found == *note)
    }

    /// Keeps a note, at once whole; it takes the place of one on an earlier socket. `open`: the inodes of all taps.
    pub(super) fn keep(&self, note: &Note, open: &HashSet<u64>) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        self.make_room(open)?;
        let unfinished = self.directory.join(format!(".{}.{}", note.inode, std::process::id()));
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&unfinished)
            .and_then(|mut file| file.write_all(&serde_json::to_vec(note)?))
            .and_then(|()| fs::rename(&unfinished, self.path(note.inode)));
        if written.is_err() {
            // There may be nothing to take away.
            let _ = fs::remove_file(&unfinished);
        }
        written
    }

    /// Takes the note on a socket away, if there is one.
    pub(super) fn forget(&self, inode: u64) {
        // A note that stays is of use to nobody else: its cookie is this socket's.
        let _ = fs::remove_file(self.path(inode));
    }

    fn path(&self, inode: u64) -> PathBuf {
        self.directory.join(inode.to_string())
    }

    /// Leaves place for one more.
    fn make_room(&self, open: &HashSet<u64>) -> io::Result<()> {
        let mut kept = fs::read_dir(&self.directory)?.collect::<io::Result<Vec<_>>>()?;
        let Some(beyond) = (kept.len() + 1).checked_sub(MOST).filter(|beyond| *beyond > 0) else {
            return Ok(());
        };
        let is_open = |entry: &DirEntry| {
            let inode = entry.file_name().to_str().and_then(|name| name.parse().ok());
            inode.is_some_and(|inode| open.contains(&inode))
        };
        kept.sort_by_cached_key(|entry| {
            (is_open(entry), entry.metadata().and_then(|about| about.modified()).ok())
        });
        kept.iter().take(beyond).try_for_each(|entry| fs::remove_file(entry.path()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(directory: &Path) -> Notes {
        Notes::below(directory.join("muted"), &ProcRoot::system())
    }

    fn note(inode: u64, cookie: u64) -> Note {
        Note { inode, netns: 7, cookie, boot: None }
    }

    #[test]
    fn a_note_is_on_one_socket_and_no_later_one_of_its_inode() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let notes = notes(dir.path());
        assert!(!notes.has(&note(5, 1)), "there is not even a directory");
        notes.keep(&note(5, 1), &HashSet::new()).expect("keep it");
        assert!(notes.has(&note(5, 1)));
        for other in [note(6, 1), note(5, 2), Note { boot: Some(String::new()), ..note(5, 1) }] {
            assert!(!notes.has(&other), "{other:?}");
        }
        notes.keep(&note(5, 2), &HashSet::new()).expect("keep it");
        assert_eq!((notes.has(&note(5, 1)), notes.has(&note(5, 2))), (false, true));
        fs::write(notes.path(5), "{").expect("damage it");
        assert!(!notes.has(&note(5, 2)));
        notes.forget(5);
        notes.forget(5);
        assert_eq!(fs::read_dir(notes.directory()).expect("it is there").count(), 0);
    }

    #[test]
    fn notes_are_bounded_and_those_of_open_sockets_stay() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let notes = notes(dir.path());
        for inode in 0..MOST as u64 {
            notes.keep(&note(inode, 1), &HashSet::new()).expect("keep it");
        }
        let open: HashSet<u64> = (0..100).collect();
        notes.keep(&note(5000, 1), &open).expect("keep it");
        assert_eq!(fs::read_dir(notes.directory()).expect("it is there").count(), MOST);
        assert!(open.iter().all(|inode| notes.has(&note(*inode, 1))) && notes.has(&note(5000, 1)));
    }

    #[test]
    fn where_none_can_be_kept_that_is_an_error() {
        let dir = tempfile::tempdir().expect("temporary directory");
        fs::write(dir.path().join("muted"), "in the way").expect("write");
        assert!(notes(dir.path()).keep(&note(5, 1), &HashSet::new()).is_err());
    }
}
