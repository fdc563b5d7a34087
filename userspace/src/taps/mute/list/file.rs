//! The file of the list: read with a bound, and written to without harm to what stands in it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use super::{Entry, EntryError, List, MOST};

/// It has no more bytes.
pub(super) const LARGEST: usize = 64 * 1024;
/// The first line of a file that zcdiag makes.
const HEAD: &str = "# Programs whose taps zcdiag-mute.service mutes whenever they open.\n";

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is a directory, a device or such.
    #[error("{path} is no regular file")]
    NoFile {
        /// What was named.
        path: PathBuf,
    },
    /// What it says is wrong.
    #[error("{path}, {why}")]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, with its line.
        why: EntryError,
    },
    /// Its entries stand in one array, where none can be added at the end.
    #[error("{path} has its entries in one array (`mute = [..]`), where none can be added")]
    Inline {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Reads a file.
///
/// # Errors
/// It cannot be read, is no file, is too large, or says what it may not.
pub fn read(path: &Path) -> Result<List, ListError> {
    let text = text(path)?;
    List::parse(&text).map_err(|why| ListError::Wrong { path: path.to_owned(), why })
}

/// Adds an entry to a file, or makes the file; gives whether it was not there. All else in it stays as it is, byte for
/// byte, and whoever reads it meanwhile reads the old one or the new one.
///
/// # Errors
/// As [`read`], or it cannot be written; then it is as it was.
pub fn keep(path: &Path, entry: &Entry) -> Result<bool, ListError> {
    // What a link leads to is written, and not the link.
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    // Of several at a time each adds its own: the others wait.
    let alone = File::open(directory_of(&real)).and_then(|directory| directory.lock().map(|()| directory));
    let (mut text, mode) = match text(&real) {
        Ok(text) => (text, fs::metadata(&real).map_or(0o644, |about| about.permissions().mode())),
        Err(ListError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            (HEAD.to_owned(), 0o644)
        }
        Err(error) => return Err(error),
    };
    let wrong = |why| ListError::Wrong { path: path.to_owned(), why };
    let mut list = List::parse(&text).map_err(wrong)?;
    if list.0.contains(entry) {
        return Ok(false);
    }
    if !text.is_empty() {
        text.push_str(if text.ends_with('\n') { "\n" } else { "\n\n" });
    }
    text.push_str(&entry.text());
    list.0.push(entry.clone());
    match List::parse(&text) {
        Ok(then) if then == list => {}
        Err(why) if list.0.len() > MOST => return Err(wrong(why)),
        _ => return Err(ListError::Inline { path: path.to_owned() }),
    }
    if text.len() > LARGEST {
        return Err(wrong(too_large()));
    }
    write(&real, &text, mode).map_err(|source| ListError::Write { path: path.to_owned(), source })?;
    // A directory that is only made now is nobody else's yet.
    drop(alone);
    Ok(true)
}

fn too_large() -> EntryError {
    EntryError(format!("it has more than {} KiB", LARGEST / 1024))
}

fn text(path: &Path) -> Result<String, ListError> {
    let failed = |source| ListError::Read { path: path.to_owned(), source };
    // A pipe would keep whoever opens it waiting.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(ListError::NoFile { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(LARGEST as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    let wrong = |why| ListError::Wrong { path: path.to_owned(), why };
    if bytes.len() > LARGEST {
        return Err(wrong(too_large()));
    }
    String::from_utf8(bytes).map_err(|_| wrong(EntryError("it is not UTF-8".to_owned())))
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Puts a new file in the place of the old one.
fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let directory = directory_of(path);
    // The directory may be missing; what it is in may not: that would be a typing error.
    match DirBuilder::new().mode(0o755).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let unfinished = directory.join(format!(".mute.toml.{}", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.set_permissions(Permissions::from_mode(mode & 0o777))?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&unfinished, path));
    if written.is_err() {
        // There may be nothing to take away.
        let _ = fs::remove_file(&unfinished);
    }
    written
}
