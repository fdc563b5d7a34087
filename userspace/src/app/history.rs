//! `zcdiag history`: what the daemon remembers. It holds the store while it runs, so it is asked; else the store is read.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::tz::TimeZone;

use super::{
    daemon::{
        config::{Config, DEFAULT_PATH},
        memory::{DEFAULT_DIRECTORY, directory},
    },
    outcome::{Failure, Outcome, code, is_read},
};
use crate::{
    history::{FILE, StoreError, read},
    model::history::{Answer, History, Question, Request},
    render::history,
    sys::unix,
};

/// The daemon lets us in at once, or is stuck.
const GLANCE: Duration = Duration::from_secs(5);
/// And answers once it has read what is asked for.
const PATIENCE: Duration = Duration::from_secs(30);
/// More than any daemon has to say: it tells of the last windows only.
const LONGEST: usize = 64 << 20;

/// The form of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryForm {
    /// For people.
    Text,
    /// One document.
    Json,
    /// A page.
    Html,
}

/// What to tell, and how.
#[derive(Clone, Debug)]
pub struct HistoryOptions {
    /// What is asked.
    pub question: Question,
    /// The directory to read; `None` to ask the daemon, and to read where it would keep its history if none runs.
    pub directory: Option<PathBuf>,
    /// The daemon's socket.
    pub socket: PathBuf,
    /// The form.
    pub form: HistoryForm,
    /// Use colour, in text.
    pub color: bool,
}

/// Tells it, with times as the clock on this machine's wall shows them.
///
/// # Errors
/// If there is no history, or it cannot be read.
pub fn run(options: &HistoryOptions, out: &mut dyn Write) -> Outcome {
    let HistoryOptions { question, directory, socket, .. } = options;
    let remembered = match directory {
        Some(directory) => read(directory, question).map_err(|error| unreadable(&error))?,
        None => ask(socket, question)?,
    };
    let zone = TimeZone::system();
    let written = match options.form {
        HistoryForm::Text => history::text(&remembered, &zone, options.color, out),
        HistoryForm::Json => history::json::write(&remembered, &zone, out),
        HistoryForm::Html => history::page::write(&remembered, &zone, out),
    };
    is_read(written)?;
    Ok(code::OK)
}

/// Asks the daemon or, if none runs, reads what it has left.
fn ask(socket: &Path, question: &Question) -> Result<History, Failure> {
    let answer = match exchange(socket, question) {
        Ok(answer) => answer,
        Err(error) if is_nobody(&error) => return left(socket, question),
        Err(error) => {
            let cure = match error.kind() {
                io::ErrorKind::PermissionDenied => "ask as root, or as a member of the socket's group",
                _ => "look at the daemon: `systemctl status zcdiag`",
            };
            return Err(Failure::new(format!("no daemon answers at {}: {error}", socket.display()), cure));
        }
    };
    let foreign = || {
        Failure::new(
            format!("what answers at {} is no zcdiag that keeps a history", socket.display()),
            "restart the daemon after an update",
        )
    };
    let Answer { history, none } = serde_json::from_slice(&answer).map_err(|_| foreign())?;
    history.ok_or_else(|| match none {
        Some(none) => Failure::new(none, "`zcdiag status` says how the daemon is"),
        None => foreign(),
    })
}

fn exchange(socket: &Path, question: &Question) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + PATIENCE;
    let stream = unix::connect_within(socket, GLANCE)?;
    let mut request = serde_json::to_vec(&Request { history: question.clone() })?;
    request.push(b'\n');
    (&stream).write_all(&request)?;
    unix::read_to_end(&stream, deadline, LONGEST)
}

fn is_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

/// What a daemon has left that does not run.
fn left(socket: &Path, question: &Question) -> Result<History, Failure> {
    // A configuration that cannot be read says nothing of another place.
    let directory = Config::read(None).map_or_else(|_| DEFAULT_DIRECTORY.into(), |config| directory(&config));
    read(&directory, question).map_err(|error| {
        let failure = unreadable(&error);
        Failure::new(format!("no daemon answers at {}, and {}", socket.display(), failure.what), failure.cure)
    })
}

fn unreadable(error: &StoreError) -> Failure {
    let what = match error {
        StoreError::None(directory) => {
            format!("there is no history here: no {FILE} in {}", directory.display())
        }
        error => error.to_string(),
    };
    let cure = match error {
        StoreError::None(_) => format!(
            "the daemon keeps it in {DEFAULT_DIRECTORY}, or where history.directory in {DEFAULT_PATH} says: \
             `systemctl start zcdiag`, or name the directory with --directory"
        ),
        StoreError::Busy(_) => "ask the daemon that writes to it: leave --directory out, or name its socket \
                                with --socket"
            .to_owned(),
        StoreError::Damaged { .. } => "the daemon puts it aside and begins anew when it starts".to_owned(),
        StoreError::Failed { .. } => "read it as root".to_owned(),
        StoreError::TooSlow(_) => "ask for less, with --since and --until".to_owned(),
    };
    Failure::new(what, cure)
}
