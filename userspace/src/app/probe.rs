//! `zcdiag probe`: traffic of one's own, and what became of it.

use std::io::{self, Write};

use super::outcome::{Failure, code};
use crate::{
    model::probe::ProbeReport,
    probe::{
        ProbeError,
        listen::Sink,
        resolve,
        send::{self, Method, SendOptions},
    },
    render,
};

/// What to send where, and how to tell of it.
#[derive(Debug, Clone)]
pub struct ProbeOptions {
    /// As the user wrote it.
    pub destination: String,
    /// The whole command as the user wrote it, to be run again under a watch.
    pub command: String,
    /// JSON instead of text.
    pub json: bool,
    /// What to send.
    pub send: SendOptions,
}

/// Sends, and writes the answer to `out`.
///
/// # Errors
/// If the destination cannot be reached, or the kernel refuses to send.
pub fn send(options: &ProbeOptions, out: &mut dyn Write) -> Result<u8, Failure> {
    let destinations = resolve(&options.destination).map_err(|error| failure(&error))?;
    let report = send::run(&destinations, &options.send).map_err(|error| failure(&error))?;
    let written = if options.json {
        render::probe::write_json(&report, out)
    } else {
        render::probe::write_text(&report, &options.command, out)
    };
    closed(written)?;
    Ok(exit_code(&report, options.send.method))
}

/// Takes in what is sent to `address` and to the multicast `groups` until a signal comes.
///
/// # Errors
/// If the address cannot be had, or a group not be joined.
pub async fn listen(address: &str, groups: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    let sink = Sink::bind(address).await.map_err(|error| failure(&error))?;
    groups.iter().try_for_each(|group| sink.join(group)).map_err(|error| failure(&error))?;
    let bound = sink.address().map_err(|error| failure(&error))?;
    closed(writeln!(out, "listening on {bound}").and_then(|()| out.flush()))?;
    sink.run().await;
    Ok(code::OK)
}

fn exit_code(report: &ProbeReport, method: Method) -> u8 {
    if report.sends.copied > 0 {
        code::BAD_ANSWER
    } else if method == Method::Copying && report.untold > 0 {
        // Nothing was asked that could be answered.
        code::OK
    } else if report.unanswered > 0 || report.untold > 0 || report.sends.total() == 0 {
        code::NO_ANSWER
    } else {
        code::OK
    }
}

/// A reader that has gone is no error.
fn closed(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot write to standard output: {error}"), ""))
        }
        _ => Ok(()),
    }
}

fn failure(error: &ProbeError) -> Failure {
    let source = std::error::Error::source(error).map_or(String::new(), |source| format!(": {source}"));
    Failure::new(format!("{error}{source}"), error.cure())
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
