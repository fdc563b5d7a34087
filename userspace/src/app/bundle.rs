//! `zcdiag bundle`: what support needs, in one file, and what of that is private.

mod archive;
mod configuration;

use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use self::archive::Archive;
use super::{
    daemon::config::{Config, DEFAULT_PATH},
    host,
    outcome::{Failure, Outcome, code, is_read},
    status,
    taps::{self, TapsOptions},
};
use crate::{
    engine::session::{self, SessionOptions},
    model::bundle::{Bundle, Part},
    process::ProcRoot,
    render::{self, json, lines::harmless},
    taps::programs,
};

/// What could not be had.
const MISSING: &str = "missing.txt";

/// What to pack, and where to.
#[derive(Clone, Debug)]
pub struct BundleOptions {
    /// The file; without one a new one in the working directory.
    pub file: Option<PathBuf>,
    /// Only say what would go into it.
    pub list: bool,
    /// Parts to leave out.
    pub without: Vec<Part>,
    /// The daemon's configuration, as for `zcdiag daemon`.
    pub config: Option<PathBuf>,
    /// How to attach for the report.
    pub session: SessionOptions,
    /// Write JSON.
    pub json: bool,
}

/// Says on `err` what goes into the file, packs it, and names the file on `out`.
///
/// # Errors
/// If the file is there already, or cannot be written. What cannot be had is said, and no error.
pub fn run(options: &BundleOptions, out: &mut dyn Write, err: &mut dyn Write) -> Outcome {
    let mut bundle = Bundle { file: None, without: options.without.clone(), missing: Vec::new() };
    if options.list {
        is_read(if options.json {
            render::bundle::write_json(&bundle, out)
        } else {
            render::bundle::write_list(&bundle, out)
        })?;
        return Ok(code::OK);
    }
    let file = options.file.clone().unwrap_or_else(|| {
        Timestamp::now().strftime("zcdiag-bundle-%Y%m%dT%H%M%SZ.tar.gz").to_string().into()
    });
    // Before all the work; whoever comes in between is no victim either.
    if file.symlink_metadata().is_ok() {
        return Err(failed(&file, &io::ErrorKind::AlreadyExists.into()));
    }
    // That nobody reads it is no reason not to make it.
    let _ = render::bundle::write_list(&bundle, err);
    let mut packed = Packed::default();
    for part in Part::ALL.into_iter().filter(|part| !options.without.contains(part)) {
        packed.gather(part, options);
    }
    for sentence in &packed.missing {
        let _ = writeln!(err, "could not have {}", harmless(sentence));
    }
    write(&file, &packed).map_err(|error| failed(&file, &error))?;
    bundle.file = Some(file);
    bundle.missing = packed.missing;
    is_read(if options.json {
        render::bundle::write_json(&bundle, out)
    } else {
        render::bundle::write_file(&bundle, out)
    })?;
    Ok(code::OK)
}

fn failed(file: &Path, error: &io::Error) -> Failure {
    let name = file.display().to_string();
    let name = harmless(&name);
    if error.kind() == io::ErrorKind::AlreadyExists {
        return Failure::new(
            format!("{name} is there already"),
            "name another file with -o; none is overwritten",
        );
    }
    Failure::new(format!("cannot write {name}: {error}"), "name a file with -o where you may write")
}

/// What was gathered.
#[derive(Default)]
struct Packed {
    files: Vec<(&'static str, Vec<u8>)>,
    missing: Vec<String>,
    /// Version of the daemon that answered.
    daemon: Option<String>,
}

impl Packed {
    fn gather(&mut self, part: Part, options: &BundleOptions) {
        let gathered = match part {
            Part::Report => report(&options.session),
            Part::Taps => self.taps(),
            Part::Status => self.status(options.config.as_deref()),
            Part::Configuration => configuration(options.config.as_deref()),
            Part::Versions => Ok(vec![self.versions()]),
        };
        match gathered {
            Ok(contents) => self.files.extend(part.files().iter().copied().zip(contents)),
            Err(why) => self.missing.push(format!("{}: {why}", part.name())),
        }
    }

    fn taps(&mut self) -> Result<Vec<Vec<u8>>, String> {
        let options = TapsOptions {
            all: true,
            json: true,
            netns: Vec::new(),
            dev: None,
            fail_on_offending: false,
            color: false,
            scope: Some(session::tap_list_scope()),
            proc: ProcRoot::system(),
            holders: programs::DIRECTORY.into(),
        };
        let (mut taps, mut said) = (Vec::new(), Vec::new());
        taps::run(&options, &mut taps, &mut said).map_err(|failure| failure.what)?;
        let said = String::from_utf8_lossy(&said);
        self.missing.extend(said.lines().map(|line| format!("all of {}: {line}", Part::Taps.name())));
        Ok(vec![taps])
    }

    fn status(&mut self, config: Option<&Path>) -> Result<Vec<Vec<u8>>, String> {
        // What is wrong with the configuration is no reason not to ask.
        let socket = Config::read(config).unwrap_or_default().status.socket;
        if socket.as_os_str().is_empty() {
            return Err("by its configuration the daemon answers nowhere".to_owned());
        }
        let snapshot = status::snapshot(&socket).map_err(|failure| failure.what)?;
        let written = written(|out| json::line(out, &snapshot))?;
        self.daemon = Some(snapshot.version);
        Ok(vec![written])
    }

    fn versions(&self) -> Vec<u8> {
        let daemon = self.daemon.as_deref().unwrap_or("not known");
        let own = env!("CARGO_PKG_VERSION");
        format!("zcdiag {own}\ndaemon {}\nkernel {}\n", harmless(daemon), harmless(&session::release()))
            .into_bytes()
    }
}

fn report(options: &SessionOptions) -> Result<Vec<Vec<u8>>, String> {
    let report = host::examine(options);
    Ok(vec![
        written(|out| render::host::write_text(&report, out))?,
        written(|out| render::host::write_json(&report, out))?,
    ])
}

/// Bytes of a configuration that are read.
const LARGEST_CONFIGURATION: u64 = 1 << 20;

fn configuration(path: Option<&Path>) -> Result<Vec<Vec<u8>>, String> {
    let path = path.unwrap_or(Path::new(DEFAULT_PATH));
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    // A pipe would keep whoever opens it waiting.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(format!("{}: it is no file", path.display()));
    }
    let mut text = String::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(LARGEST_CONFIGURATION).read_to_string(&mut text).map_err(failed)?;
    let redacted = configuration::redacted(&text).map_err(|why| format!("{}: {why}", path.display()))?;
    Ok(vec![written(|out| json::line(out, &redacted))?])
}

fn written(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    write(&mut out).map_err(|error| error.to_string())?;
    Ok(out)
}

/// Writes a new file that only its owner can read; leaves none behind if that fails.
fn write(path: &Path, packed: &Packed) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let pack = || {
        let mut archive = Archive::new(file, Timestamp::now().as_second());
        for (name, content) in &packed.files {
            archive.add(name, content)?;
        }
        if !packed.missing.is_empty() {
            let lines = packed.missing.iter().map(|sentence| format!("{}\n", harmless(sentence)));
            archive.add(MISSING, lines.collect::<String>().as_bytes())?;
        }
        archive.finish()
    };
    pack().inspect_err(|_| {
        // What is not whole is of no use; the error says why.
        let _ = fs::remove_file(path);
    })
}
