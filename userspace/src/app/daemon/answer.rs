//! The socket that `zcdiag status` and `zcdiag history` ask: whoever may connect gets one object of JSON. That is the last
//! snapshot, or what is asked for in one line of JSON ([`Request`]).

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::{Semaphore, oneshot, watch},
    task::JoinHandle,
};

use super::http::Published;
use crate::{
    app::outcome::Failure,
    history::Asker,
    model::history::{Answer, Question, Request},
    render::json::line,
    sys::unix,
};

/// Whoever listens where we want to has this long to let us in. That he does not is an answer as well.
const GLANCE: Duration = Duration::from_millis(500);
/// Who asks and does not read is left alone after this time.
const PATIENCE: Duration = Duration::from_secs(5);
/// Who asks for nothing in particular, and does not say that nothing comes, gets the snapshot after this time.
const GRACE: Duration = Duration::from_secs(1);
/// Bytes of a request.
const LONGEST: u64 = 4096;
/// An answer from the disk takes no longer.
const DISK: Duration = Duration::from_secs(25);
/// Where directories are that go with what runs.
const RUN: &str = "/run";
/// Answers at a time.
const ANSWERS: usize = 8;

/// A socket that answers until it is dropped.
pub(super) struct Answers {
    path: PathBuf,
    /// Its directory, if it was not there before.
    made: Option<PathBuf>,
    task: JoinHandle<()>,
}

impl Answers {
    /// Answers at `path`; what a daemon that was killed has left there is replaced.
    pub(super) fn start(
        path: &Path,
        published: watch::Receiver<Published>,
        asker: Arc<OnceLock<Asker>>,
    ) -> Result<Self, Failure> {
        let failed = |error: &dyn std::fmt::Display, cure: &str| {
            Failure::new(format!("cannot answer at {}: {error}", path.display()), cure)
        };
        clear(path).map_err(|(what, cure)| failed(&what, cure))?;
        let cure =
            "give a path in a directory that the daemon may write to as status.socket, or \"\" for none";
        let made = make_directory_of(path, Path::new(RUN)).map_err(|error| failed(&error, cure))?;
        let listener = UnixListener::bind(path).map_err(|error| failed(&error, cure))?;
        // For the daemon's user and group; the directory is theirs as well.
        fs::set_permissions(path, fs::Permissions::from_mode(0o660)).map_err(|error| failed(&error, cure))?;
        Ok(Self { path: path.to_owned(), made, task: tokio::spawn(accept(listener, published, asker)) })
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.task.abort();
        // It may have been removed by somebody else.
        let _ = fs::remove_file(&self.path);
        // Unless somebody else has put something there.
        let _ = self.made.as_ref().map(fs::remove_dir);
    }
}

/// Makes the directory of `path` if it is missing and would lie right below `run`, as systemd does (`RuntimeDirectory`)
/// where it starts the daemon; gives it then. No other place is changed.
fn make_directory_of(path: &Path, run: &Path) -> io::Result<Option<PathBuf>> {
    let Some(dir) = path.parent().filter(|dir| dir.parent() == Some(run) && !dir.exists()) else {
        return Ok(None);
    };
    fs::create_dir(dir)?;
    Ok(Some(dir.to_owned()))
}

/// Makes way at `path`, if what is there is a socket that nobody answers at.
fn clear(path: &Path) -> Result<(), (String, &'static str)> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(("something is there that is no socket".to_owned(), "remove it, or give another path"));
    }
    match unix::connect_within(path, GLANCE) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|error| (format!("a socket is left there: {error}"), "remove it"))
        }
        Err(error) => {
            Err((error.to_string(), "stop what answers there, or give another path as status.socket"))
        }
        Ok(_) => Err((
            "another daemon answers there".to_owned(),
            "stop it, or give this one another path as status.socket",
        )),
    }
}

