//! `zcdiag watch`: attach, wait, report.

mod qemu;
mod screen;
mod tape;

use std::{
    io,
    path::PathBuf,
    time::{Duration, Instant},
};

use qemu::Qemus;
use screen::Screen;
use tape::Tape;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::MissedTickBehavior,
};

use super::{
    command::{self, Watched},
    devices,
    outcome::{Failure, Outcome, code, is_read},
};
use crate::{
    diagnose::Filter,
    engine::{Engine, session::SessionOptions},
    model::{
        report::{CommandOutcome, Report, Verdict},
        start::{Attachment, Start},
    },
    render::{live::Wish, watch::Face},
};

/// How long sends of a command that has ended may take to be acknowledged.
const SETTLE: Duration = Duration::from_secs(2);
/// How long a command may take to end once it was asked to.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a command may take to end by itself after Ctrl-C, which a terminal sends to it as well.
const OWN_END: Duration = Duration::from_secs(1);

/// Signals that come this soon after the first one are the same request: `timeout` and others signal a
/// process and its group.
const ECHO: Duration = Duration::from_millis(250);

/// What to watch, and how to show it.
#[derive(Debug)]
pub struct WatchOptions {
    /// What is reported.
    pub filter: Filter,
    /// Stop after this time.
    pub duration: Option<Duration>,
    /// Reporting interval.
    pub interval: Duration,
    /// Run this, and stop when it ends.
    pub command: Vec<String>,
    /// Ask these QEMUs about their migrations, by their monitors.
    pub qmp: Vec<PathBuf>,
    /// Record it in this file.
    pub record: Option<PathBuf>,
    /// Exit with [`code::BAD_ANSWER`] if anything was copied.
    pub fail_on_copy: bool,
    /// How to attach.
    pub session: SessionOptions,
}

/// Why the watch stopped.
enum End {
    Time,
    Signal(SignalKind),
    Command(Option<std::process::ExitStatus>),
    OutputClosed,
    Failed(Failure),
}

