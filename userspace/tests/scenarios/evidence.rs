//! What the scenarios' watches recorded in guests, kept in `tests/fixtures/watched/`: the verdict on it is made again
//! without a kernel, and judged as it was there. `cargo xtask test --scenarios --write-table` writes it anew.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use libtest_mimic::Trial;

use crate::{
    run::Played,
    watch::{Report, replayed},
    world::{KERNELS, Kernel},
};

/// What lines for xtask begin with: of the recording, and of what the senders know.
const RECORDED: &str = "recorded: ";
const KEPT: &str = "kept: ";
/// Set if they are wanted.
const WANTED: &str = "ZCDIAG_EVIDENCE";
/// Where the project lies on this machine, and what is written instead.
const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../");
const PROJECT: &str = "/zcdiag/";

/// Tells xtask what was recorded and what the senders know, if it wants to keep that.
pub(crate) fn show(recording: &Path, played: &[Played]) {
    if std::env::var_os(WANTED).is_none() {
        return;
    }
    let here = Path::new(HERE).canonicalize().expect("the project").to_string_lossy().into_owned() + "/";
    let lines = BufReader::new(GzDecoder::new(File::open(recording).expect("the recording"))).lines();
    for line in lines {
        println!("{RECORDED}{}", line.expect("lines of UTF-8").replace(&here, PROJECT));
    }
    for played in played {
        println!("{KEPT}{}", played.kept());
    }
}

/// One for each kernel.
pub(crate) fn trials() -> impl Iterator<Item = Trial> {
    KERNELS.iter().map(|&(kernel, name)| {
        Trial::test(format!("recorded_on_{name}"), move || {
            judge(kernel, name);
            Ok(())
        })
    })
}

fn judge(kernel: Kernel, name: &str) {
    let path = format!("{}/tests/fixtures/watched/{name}", env!("CARGO_MANIFEST_DIR"));
    let read = |what: &str| std::fs::read_to_string(format!("{path}.{what}.jsonl")).expect("a recording");
    let recording = tempfile::NamedTempFile::new().expect("a file");
    let mut packed = GzEncoder::new(&recording, Compression::fast());
    packed.write_all(read("recorded").as_bytes()).and_then(|()| packed.finish().map(drop)).expect("write it");
    let report = Report(replayed(recording.path()));
    let kept = read("kept");
    let kept = kept.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    let played: Vec<Played> = kept.filter_map(|kept| Played::again(&kept, kernel)).collect();
    assert!(!played.is_empty(), "no scenario of {path}");
    for played in &played {
        played.judge(&report);
    }
}
