//! `zcdiag probe`: traffic of one's own, and what became of it.

use std::io::Write;

use super::outcome::{Failure, Outcome, code, is_read};
use crate::{
    check::{check, gather::Question},
    diagnose::Filter,
    engine::{
        Engine,
        session::{self, SessionOptions},
    },
    model::{
        check::Way,
        probe::{Endpoint, Expected, ProbeReport, Transport, Why},
        report::Split,
    },
    probe::{
        ProbeError,
        compare::{self, CompareOptions},
        listen::Sink,
        options::{Method, SendOptions},
        resolve, send,
    },
    process::ProcRoot,
    render::{self, watch::Look},
};

/// What to send where, and how to tell of it.
#[derive(Debug, Clone)]
pub struct ProbeOptions {
    /// As the user wrote it.
    pub destination: String,
    /// JSON instead of text.
    pub json: bool,
    /// How text looks.
    pub look: Look,
    /// Watch the kernel meanwhile, for the cause: how to attach.
    pub watch: Option<SessionOptions>,
    /// What to send.
    pub send: SendOptions,
}

/// Sends, and writes the answer to `out`.
///
/// # Errors
/// If the destination cannot be reached, or the kernel refuses to send.
pub async fn send(options: &ProbeOptions, out: &mut dyn Write) -> Outcome {
    let destinations = resolve(&options.destination).map_err(|error| failure(&error))?;
    let attached = match &options.watch {
        Some(session) => Engine::attach(&SessionOptions { own_sends: true, ..session.clone() }),
        None => Err(Failure::new("the kernel was not watched", "")),
    };
    let (sent, why) = match attached {
        Ok(engine) => followed(engine, destinations, options.send.clone()).await?,
        Err(Failure { what, .. }) => (send::run(&destinations, &options.send), Err(what)),
    };
    let report = sent.map_err(|error| failure(&error))?;
    let why = why.unwrap_or_else(|because| Why::Unseen {
        because,
        expected: expected(report.destination, &options.send),
    });
    let written = if options.json {
        render::probe::write_json(&report, &why, out)
    } else {
        render::probe::write_text(&report, &why, options.look, out)
    };
    is_read(written)?;
    Ok(exit_code(&report, options.send.method))
}

type Sent = Result<ProbeReport, ProbeError>;

/// Sends under the eyes of the engine, and reports on this process alone.
async fn followed(
    mut engine: Engine,
    destinations: Vec<Endpoint>,
    options: SendOptions,
) -> Result<(Sent, Result<Why, String>), Failure> {
    let (told, mut sent) = tokio::sync::oneshot::channel();
    // Sending blocks, and the engine has to look at what it is told meanwhile. The thread has the name of the program,
    // which who watches this one sees.
    let sender = std::thread::Builder::new().name(env!("CARGO_PKG_NAME").to_owned());
    sender
        .spawn(move || {
            // Whoever asked may have been interrupted.
            let _ = told.send(send::run(&destinations, &options));
        })
        .map_err(|error| Failure::new(format!("cannot start a thread: {error}"), ""))?;
    let sent = loop {
        tokio::select! {
            sent = &mut sent => break sent.map_err(|_| Failure::new("the sending thread has ended early", ""))?,
            announced = engine.announced() => announced?,
        }
        engine.look();
    };
    let own = Filter { pid: vec![std::process::id()], ..Filter::default() };
    let seen = engine.finish(&own).await?;
    let unseen = seen.senders.is_empty() && sent.as_ref().is_ok_and(|report| report.sends.total() > 0);
    let why = if unseen {
        Err("the kernel knows this process by another id: zcdiag runs in a container".to_owned())
    } else {
        Ok(Why::Seen(Box::new(seen)))
    };
    Ok((sent, why))
}

/// What `zcdiag check` says of such sends; `None` where it cannot be asked.
fn expected(destination: Endpoint, sends: &SendOptions) -> Option<Expected> {
    let Endpoint::Inet(address) = destination else { return None };
    let way = match (sends.transport, sends.method, sends.gso) {
        (Transport::Vsock, ..) => return None,
        (Transport::Tcp, Method::Ring(_), _) => Way::IoUring,
        (Transport::Tcp, ..) => Way::Tcp,
        (Transport::Udp, Method::Ring(_), None) => Way::IoUringUdp,
        (Transport::Udp, _, None) => Way::Udp,
        (Transport::Udp, _, Some(_)) => Way::UdpGso,
    };
    let question = Question {
        size: sends.sizes.iter().max().and_then(|size| u32::try_from(*size).ok()),
        ..Question::to(Some(address), session::tap_list_scope())
    };
    let report = check(&question, &[way], &ProcRoot::system()).ok()?;
    let answer = report.ways.first()?;
    Some(Expected { outlook: answer.outlook, reported: answer.reported, obstacles: report.obstacles })
}