async fn accept(listener: UnixListener, published: watch::Receiver<Published>, asker: Arc<OnceLock<Asker>>) {
    let places = Arc::new(Semaphore::new(ANSWERS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((mut stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let snapshot = Arc::clone(&published.borrow().snapshot);
        let asker = Arc::clone(&asker);
        tokio::spawn(async move {
            let asked = match request(&mut stream).await {
                Some(Request { history }) => Some(remember(asker.get(), history).await),
                None => None,
            };
            let mut answer = Vec::new();
            // Memory takes all of it.
            let _ = match asked {
                Some(remembered) => line(&mut answer, &remembered),
                None => line(&mut answer, &*snapshot),
            };
            let _ = tokio::time::timeout(PATIENCE, stream.write_all(&answer)).await;
            drop(place);
        });
    }
}

/// What is asked for, if it is something in particular.
async fn request(stream: &mut UnixStream) -> Option<Request> {
    let mut line = Vec::new();
    let mut asked = BufReader::new(stream.take(LONGEST));
    tokio::time::timeout(GRACE, asked.read_until(b'\n', &mut line)).await.ok()?.ok()?;
    serde_json::from_slice(&line).ok()
}

/// Asks the thread that keeps the history.
async fn remember(asker: Option<&Asker>, question: Question) -> Answer {
    let none = |none: String| Answer { history: None, none: Some(none) };
    let Some(asker) = asker else { return none("the daemon is starting".to_owned()) };
    let (reply, answer) = oneshot::channel();
    // Who has asked may be gone by then.
    if let Err(busy) = asker.ask(question, move |answer| drop(reply.send(answer))) {
        return none(busy.to_string());
    }
    match tokio::time::timeout(DISK, answer).await {
        Ok(Ok(answer)) => answer,
        _ => none("the daemon does not get to read its history".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, time::Instant};

    use super::*;
    use crate::{
        app::{
            history::{self, HistoryForm, HistoryOptions},
            status::{self, StatusOptions},
        },
        history::{Keeper, Origin, Settings, Tick},
        ledger::Caps,
        model::fleet::Snapshot,
    };

    fn published() -> watch::Receiver<Published> {
        let snapshot = Arc::new(Snapshot { kernel: "6.1.0".to_owned(), ..Snapshot::default() });
        watch::channel(Published { snapshot, at: Instant::now(), interval: Duration::from_secs(5) }).1
    }

    /// No history is kept.
    fn nobody() -> Arc<OnceLock<Asker>> {
        Arc::default()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn it_answers_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("status.sock");
        // What a daemon that was killed leaves.
        drop(std::os::unix::net::UnixListener::bind(&path).expect("bind"));
        let answers = Answers::start(&path, published(), nobody()).expect("answer");
        assert_eq!(fs::metadata(&path).expect("the socket").permissions().mode() & 0o777, 0o660);
        for json in [true, false] {
            let options = StatusOptions { socket: path.clone(), json, color: false };
            let mut out = Vec::new();
            assert_eq!(status::run(&options, &mut out).expect("an answer"), 0);
            assert!(String::from_utf8_lossy(&out).contains("6.1.0"));
        }
        let second = Answers::start(&path, published(), nobody()).err().expect("it is taken");
        assert!(second.what.contains("another daemon answers there"), "{second}");
        drop(answers);
        assert!(!path.exists());
        let options = StatusOptions { socket: path, json: true, color: false };
        let failure = status::run(&options, &mut Vec::new()).expect_err("nobody answers");
        assert!(failure.cure.contains("systemctl start zcdiag"), "{failure}");
    }

    /// What is answered to `asked`; the side that asks says that nothing more comes if it is `over`.
    fn answer(path: &Path, asked: &[u8], over: bool) -> serde_json::Value {
        let mut stream = unix::connect_within(path, PATIENCE).expect("it answers");
        stream.write_all(asked).expect("it listens");
        if over {
            stream.shutdown(std::net::Shutdown::Write).expect("nothing more comes");
        }
        let answer = unix::read_to_end(&stream, Instant::now() + DISK, 1 << 20).expect("an answer");
        serde_json::from_slice(&answer).expect("JSON")
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_asks_for_the_history_gets_it_and_others_the_snapshot() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("status.sock");
        let asker = nobody();
        let _answers = Answers::start(&path, published(), Arc::clone(&asker)).expect("answer");
        let request = b"{\"history\":{\"since\":0,\"until\":1000,\"unit\":null}}\n";
        assert_eq!(answer(&path, request, false)["none"], "the daemon is starting");
        let settings = Settings {
            directory: Some(dir.path().to_owned()),
            keep: Duration::from_hours(1),
            size: 8 << 20,
            caps: Caps { senders: 1, causes: 1 },
        };
        let mut keeper = Keeper::start(settings, Origin::default(), |_| {});
        keeper.add(Tick { from: 0, until: 500, ..Tick::default() });
        asker.get_or_init(|| keeper.asker());
        let history = &answer(&path, request, false)["history"];
        assert_eq!((&history["until"], &history["gaps"]), (&500.into(), &serde_json::json!([])), "{history}");
        let options = HistoryOptions {
            question: Question { since: 0, until: 1000, unit: None },
            directory: None,
            socket: path.clone(),
            form: HistoryForm::Text,
            color: false,
        };
        let mut out = Vec::new();
        assert_eq!(history::run(&options, &mut out).expect("an answer"), 0);
        let text = String::from_utf8_lossy(&out);
        assert!(text.starts_with("there were no zerocopy sends\n"), "{text}");
        let directory = Some(dir.path().to_owned());
        let busy =
            history::run(&HistoryOptions { directory, ..options }, &mut out).expect_err("it is written to");
        assert!(busy.cure.contains("leave --directory out"), "{busy}");
        for (asked, over) in [(&b""[..], true), (b"", false), (b"what?\n", false), (&[b'x'; 4096], false)] {
            assert_eq!(answer(&path, asked, over)["kernel"], "6.1.0");
        }
    }

    #[tokio::test]
    async fn a_directory_that_is_missing_comes_and_goes_with_it() {
        let run = tempfile::tempdir().expect("temporary directory");
        let dir = run.path().join("zcdiag");
        let path = dir.join("status.sock");
        let refused =
            Answers::start(&path, published(), nobody()).err().expect("a directory that is nobody's to make");
        assert!(refused.cure.contains("give a path in a directory"), "{refused}");
        let made = make_directory_of(&path, run.path()).expect("make it");
        assert_eq!((made.as_ref(), dir.is_dir()), (Some(&dir), true));
        let mut answers = Answers::start(&path, published(), nobody()).expect("answer");
        answers.made = made;
        assert_eq!(make_directory_of(&path, run.path()).expect("a look"), None, "it is there");
        drop(answers);
        assert!(!dir.exists());
    }

    #[tokio::test]
    async fn who_listens_and_lets_nobody_in_is_not_waited_for() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("status.sock");
        let _stuck = std::os::unix::net::UnixListener::bind(&path).expect("listen");
        let mut waiting = Vec::new();
        while let Ok(stream) = unix::connect_within(&path, Duration::from_millis(50)) {
            waiting.push(stream);
        }
        let failure = Answers::start(&path, published(), nobody()).err().expect("it is taken");
        assert!(failure.cure.contains("stop what answers there"), "{failure}");
        assert!(path.exists());
    }

    #[tokio::test]
    async fn a_file_is_not_replaced() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("status.sock");
        fs::write(&path, "precious").expect("write");
        let failure = Answers::start(&path, published(), nobody()).err().expect("it is no socket");
        assert!(failure.what.contains("no socket"), "{failure}");
        assert_eq!(fs::read_to_string(&path).expect("still there"), "precious");
    }
}
