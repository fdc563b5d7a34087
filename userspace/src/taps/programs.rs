//! The knowledge base: programs that are known to hold taps, one file each.
//!
//! Those of `userspace/holders` are built in; an administrator's own stand in a directory and are asked first.

mod builtin;

use std::{fs, io, path::Path};

use crate::model::{
    process::ProcessIdentity,
    program::{KnownProgram, PacketLibrary},
    tap::{Binding, Holder, Libraries, Tap},
};

/// Where an administrator's entries are.
pub const DIRECTORY: &str = "/etc/zcdiag/holders.d";

/// Known programs, those first that are asked first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs(Vec<KnownProgram>);

impl Default for Programs {
    /// Those that are built in.
    fn default() -> Self {
        Self(builtin::FILES.iter().filter_map(|(_, text)| parse(text).ok()).collect())
    }
}

impl Programs {
    /// Those of a directory and those that are built in, and what could not be used, in sentences.
    pub fn with_directory(directory: &Path) -> (Self, Vec<String>) {
        let mut programs = Self::default();
        let (own, warnings) = read(directory);
        programs.0.splice(0..0, own);
        (programs, warnings)
    }

    /// What is known of a process by its name, executable and unit.
    pub fn running_as(&self, process: &ProcessIdentity) -> Option<&KnownProgram> {
        self.0.iter().find(|program| is(program, process))
    }

    /// A program that holds this tap and is harmed if it is muted. Whoever shares it counts.
    pub fn harmed(&self, tap: &Tap) -> Option<&KnownProgram> {
        let alone = |holder: &Holder| Tap { holders: vec![holder.clone()], ..tap.clone() };
        let mut held = tap.holders.iter().filter_map(|holder| self.holding(&alone(holder)));
        held.find(|program| program.harm().is_some())
    }

    /// What is known of a program that holds this tap.
    pub fn holding(&self, tap: &Tap) -> Option<&KnownProgram> {
        let of_a_holder = |fits: &dyn Fn(&KnownProgram, &Holder) -> bool| {
            self.0.iter().find(|program| tap.holders.iter().any(|holder| fits(program, holder)))
        };
        of_a_holder(&|program, holder| is(program, &holder.process)).or_else(|| {
            libraries(tap).into_iter().find_map(|library| {
                of_a_holder(&|program, holder| {
                    program.library.contains(&library) && has_mapped(holder, library)
                })
            })
        })
    }
}

/// The libraries that a tap may be of, the likelier one first: libnet's has no ring and is bound to no device.
fn libraries(tap: &Tap) -> [PacketLibrary; 2] {
    if tap.ring == Some(false) && tap.binding == Binding::Any {
        [PacketLibrary::Libnet, PacketLibrary::Libpcap]
    } else {
        [PacketLibrary::Libpcap, PacketLibrary::Libnet]
    }
}

fn has_mapped(holder: &Holder, library: PacketLibrary) -> bool {
    matches!(&holder.libraries, Libraries::Mapped(mapped) if mapped.contains(&library))
}

/// Whether a process runs this program.
fn is(program: &KnownProgram, process: &ProcessIdentity) -> bool {
    let exe = process.exe.as_deref().map(|exe| exe.strip_suffix(" (deleted)").unwrap_or(exe));
    let file = exe.and_then(|exe| Path::new(exe).file_name()?.to_str());
    let is_exe = |wanted: &String| exe == Some(wanted) || file == Some(wanted);
    let is_unit = |pattern: &String| process.unit.as_deref().is_some_and(|unit| fits(pattern, unit));
    program.comm.contains(&process.comm) || program.exe.iter().any(is_exe) || program.unit.iter().any(is_unit)
}

/// Whether a name fits a pattern with at most one `*`.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.strip_prefix(head).is_some_and(|rest| rest.ends_with(tail)),
    }
}

/// The entries of a directory, in the order of their names, and what is wrong with the others.
fn read(directory: &Path) -> (Vec<KnownProgram>, Vec<String>) {
    let (mut programs, mut warnings) = (Vec::new(), Vec::new());
    let mut unusable =
        |path: &Path, why: &str| warnings.push(format!("{}{why}; it is not used", path.display()));
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return (programs, warnings),
        Err(error) => {
            unusable(directory, &format!(": {error}"));
            return (programs, warnings);
        }
    };
    let mut paths: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml") && path.is_file());
    paths.sort();
    for path in paths {
        match fs::read_to_string(&path) {
            Err(error) => unusable(&path, &format!(": {error}")),
            Ok(text) => match parse(&text) {
                Ok(program) => programs.push(program),
                Err(why) => unusable(&path, &why),
            },
        }
    }
    (programs, warnings)
}

/// Reads one file; what is wrong with it follows the file's name.
fn parse(text: &str) -> Result<KnownProgram, String> {
    let program: KnownProgram = toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
        let line = line.map_or(String::new(), |line| format!(", line {line}"));
        format!("{line}: {}", error.message())
    })?;
    let named = [&program.comm, &program.exe, &program.unit];
    if named.iter().all(|names| names.is_empty()) && program.library.is_empty() {
        return Err(": it names no comm, exe, unit or library to recognise the program by".to_owned());
    }
    Ok(program)
}

#[cfg(test)]
mod tests;
