//! What `zcdiag watch` shows: as text, or as one JSON object a line.

pub(crate) mod blocks;
pub(crate) mod cost;
pub(crate) mod groups;
pub(crate) mod headline;
pub(crate) mod json;
mod senders;
pub(crate) mod steps;
pub(crate) mod text;

use std::{
    io::{self, Write},
    time::Duration,
};

pub use super::look::Look;
use crate::{
    model::{cost::Cost, report::Report, start::Start},
    render::lines::harmless,
};

/// The form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One object a line.
    Json,
    /// Lines of text.
    Plain,
    /// Text at the end; until then [`crate::render::live`] has the terminal.
    Live,
    /// Text at the end only: a command of the user's owns the terminal until then.
    SummaryOnly,
}

/// Shows a watch.
pub struct Face<'a> {
    form: Form,
    look: Look,
    out: &'a mut dyn Write,
    notices: &'a mut dyn Write,
}

impl<'a> Face<'a> {
    /// Writes the report to `out`, notices to `notices`.
    pub fn new(form: Form, look: Look, out: &'a mut dyn Write, notices: &'a mut dyn Write) -> Self {
        Self { form, look, out, notices }
    }

    /// Whether a command must keep its output out of ours.
    pub fn owns_stdout(&self) -> bool {
        self.form == Form::Json
    }

    /// How the live view is to look, if there is to be one.
    pub fn live(&self) -> Option<Look> {
        (self.form == Form::Live).then_some(self.look)
    }

    /// The programs are attached. Notices that nobody can be given are no error.
    ///
    /// # Errors
    /// If the output cannot be written.
    pub fn start(&mut self, start: &Start) -> io::Result<()> {
        if self.form == Form::Json {
            json::start(self.out, start)?;
        } else {
            let _ = text::start(self.notices, start, self.look);
        }
        self.out.flush()
    }

    /// What happened in the last interval, which ended at this time since the start, and what else is to be said.
    ///
    /// # Errors
    /// If the output cannot be written.
    pub fn interval(&mut self, interval: &Report, at: Duration, notice: Option<&str>) -> io::Result<()> {
        if let Some(notice) = notice {
            let _ = writeln!(self.notices, "zcdiag: {}", harmless(notice));
        }
        match self.form {
            Form::Json => json::report(self.out, "interval", interval)?,
            Form::Plain => text::interval(self.out, interval, at)?,
            Form::Live | Form::SummaryOnly => {}
        }
        self.out.flush()
    }

    /// What zcdiag itself has cost, and what was left out because of that; to be told before the end. Text is a
    /// notice.
    ///
    /// # Errors
    /// If the output cannot be written.
    pub fn cost(&mut self, cost: &Cost, left_out: &[String]) -> io::Result<()> {
        if self.form == Form::Json {
            return cost::json(self.out, cost, left_out);
        }
        let _ = cost::text(self.notices, cost);
        Ok(())
    }

    /// The end, with what could not be seen as notices.
    ///
    /// # Errors
    /// If the output cannot be written.
    pub fn summary(&mut self, report: &Report) -> io::Result<()> {
        for sentence in &report.missing {
            let _ = writeln!(self.notices, "could not see {}", harmless(sentence));
        }
        if self.form == Form::Json {
            json::report(self.out, "summary", report)?;
        } else {
            if self.form == Form::SummaryOnly {
                // Sets the verdict off from what the command wrote.
                writeln!(self.out)?;
            }
            text::summary(self.out, report, self.look)?;
        }
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pipe that nobody reads.
    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_could_not_be_seen_is_told_once_and_beside_the_output() {
        let look = Look::default();
        let report = Report { missing: vec!["a namespace; run it as root".to_owned()], ..Report::default() };
        for form in [Form::Plain, Form::Json] {
            let (mut out, mut notices) = (Vec::new(), Vec::new());
            let mut face = Face::new(form, look, &mut out, &mut notices);
            face.interval(&report, report.duration, None)
                .and_then(|()| face.summary(&report))
                .expect("write to memory");
            assert_eq!(String::from_utf8_lossy(&notices), "could not see a namespace; run it as root\n");
            assert!(!String::from_utf8_lossy(&out).contains("could not see"), "{form:?}");
        }
    }

    #[test]
    fn only_the_output_counts_as_closed() {
        let look = Look { verbose: true, ..Look::default() };
        for (form, ok) in [(Form::Plain, true), (Form::Json, false)] {
            let start = Start { degraded: vec!["less".to_owned()], ..Start::default() };
            let mut out = Vec::new();
            let (mut closed, mut notices) = (Closed, Closed);
            let out: &mut dyn Write = if ok { &mut out } else { &mut closed };
            assert_eq!(Face::new(form, look, out, &mut notices).start(&start).is_ok(), ok, "{form:?}");
        }
    }
}
