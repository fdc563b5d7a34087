//! `cargo xtask pictures`: the live view and a report of one watch in a guest, as the book shows them, and whether the
//! page that a browser shows has the numbers of the report.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::demo::stage::{self, DEVICE, Tapper};
use crate::project::{Helper, Project, output, run, text};
use crate::setup::{self, Purpose};
use crate::vm::{self, Kernel, VmOptions};

/// What the command line can say.
#[derive(Args)]
pub(crate) struct Options {
    /// The guest's kernel
    #[arg(long, value_enum, default_value = "6.12")]
    kernel: Kernel,
    /// Put them into the book, docs/src/pictures; else they are in target/pictures
    #[arg(long)]
    write: bool,
    /// Watch here, which is in the guest
    #[arg(long, hide = true)]
    inside: bool,
}

/// What the guest's half has seen.
#[derive(Serialize, Deserialize)]
struct Seen {
    /// The live view's screens, by name.
    screens: Vec<(String, String)>,
    /// The watch, as it was recorded.
    recording: Vec<u8>,
}

const ZCDIAG: &str = "/usr/local/bin/zcdiag";
const RECORDING: &str = "/tmp/watch.rec";
/// What leaves through it is gone, and its sends zero-copy.
const DEVICE_OF_ITS_OWN: [&str; 4] = [
    "link add eth0 type dummy",
    "address add 10.0.0.1/24 dev eth0",
    "link set eth0 up",
    "neighbour add 10.0.0.2 lladdr 02:00:00:00:00:02 dev eth0",
];
/// The bars of a time line.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The width of a page and the height of a browser's first screen.
const WINDOW: &str = "960,1120";

/// The command.
pub(crate) fn command(options: &Options) -> Result<ExitCode> {
    if options.inside {
        serde_json::to_writer(std::io::stdout(), &watch()?).context("write what was seen")?;
        return Ok(ExitCode::SUCCESS);
    }
    let project = Project::find()?;
    for purpose in [Purpose::Build, Purpose::Pictures] {
        setup::ensure(&project, purpose)?;
    }
    run(project.cargo().args(["build", "--release", "--package", "zcdiag"]))?;
    let seen = vm::run_this(&project, &VmOptions::new(options.kernel), &["pictures", "--inside"])?;
    let seen: Seen = serde_json::from_slice(&seen).context("read what the guest's half wrote")?;
    let dir = project.target.join("pictures");
    fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    for (name, screen) in &seen.screens {
        write(&dir.join(name), screen.as_bytes())?;
    }
    write(&dir.join("watch.rec"), &seen.recording)?;
    let shown = page(&project, &dir)?;
    println!("the page in a browser has the report's numbers: {}", shown.join(", "));
    if options.write {
        let book = project.root.join("docs/src/pictures");
        let screens = seen.screens.iter().map(|(name, _)| name.as_str());
        for name in screens.chain(["report.png"]) {
            fs::copy(dir.join(name), book.join(name)).with_context(|| format!("put {name} into the book"))?;
        }
    }
    println!("in {}", dir.display());
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    fs::write(path, content).with_context(|| format!("write {}", path.display()))
}

/// Makes the page, has a browser draw it, and compares what it shows with the report as JSON.
fn page(project: &Project, dir: &Path) -> Result<Vec<String>> {
    let zcdiag = || {
        let mut command = Command::new(project.target.join("release/zcdiag"));
        command.arg("report").arg(dir.join("watch.rec"));
        command
    };
    let page = dir.join("page.html");
    run(zcdiag().args(["--html", "-o", text(&page)?]))?;
    let lines = output(zcdiag().arg("--json"))?;
    let summary: Value = serde_json::from_str(lines.lines().last().context("an empty report")?)?;

    let address = format!("file://{}", text(&page)?);
    let browser = |arguments: &[&str]| {
        let mut command = Command::new("chromium");
        // Its sandbox is not for root, and what it draws here is ours.
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]);
        command.args(arguments).arg(&address);
        output(&mut command)
    };
    let picture = format!("--screenshot={}", text(&dir.join("report.png"))?);
    browser(&[&picture, &format!("--window-size={WINDOW}")])?;
    let shown = browser(&["--dump-dom"])?;

    let sends = |how: &str| summary["sends"][how].as_u64().unwrap_or_default();
    let tiles = [("sends copied (zc=n)", sends("copied")), ("sends zerocopied (zc=y)", sends("zerocopied"))];
    for (label, count) in tiles {
        let tile = format!("<dt>{label}</dt><dd>{count}</dd>");
        ensure!(shown.contains(&tile), "the page does not say {tile}");
    }
    let causes = summary["causes"].as_array().into_iter().flatten();
    for cause in causes {
        let (name, sends) = (cause["cause"].as_str().unwrap_or_default(), &cause["sends"]);
        let (title, count) = (format!("<code>{name} on {DEVICE}</code>"), format!("{sends} sends, "));
        ensure!(shown.contains(&title) && shown.contains(&count), "the page lacks {title}: {count}");
    }
    ensure!(
        sends("copied") > 0 && sends("zerocopied") > 0,
        "the watch saw not all that it should: {summary}"
    );
    Ok(tiles.map(|(label, count)| format!("{label} {count}")).to_vec())
}