/// Watches, and shows it on `face`.
///
/// # Errors
/// If the programs cannot be attached, or the command cannot be run.
pub async fn run(options: WatchOptions, face: &mut Face<'_>) -> Outcome {
    if !options.command.is_empty() {
        command::find(&options.command)?;
    }
    devices::find(&options.filter.dev)?;
    // Before anything is attached: a signal from now on ends the watch in order.
    let mut signals = Signals::new()?;
    tokio::spawn(exit_when_urged(Signals::new()?, |code| {
        screen::give_back();
        std::process::exit(code)
    }));
    let file = options.record.as_deref().map(tape::create).transpose()?;
    let mut qemus = tokio::select! {
        connected = Qemus::connect(&options.qmp) => connected?,
        signal = signals.which() => return Ok(signalled(signal)),
    };
    let mut engine = Engine::attach(&options.session)?;
    let start = attached(&engine);
    let mut tape = Tape::begin(file, &start, &options.filter);
    let mut face_open = is_read(face.start(&start))?;
    let mut child = match options.command.as_slice() {
        [] => None,
        argv => Some(Watched::start(argv.to_vec(), face.owns_stdout())?),
    };

    let mut left_out = Vec::new();
    let mut screen = face.live().map(|look| Screen::open(look.color)).transpose()?;
    let mut ticks = tokio::time::interval(options.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.reset();
    let deadline = options.duration.map(|duration| tokio::time::Instant::now() + duration);
    // Whatever goes wrong in here, a command that runs is ended in order before it is reported.
    let watching = async {
        loop {
            if !face_open {
                break Ok(End::OutputClosed);
            }
            tokio::select! {
                announced = engine.announced() => {
                    announced?;
                    engine.look();
                }
                // The report on the interval waits for what they say; nothing else does.
                _ = ticks.tick() => qemus.ask(),
                migrations = qemus.answers() => {
                    // At one go: an interval is what was counted between two ticks.
                    engine.tick().await?;
                    engine.learn_migrations(migrations);
                    let interval = engine.interval(&options.filter);
                    // Nobody else looks at it before the end, and with many senders it takes its time.
                    let total = screen.is_some().then(|| engine.total(&options.filter));
                    let said = engine.said();
                    let notice = tape.interval(&engine.seen()).into_iter().chain(said.iter().cloned());
                    let notice = notice.reduce(|one, other| format!("{one}; {other}"));
                    left_out.extend(said);
                    let shown = match (&mut screen, total) {
                        (Some(screen), Some(total)) => screen.report(interval, total, notice),
                        _ => face.interval(&interval, engine.seen().at, notice.as_deref()),
                    };
                    face_open = is_read(shown)?;
                }
                wish = typed(screen.as_mut()) => match wish {
                    Ok(Wish::Stay) => {}
                    Ok(Wish::Quit) => break Ok(End::Signal(SignalKind::interrupt())),
                    Err(error) => face_open = is_read(Err(error))?,
                },
                () = until(deadline) => break Ok(End::Time),
                signal = signals.which() => break Ok(End::Signal(signal)),
                status = ended(child.as_mut()) => break Ok(End::Command(status)),
            }
        }
    };
    let end = watching.await.unwrap_or_else(End::Failed);
    drop(screen);
    let (end, outcome) = finish_command(child, end, &mut signals).await?;
    if outcome.is_some() {
        settle(&engine, &mut signals).await;
    }
    engine.end().await?;
    qemus.ask();
    tokio::select! {
        migrations = qemus.answers() => engine.learn_migrations(migrations),
        () = signals.next() => (),
    }
    let mut report = engine.total(&options.filter);
    report.command = outcome;
    let recorded = tape.end(&engine.seen(), report.command.as_ref());
    let cost = engine.cost().clone();
    drop(engine);
    if face_open && options.session.measure {
        face_open = is_read(face.cost(&cost, &left_out))?;
    }
    if face_open {
        is_read(face.summary(&report))?;
    }
    recorded?;
    Ok(exit_code(&options, &end, &report))
}

/// The exit code of a command that a signal has ended before it had begun.
fn signalled(signal: SignalKind) -> u8 {
    u8::try_from(128 + signal.as_raw_value()).unwrap_or(code::FAILED)
}

fn attached(engine: &Engine) -> Start {
    let session = engine.session();
    Start {
        kernel: session.kernel.clone(),
        attached: session.loaded.steps.iter().map(Attachment::from).collect(),
        degraded: session.loaded.degraded.clone(),
    }
}

fn exit_code(options: &WatchOptions, end: &End, report: &Report) -> u8 {
    if let End::Command(_) = end
        && let Some(status) = report.command.as_ref().and_then(|command| command.status)
        && status != 0
    {
        return u8::try_from(status).unwrap_or(code::FAILED);
    }
    if !options.fail_on_copy {
        return code::OK;
    }
    match report.verdict() {
        Verdict::Copied | Verdict::Mixed => code::BAD_ANSWER,
        Verdict::Idle | Verdict::Elsewhere => code::NO_ANSWER,
        Verdict::Zerocopied if !report.exact() => code::NO_ANSWER,
        Verdict::Zerocopied => code::OK,
    }
}

/// Ends a command that is still running, and tells how it ended; a failed watch fails once it has.
async fn finish_command(
    child: Option<Watched>,
    end: End,
    signals: &mut Signals,
) -> Result<(End, Option<CommandOutcome>), Failure> {
    let outcome = match (child, &end) {
        (None, _) => None,
        (Some(child), End::Command(status)) => Some(child.outcome(*status)),
        (Some(mut child), _) => {
            let status = end_command(&mut child, &end, signals).await;
            Some(child.outcome(status))
        }
    };
    match end {
        End::Failed(failure) => Err(failure),
        end => Ok((end, outcome)),
    }
}

/// Has a command end that is still running; `None` if it does not.
async fn end_command(
    child: &mut Watched,
    end: &End,
    signals: &mut Signals,
) -> Option<std::process::ExitStatus> {
    if matches!(end, End::Signal(signal) if *signal == SignalKind::interrupt())
        && let Ok(status) = tokio::time::timeout(OWN_END, child.wait()).await
    {
        return status;
    }
    child.terminate();
    tokio::select! {
        status = child.wait() => status,
        () = tokio::time::sleep(PATIENCE) => None,
        () = signals.next() => None,
    }
}

/// Waits a while for the notifications of the last sends.
async fn settle(engine: &Engine, signals: &mut Signals) {
    tokio::select! {
        () = engine.all_notified() => (),
        () = tokio::time::sleep(SETTLE) => (),
        () = signals.next() => (),
    }
}

async fn until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

async fn typed(screen: Option<&mut Screen>) -> io::Result<Wish> {
    match screen {
        Some(screen) => screen.typed().await,
        None => std::future::pending().await,
    }
}

async fn ended(child: Option<&mut Watched>) -> Option<std::process::ExitStatus> {
    match child {
        Some(child) => child.wait().await,
        None => std::future::pending().await,
    }
}

/// Ends the process on the second signal, as if it had not been handled. The first one ends the watch in
/// order, but cannot while a reader that has stalled blocks the output. Nothing stays behind in the kernel:
/// the programs are attached by file descriptors of this process.
async fn exit_when_urged(mut signals: Signals, exit: impl FnOnce(i32)) {
    signals.which().await;
    let first = Instant::now();
    loop {
        let signal = signals.which().await;
        if first.elapsed() > ECHO {
            return exit(128 + signal.as_raw_value());
        }
    }
}

/// SIGINT and SIGTERM.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::new(format!("cannot wait for signals: {error}"), ""))
        };
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        self.which().await;
    }

    async fn which(&mut self) -> SignalKind {
        tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Like those of a watch, but for signals that nobody sends.
    fn no_signals() -> Signals {
        let never = || signal(SignalKind::user_defined2()).expect("listen for a signal");
        Signals { interrupt: never(), terminate: never() }
    }

    /// The result of ending `script` because of `end`, and whether its process is gone afterwards.
    async fn finish(script: &str, end: End) -> (Result<Option<i32>, String>, bool) {
        let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
        let child = Watched::start(argv, false).expect("start a shell");
        let proc = format!("/proc/{}", child.id().expect("it runs"));
        // Lets the shell set its traps.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let finished = finish_command(Some(child), end, &mut no_signals()).await;
        let gone = !std::path::Path::new(&proc).exists();
        let result = finished.map(|(_, outcome)| outcome.and_then(|outcome| outcome.status));
        (result.map_err(|failure| failure.to_string()), gone)
    }

    #[tokio::test]
    async fn a_command_is_ended_in_order() {
        let ends_itself = "trap 'exit 9' TERM; sleep 0.5; exit 7";
        let goes_on = "trap 'exit 9' TERM; while :; do sleep 0.1; done";
        let interrupt = || End::Signal(SignalKind::interrupt());
        assert_eq!(finish(ends_itself, interrupt()).await, (Ok(Some(7)), true), "it got the signal, too");
        assert_eq!(finish(goes_on, interrupt()).await, (Ok(Some(9)), true), "it had its time");
        for end in [End::Signal(SignalKind::terminate()), End::Time, End::OutputClosed] {
            assert_eq!(finish(ends_itself, end).await, (Ok(Some(9)), true), "it is asked at once");
        }
    }

    #[tokio::test]
    async fn the_second_signal_ends_the_process() {
        let listen = |kind: SignalKind| signal(kind).expect("listen for a signal");
        let own = || listen(SignalKind::user_defined1());
        let signals = Signals { interrupt: listen(SignalKind::user_defined2()), terminate: own() };
        let mut arrived = own();
        let mut send = async || {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::USR1)
                .expect("signal this process");
            arrived.recv().await;
        };
        let (told, mut code) = tokio::sync::oneshot::channel();
        let urged = tokio::spawn(exit_when_urged(signals, |code| told.send(code).expect("it is awaited")));
        tokio::task::yield_now().await;
        send().await;
        send().await;
        tokio::time::sleep(ECHO + Duration::from_millis(50)).await;
        assert!(code.try_recv().is_err(), "an echo of the first");
        send().await;
        urged.await.expect("it ends");
        assert_eq!(code.try_recv(), Ok(128 + SignalKind::terminate().as_raw_value()));
    }

    #[tokio::test]
    async fn a_failure_is_told_once_the_command_has_ended() {
        let goes_on = "trap 'sleep 0.2; exit 9' TERM; while :; do sleep 0.1; done";
        let (result, gone) = finish(goes_on, End::Failed(Failure::new("no counts", ""))).await;
        assert_eq!((result, gone), (Err("no counts".to_owned()), true));
    }
}
