//! `zcdiag verify`: whether zero copy is back, by watching live traffic, before and after a cure or just now.

use std::{
    io::{self, Write},
    time::Duration,
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, sleep_until},
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
        report::{CommandOutcome, Report},
        verification::{Proof, Verification},
    },
    render::verify::{write_json, write_text},
};

/// Sends that were under way when the cure came may end copied.
const UNDER_WAY: Duration = Duration::from_millis(500);

/// What to watch, and how to tell of it.
#[derive(Debug)]
pub struct VerifyOptions {
    /// What counts.
    pub filter: Filter,
    /// How long to watch, before and after.
    pub duration: Duration,
    /// The cure to run in between; none if empty.
    pub cure: Vec<String>,
    /// JSON instead of text.
    pub json: bool,
    /// Use colour in text.
    pub color: bool,
    /// How to attach.
    pub session: SessionOptions,
}

/// Watches, runs the cure if there is one and watches again, tells what that proves, and gives the exit code.
///
/// # Errors
/// If it cannot watch, if the cure cannot be run or fails, or when it is interrupted before there is an answer.
pub async fn run(options: &VerifyOptions, out: &mut dyn Write, err: &mut dyn Write) -> Outcome {
    if !options.cure.is_empty() {
        command::find(&options.cure)?;
    }
    devices::find(&options.filter.dev)?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let verified = tokio::select! {
        verified = verify(options) => verified,
        _ = interrupt.recv() => Err(interrupted()),
        _ = terminate.recv() => Err(interrupted()),
    };
    let verification = verified?;
    let show = if options.json {
        write_json(&verification, out)
    } else {
        write_text(&verification, options.color, out)
    };
    let read = is_read(show.and_then(|()| write_missing(&verification.after, err)))?;
    Ok(if read { exit_code(verification.proof()) } else { code::OK })
}

async fn verify(options: &VerifyOptions) -> Result<Verification, Failure> {
    let mut engine = Engine::attach(&options.session)?;
    let (before, cure) = if options.cure.is_empty() {
        (None, None)
    } else {
        let before = watch(&mut engine, options).await?;
        let cure = carry_out(&options.cure).await?;
        pass(&mut engine, UNDER_WAY).await?;
        engine.tick().await?;
        (Some(before), Some(cure))
    };
    let after = watch(&mut engine, options).await?;
    Ok(Verification { before, cure, after })
}

/// What happens from the last tick on until the time is up.
async fn watch(engine: &mut Engine, options: &VerifyOptions) -> Result<Report, Failure> {
    pass(engine, options.duration).await?;
    engine.tick().await?;
    engine.look_to_the_end().await;
    Ok(engine.interval(&options.filter))
}

/// Lets time pass, and takes in what the kernel side announces meanwhile.
async fn pass(engine: &mut Engine, time: Duration) -> Result<(), Failure> {
    let until = Instant::now() + time;
    loop {
        tokio::select! {
            () = sleep_until(until) => return Ok(()),
            announced = engine.announced() => announced?,
        }
        engine.look();
    }
}

/// Runs the cure. What it writes goes to standard error: the answer stands alone.
async fn carry_out(argv: &[String]) -> Result<CommandOutcome, Failure> {
    let mut cure = Watched::start(argv.to_vec(), true)?;
    let status = cure.wait().await;
    let outcome = cure.outcome(status);
    match outcome.status {
        Some(0) => Ok(outcome),
        status => {
            let status = status.map_or("an unknown end".to_owned(), |status| format!("exit code {status}"));
            Err(Failure::new(
                format!("'{}' failed with {status}, so there is nothing to verify", argv.join(" ")),
                "run it alone and see what it says",
            ))
        }
    }
}

fn write_missing(report: &Report, err: &mut dyn Write) -> io::Result<()> {
    for sentence in &report.missing {
        writeln!(err, "could not see {}", crate::render::lines::harmless(sentence))?;
    }
    Ok(())
}

fn exit_code(proof: Proof) -> u8 {
    match proof {
        Proof::Restored | Proof::Zerocopied => code::OK,
        Proof::Copied => code::BAD_ANSWER,
        Proof::Nothing => code::NO_ANSWER,
    }
}

fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::new(format!("cannot wait for signals: {error}"), ""))
}

fn interrupted() -> Failure {
    Failure::new("interrupted before there was an answer", "let it run for its whole --duration")
}