/// Measures copying and zero copy to the same peer, and writes the comparison to `out`.
///
/// # Errors
/// If the destination cannot be reached, or the kernel refuses to send.
pub fn compare(destination: &str, options: &CompareOptions, json: bool, out: &mut dyn Write) -> Outcome {
    let destinations = resolve(destination).map_err(|error| failure(&error))?;
    let comparison = compare::run(&destinations, options).map_err(|error| failure(&error))?;
    let written = if json {
        render::comparison::write_json(&comparison, out)
    } else {
        render::comparison::write_text(&comparison, out)
    };
    is_read(written)?;
    Ok(answer(comparison.sends(), comparison.unanswered))
}

/// Takes in what is sent to `address` and to the multicast `groups` until a signal comes.
///
/// # Errors
/// If the address cannot be had, or a group not be joined.
pub async fn listen(
    address: &str,
    groups: &[String],
    out: &mut dyn Write,
    notices: &mut dyn Write,
) -> Outcome {
    let sink = Sink::bind(address).await.map_err(|error| failure(&error))?;
    groups.iter().try_for_each(|group| sink.join(group)).map_err(|error| failure(&error))?;
    let bound = sink.address().map_err(|error| failure(&error))?;
    is_read(writeln!(out, "listening on {bound}").and_then(|()| out.flush()))?;
    if matches!(bound, Endpoint::Inet(address) if address.ip().is_unspecified()) {
        let _ = writeln!(
            notices,
            "zcdiag: whoever reaches this host by any of its addresses can send here; ADDRESS:PORT listens on one only"
        );
    }
    sink.run(|trouble| {
        let _ = writeln!(
            notices,
            "cannot let everybody in: {trouble}; they wait until others have ended\n\
             cure: raise the limit of open files (`ulimit -n`) before the sink is started"
        );
    })
    .await;
    Ok(code::OK)
}

fn exit_code(report: &ProbeReport, method: Method) -> u8 {
    if report.sends.copied == 0 && method == Method::Copying && report.untold > 0 {
        // Nothing was asked that could be answered.
        return code::OK;
    }
    answer(report.sends, report.unanswered + report.untold)
}

/// The exit code for what the kernel has reported, and for so many sends that it has not reported on.
fn answer(sends: Split, unknown: u64) -> u8 {
    if sends.copied > 0 {
        code::BAD_ANSWER
    } else if unknown > 0 || sends.total() == 0 {
        code::NO_ANSWER
    } else {
        code::OK
    }
}

fn failure(error: &ProbeError) -> Failure {
    Failure { cure: error.cure(), ..Failure::of(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        probe::{Endpoint, Transport},
        report::Split,
    };

    #[test]
    fn the_exit_code_is_the_answer() {
        let report = |zerocopied, copied, unanswered| ProbeReport {
            sends: Split { zerocopied, copied },
            unanswered,
            ..ProbeReport::new(Endpoint::Vsock { cid: 1, port: 9 }, Transport::Vsock)
        };
        let cases =
            [((2, 0, 0), 0), ((1, 1, 0), 3), ((0, 2, 0), 3), ((0, 1, 1), 3), ((2, 0, 1), 4), ((0, 0, 2), 4)];
        for ((zerocopied, copied, unanswered), expected) in cases {
            assert_eq!(exit_code(&report(zerocopied, copied, unanswered), Method::Zerocopy), expected);
        }
    }

    #[test]
    fn what_the_kernel_never_tells_is_no_answer_unless_none_was_asked_for() {
        let untold = ProbeReport {
            untold: 3,
            ..ProbeReport::new(Endpoint::Vsock { cid: 1, port: 9 }, Transport::Vsock)
        };
        assert_eq!(exit_code(&untold, Method::Unallowed), 4);
        assert_eq!(exit_code(&untold, Method::Copying), 0);
    }
}