/// A terminal of its own.
fn tmux(arguments: &[&str]) -> Result<String> {
    let mut tmux = Command::new("tmux");
    tmux.args(["-u", "-L", "pictures"]).args(arguments).env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    output(&mut tmux)
}

/// The terminal's screen, once it is as wanted.
fn screen(wanted: &str, is_it: impl Fn(&str) -> bool) -> Result<String> {
    let mut screen = String::new();
    let shown = stage::wait_for(wanted, || {
        screen = tmux(&["capture-pane", "-p"])?;
        Ok(is_it(&screen).then_some(()))
    });
    shown.with_context(|| format!("the last screen is:\n{screen}"))?;
    Ok(screen)
}

fn press(key: &str) -> Result<()> {
    tmux(&["send-keys", key]).map(drop)
}

/// Whether a time line ends with this many intervals in which nothing was copied, after some in which sends were.
fn cured(screen: &str, intervals: usize) -> bool {
    let points = "·".repeat(intervals);
    BARS.iter().any(|bar| screen.contains(&format!("{bar}{points}")))
}

/// In the guest: sends that are zero-copy until a DHCP client comes, and again once it is muted.
fn watch() -> Result<Seen> {
    if std::env::var_os(vm::IN_GUEST).is_none() {
        bail!("--inside is for the guest; start with: cargo xtask pictures");
    }
    std::env::set_current_dir("/tmp").context("enter /tmp")?;
    // Where a user has it; the guest's files are its own.
    run(Command::new("sh").args(["-c", &format!("cp \"$(command -v zcdiag)\" {ZCDIAG}")]))?;
    for arguments in DEVICE_OF_ITS_OWN {
        run(Command::new("ip").args(arguments.split(' ')))?;
    }
    let watch = format!("{ZCDIAG} watch --color never --interval 500ms --record {RECORDING}");
    tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", &watch])?;
    screen("the watch to begin", |screen| screen.contains("no zerocopy send was seen"))?;
    let mut sender = Command::new(ZCDIAG);
    sender.args(["probe", "--no-watch", "--udp", "10.0.0.2:9000", "-n", "1000000"]);
    sender.args(["--interval", "5ms"]).stdout(Stdio::null());
    let sender = Helper::start(&mut sender)?;
    screen("zerocopied sends", |screen| screen.contains("zc=y: ") && screen.contains("····"))?;
    run(Command::new("dhclient").args(["-q", "-nw", DEVICE]).stdout(Stdio::null()))?;
    let dhclient = Tapper::appear("dhclient")?;
    let blamed = format!("dhclient (pid {}) taps {DEVICE}", dhclient.pid);
    let overview =
        screen("the culprit", |screen| screen.contains(&blamed) && screen.matches(BARS).count() > 5)?;
    press("Enter")?;
    let of_sender = screen("the sender", |screen| screen.contains(&format!("tap_tx on {DEVICE}: ")))?;
    press("Enter")?;
    let cause = screen("the cause", |screen| screen.contains("Cures") && screen.contains("Taps"))?;
    let mut mute = Command::new(ZCDIAG);
    run(mute.args(["mute", &dhclient.pid.to_string()]).stdout(Stdio::null()))?;
    press("Escape")?;
    screen("the cure", |screen| cured(screen, 4))?;
    drop(sender);
    press("q")?;
    stage::wait_for("the watch to end", || Ok(tmux(&["list-sessions"]).is_err().then_some(())))?;
    let screens = [("live.txt", overview), ("live-sender.txt", of_sender), ("live-cause.txt", cause)];
    let recording = fs::read(RECORDING).with_context(|| format!("read {RECORDING}"))?;
    Ok(Seen { screens: screens.map(|(name, screen)| (name.to_owned(), screen)).to_vec(), recording })
}
