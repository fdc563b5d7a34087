//! The programs whose taps are to be muted whenever they open: a file of the administrator's.

pub mod file;

use std::{fmt, str::FromStr};

use serde::Deserialize;
use toml::Spanned;

use crate::model::{
    process::ProcessIdentity,
    tap::{Binding, Tap},
};

/// Where it is if nobody says otherwise.
pub const DEFAULT_PATH: &str = "/etc/zcdiag/mute.toml";
/// It has no more entries.
const MOST: usize = 256;
/// Bytes of a name of a process or device without the zero at its end (`TASK_COMM_LEN`, `IFNAMSIZ`).
const NAME: usize = 15;

/// What is wrong with an entry, or with the text that has it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EntryError(String);

/// How a program is known. Names are chosen by processes themselves; units and paths are not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// By the name of its process.
    Program(String),
    /// By its systemd unit.
    Unit(String),
    /// By its executable.
    Path(String),
}

impl Entry {
    /// The same with the path that the kernel goes by: behind links, if there is such a file.
    #[must_use]
    pub fn real(mut self) -> Self {
        if let Whom::Path(path) = &mut self.whom
            && let Ok(real) = std::fs::canonicalize(&*path)
            && let Some(real) = real.to_str()
        {
            real.clone_into(path);
        }
        self
    }
}

impl Whom {
    fn key_and_value(&self) -> (&'static str, &str) {
        match self {
            Self::Program(value) => ("program", value),
            Self::Unit(value) => ("unit", value),
            Self::Path(value) => ("path", value),
        }
    }

    fn is(&self, process: &ProcessIdentity) -> bool {
        match self {
            Self::Program(comm) => process.comm == *comm,
            Self::Unit(unit) => process.unit.as_ref() == Some(unit),
            // An upgrade has put another file there.
            Self::Path(path) => process
                .exe
                .as_deref()
                .is_some_and(|exe| exe.strip_suffix(" (deleted)").unwrap_or(exe) == path),
        }
    }

    /// What is known of such a process without looking for one.
    pub fn process(&self) -> ProcessIdentity {
        let mut process = ProcessIdentity::default();
        match self {
            Self::Program(comm) => comm.clone_into(&mut process.comm),
            Self::Unit(unit) => process.unit = Some(unit.clone()),
            Self::Path(path) => process.exe = Some(path.clone()),
        }
        process
    }
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key_and_value().1)
    }
}

/// A program, and on which devices its taps are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The program.
    pub whom: Whom,
    /// Only its taps that are bound to one of these devices; `None` for all taps.
    pub devices: Option<Vec<String>>,
}

/// An entry as it stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    program: Option<String>,
    unit: Option<String>,
    path: Option<String>,
    devices: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tables {
    #[serde(default)]
    mute: Vec<Spanned<Raw>>,
}

impl Entry {
    fn new(raw: Raw) -> Result<Self, EntryError> {
        let whom = match (raw.program, raw.unit, raw.path) {
            (Some(comm), None, None) => Whom::Program(comm),
            (None, Some(unit), None) => Whom::Unit(unit),
            (None, None, Some(path)) => Whom::Path(path),
            _ => return Err(EntryError("one of program, unit and path is needed, and no more".to_owned())),
        };
        let entry = Self { whom, devices: raw.devices };
        entry.check().map(|()| entry)
    }

    /// The same, only for taps that are bound to one of these devices, if there are any.
    ///
    /// # Errors
    /// A device cannot have such a name.
    pub fn on(mut self, devices: &[String]) -> Result<Self, EntryError> {
        self.devices = (!devices.is_empty()).then(|| devices.to_vec());
        self.check().map(|()| self)
    }

