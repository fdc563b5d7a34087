//! Recording a watch. A recording that fails does not end the watch: that is told at once, and is the watch's
//! failure once it has ended.

use std::{
    fs::{File, OpenOptions, Permissions, remove_file},
    io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::super::outcome::Failure;
use crate::{
    diagnose::Filter,
    engine::Seen,
    model::{report::CommandOutcome, start::Start},
    recording::Recorder,
};

/// Who may read a recording: it has names and paths of others' programs.
const OWNER: u32 = 0o600;

/// A file to record in. Until the watch begins, what is in it stays; if it never does, a new file goes away again.
#[derive(Debug)]
pub(super) struct Blank {
    path: PathBuf,
    file: File,
    new: bool,
}

/// Where a watch is recorded, if it is.
pub(super) struct Tape {
    path: PathBuf,
    /// None if nothing is recorded, or not any more.
    recorder: Option<Recorder<File>>,
    failed: Option<io::Error>,
}

/// Opens the file, before anything is attached for it.
pub(super) fn create(path: &Path) -> Result<Blank, Failure> {
    let mut options = OpenOptions::new();
    options.write(true).mode(OWNER);
    let (opened, new) = match options.clone().create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            (options.create(true).open(path), false)
        }
        opened => (opened, true),
    };
    let file = opened.map_err(|error| {
        Failure::new(
            format!("cannot record in {}: {error}", path.display()),
            "give a file that can be written to",
        )
    })?;
    Ok(Blank { path: path.to_owned(), file, new })
}

impl Blank {
    /// Makes the file an empty one that nobody else reads. A device or a pipe is what it is.
    fn begin(&mut self) -> io::Result<File> {
        self.new = false;
        if self.file.metadata()?.is_file() {
            self.file.set_permissions(Permissions::from_mode(OWNER))?;
            self.file.set_len(0)?;
        }
        self.file.try_clone()
    }
}

impl Drop for Blank {
    fn drop(&mut self) {
        if self.new {
            let _ = remove_file(&self.path);
        }
    }
}

impl Tape {
    /// Begins.
    pub(super) fn begin(blank: Option<Blank>, start: &Start, filter: &Filter) -> Self {
        let mut tape = Self { path: PathBuf::new(), recorder: None, failed: None };
        if let Some(mut blank) = blank {
            tape.path.clone_from(&blank.path);
            let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            match blank.begin().and_then(|file| Recorder::begin(file, start, filter, at.as_secs())) {
                Ok(recorder) => tape.recorder = Some(recorder),
                Err(error) => tape.failed = Some(error),
            }
        }
        tape
    }

    /// Takes an interval; gives what is to be said if it cannot be written.
    pub(super) fn interval(&mut self, seen: &Seen<'_>) -> Option<String> {
        let recorder = self.recorder.as_mut()?;
        let error = recorder.interval(seen.counts, seen.known, seen.latest, seen.at).err()?;
        self.recorder = None;
        let notice = format!("the recording in {} ends here: {error}", self.path.display());
        self.failed = Some(error);
        Some(notice)
    }

    /// Takes the end.
    ///
    /// # Errors
    /// If not everything could be recorded.
    pub(super) fn end(mut self, seen: &Seen<'_>, command: Option<&CommandOutcome>) -> Result<(), Failure> {
        if let Some(recorder) = self.recorder.take() {
            self.failed = recorder.end(seen.counts, seen.known, command, seen.at).err();
        }
        match self.failed {
            None => Ok(()),
            Some(error) => Err(Failure::new(
                format!("the recording in {} is not complete: {error}", self.path.display()),
                "record in a file on a disk with space left",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        diagnose::{Culprits, Known},
        model::counts::Counts,
    };

    #[test]
    fn a_full_disk_ends_the_recording_and_not_the_watch() {
        let blank = create(Path::new("/dev/full")).expect("it can be opened");
        let mut tape = Tape::begin(Some(blank), &Start::default(), &Filter::default());
        let (counts, known, latest) = (Counts::default(), Known::default(), Culprits::default());
        let seen = Seen { counts: &counts, known: &known, latest: &latest, at: Duration::ZERO };
        assert_eq!(tape.interval(&seen), None, "there is nothing to write to any more");
        let failure = tape.end(&seen, None).expect_err("nothing was recorded").to_string();
        assert!(
            failure.starts_with("the recording in /dev/full is not complete: No space left"),
            "{failure}"
        );
    }

    #[test]
    fn a_file_is_taken_only_when_the_watch_begins() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        std::fs::write(&old, "precious").expect("write");
        drop((create(&old).expect("open it"), create(&new).expect("make it")));
        assert_eq!(
            (std::fs::read_to_string(&old).expect("it is there"), new.exists()),
            ("precious".into(), false)
        );
        for path in [&old, &new] {
            let tape = Tape::begin(create(path).ok(), &Start::default(), &Filter::default());
            let (counts, known, latest) = (Counts::default(), Known::default(), Culprits::default());
            let seen = Seen { counts: &counts, known: &known, latest: &latest, at: Duration::ZERO };
            tape.end(&seen, None).expect("it is recorded");
            let metadata = std::fs::metadata(path).expect("it is there");
            assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
            let player =
                crate::recording::Player::open(File::open(path).expect("open")).expect("a recording");
            assert_eq!(player.start, Start::default());
        }
    }

    #[test]
    fn a_file_that_cannot_be_made_is_told_with_its_name() {
        let failure = create(Path::new("/nonexistent/file")).expect_err("no such directory").to_string();
        assert!(failure.contains("/nonexistent/file") && failure.contains("cure:"), "{failure}");
    }
}
