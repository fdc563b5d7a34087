//! Recording a watch. A recording that fails does not end the watch: that is told at once, and is the watch's
//! failure once it has ended.

use std::{
    fs::File,
    io,
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

/// A file to record in, with its path.
pub(super) type Blank = (PathBuf, File);

/// Where a watch is recorded, if it is.
pub(super) struct Tape {
    path: PathBuf,
    /// None if nothing is recorded, or not any more.
    recorder: Option<Recorder<File>>,
    failed: Option<io::Error>,
}

/// Creates the file, before anything is attached for it.
pub(super) fn create(path: &Path) -> Result<Blank, Failure> {
    let file = File::create(path).map_err(|error| {
        Failure::new(
            format!("cannot record in {}: {error}", path.display()),
            "give a file that can be written to",
        )
    })?;
    Ok((path.to_owned(), file))
}

impl Tape {
    /// Begins.
    pub(super) fn begin(blank: Option<Blank>, start: &Start, filter: &Filter) -> Self {
        let mut tape = Self { path: PathBuf::new(), recorder: None, failed: None };
        if let Some((path, file)) = blank {
            tape.path = path;
            let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            match Recorder::begin(file, start, filter, at.as_secs()) {
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
    fn a_file_that_cannot_be_made_is_told_with_its_name() {
        let failure = create(Path::new("/nonexistent/file")).expect_err("no such directory").to_string();
        assert!(failure.contains("/nonexistent/file") && failure.contains("cure:"), "{failure}");
    }
}