    /// Whether it can mean anything.
    fn check(&self) -> Result<(), EntryError> {
        let text = |key: &str, value: &str, most: usize| {
            if !(1..=most).contains(&value.len()) {
                return Err(EntryError(format!("{key} may have 1 to {most} bytes")));
            }
            if value.chars().any(char::is_control) {
                return Err(EntryError(format!("{key} has control characters")));
            }
            Ok(())
        };
        let (key, value) = self.whom.key_and_value();
        let most = match self.whom {
            Whom::Program(_) => NAME,
            Whom::Unit(_) => 255,
            Whom::Path(_) => 4095,
        };
        text(key, value, most)?;
        match &self.whom {
            Whom::Unit(unit) if !is_unit(unit) => {
                return Err(EntryError("unit is the whole name, with .service or .scope".to_owned()));
            }
            Whom::Path(path) if !path.starts_with('/') => {
                return Err(EntryError("path is no absolute path".to_owned()));
            }
            _ => {}
        }
        match self.devices.as_deref() {
            Some([]) => Err(EntryError("devices is empty: leave it out for all".to_owned())),
            devices => devices.unwrap_or_default().iter().try_for_each(|name| text("devices", name, NAME)),
        }
    }

    /// The entry as text of the file.
    fn text(&self) -> String {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let (key, value) = self.whom.key_and_value();
        let devices = self.devices.as_ref().map_or(String::new(), |devices| {
            let devices: Vec<_> = devices.iter().map(|name| quoted(name)).collect();
            format!("devices = [{}]\n", devices.join(", "))
        });
        format!("[[mute]]\n{key} = {}\n{devices}", quoted(value))
    }

    /// Whether it means a tap as far as this holder and the device go.
    fn means(&self, tap: &Tap, process: &ProcessIdentity) -> bool {
        let device = match &tap.binding {
            Binding::Device { name, .. } => name.as_ref(),
            Binding::Any | Binding::Gone => None,
        };
        let is_there = |devices: &Vec<String>| device.is_some_and(|name| devices.contains(name));
        self.whom.is(process) && self.devices.as_ref().is_none_or(is_there)
    }
}

/// A program as it is typed: a path, a unit, or the name of a process.
impl FromStr for Entry {
    type Err = EntryError;

    fn from_str(text: &str) -> Result<Self, EntryError> {
        let whom = match text {
            path if path.starts_with('/') => Whom::Path(path.to_owned()),
            slash if slash.contains('/') => {
                return Err(EntryError(format!("{slash} has a slash, but is no absolute path")));
            }
            unit if is_unit(unit) => Whom::Unit(unit.to_owned()),
            long if long.len() > NAME => {
                let why = format!(
                    "{long} is longer than {NAME} bytes, to which the kernel cuts names; give its path"
                );
                return Err(EntryError(why));
            }
            comm => Whom::Program(comm.to_owned()),
        };
        let entry = Self { whom, devices: None };
        entry.check().map(|()| entry)
    }
}

fn is_unit(name: &str) -> bool {
    [".service", ".scope"].iter().any(|end| name.strip_suffix(end).is_some_and(|name| !name.is_empty()))
}

/// All entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List(Vec<Entry>);

impl List {
    /// Understands the text of a file.
    fn parse(text: &str) -> Result<Self, EntryError> {
        let at = |start: Option<usize>, why: &str| {
            let before = text.get(..start.unwrap_or_default()).unwrap_or(text);
            let line = before.matches('\n').count() + 1;
            EntryError(format!("line {line}: {}", why.lines().collect::<Vec<_>>().join(" ")))
        };
        let tables: Tables =
            toml::from_str(text).map_err(|error| at(error.span().map(|span| span.start), error.message()))?;
        if tables.mute.len() > MOST {
            return Err(EntryError(format!("it has more than {MOST} entries")));
        }
        let entries = tables.mute.into_iter().map(|raw| {
            let start = raw.span().start;
            Entry::new(raw.into_inner()).map_err(|EntryError(why)| at(Some(start), &why))
        });
        entries.collect::<Result<_, _>>().map(Self)
    }

    /// How many entries there are.
    pub fn entries(&self) -> usize {
        self.0.len()
    }

    /// Whether a tap is to be muted: all who hold it must be listed, for it is muted for all of them.
    pub fn has(&self, tap: &Tap) -> bool {
        let is_listed = |process: &ProcessIdentity| self.0.iter().any(|entry| entry.means(tap, process));
        !tap.holders.is_empty() && tap.holders.iter().all(|holder| is_listed(&holder.process))
    }
}

impl From<Entry> for List {
    fn from(entry: Entry) -> Self {
        Self(vec![entry])
    }
}

#[cfg(test)]
mod tests;
