//! Every command that the documentation types is run, in a world like those that the documentation speaks of.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{
    probe::Probe,
    typed::{commands, pages},
    world::{Daemon, Elsewhere, Kernel, Says, ZCDIAG, in_guest, ip, kernel},
};

/// What a command speaks of, and what it is here. Times are shorter than a person would choose them.
const STAND_INS: [(&str, &str); 10] = [
    ("CURE", "true"),
    ("DEST", "10.0.0.2"),
    ("DEST:PORT", "10.0.0.2:9000"),
    ("CMD", "true"),
    ("PROGRAM", "true"),
    ("COMMAND", "watch"),
    ("FILE", "watch.rec"),
    ("NAME", "tap_tx"),
    ("1m", "2s"),
    ("10s", "2s"),
];
/// Kernels that share the commands.
const SHARES: usize = 3;
/// Where a process is meant.
const PIDS: [&str; 4] = ["PID", "100", "142", "812"];
/// QEMUs that migrate have tests of their own.
const ELSEWHERE: &str = "--qmp";

/// The directory that a user would be in, with what the documentation finds there.
fn home() -> TempDir {
    let home = tempfile::tempdir().expect("a directory");
    let sender = Path::new(env!("CARGO_MANIFEST_DIR")).join("../xtask/src/demo/send.py");
    fs::copy(sender, home.path().join("send.py")).expect("copy the sender");
    // The kernel's selftest has to be built with the kernel.
    let selftest = home.path().join("msg_zerocopy");
    fs::write(&selftest, "#!/bin/sh\necho tx=0 zerocopy=n\n").expect("write a program");
    fs::set_permissions(&selftest, fs::Permissions::from_mode(0o755)).expect("make it a program");
    fs::write(home.path().join("stack.txt"), "skb_copy_ubufs+1\ndev_queue_xmit_nit+654\n")
        .expect("write a stack");
    home
}

/// All that are typed anywhere, such as record before such as read what was recorded.
fn typed() -> Vec<String> {
    let typed: BTreeSet<String> =
        pages().iter().flat_map(|(_, page)| commands(page)).map(str::to_owned).collect();
    let (first, others): (Vec<String>, Vec<String>) =
        typed.into_iter().partition(|command| command.contains("--record"));
    first.into_iter().chain(others).filter(|command| !command.contains(ELSEWHERE)).collect()
}

/// The words of a command, with what is here in place of what it speaks of.
fn words(command: &str, tap: u32) -> Vec<String> {
    let words = command.split_whitespace().skip(1).filter(|word| *word != "..");
    let mut words: Vec<String> = words
        .map(|word| {
            let stand_in = STAND_INS.iter().find(|(name, _)| *name == word);
            stand_in.map_or(word, |(_, meant)| meant).trim_matches('\'').to_owned()
        })
        .collect();
    if words.iter().any(|word| word == "--keep") {
        // What is kept on this machine is not for a test to change.
        words.extend(["--file", "mute.toml"].map(str::to_owned));
    }
    for index in 1..words.len() {
        if PIDS.contains(&words[index].as_str()) && words[index - 1].ends_with("mute") {
            words[index] = tap.to_string();
        }
    }
    words
}

/// Whether it runs until it is told to stop.
fn stays(words: &[String]) -> bool {
    let has = |word: &str| words.iter().any(|found| found == word);
    match words[0].as_str() {
        "watch" => !has("--duration") && !has("--") && !has("--help"),
        "probe" => has("--listen"),
        _ => false,
    }
}

/// Runs it, and interrupts it after its first line if it would stay.
fn run(words: &[String], home: &Path) -> Output {
    let programs = Path::new(ZCDIAG).parent().expect("a directory").display().to_string();
    let path = format!("{programs}:{}", std::env::var("PATH").expect("a path"));
    let mut command = Command::new(ZCDIAG);
    command.args(words).current_dir(home).env("PATH", path).stdin(Stdio::null());
    if !stays(words) {
        return command.output().expect("run zcdiag");
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("run zcdiag");
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    let mut said = String::new();
    stdout.read_line(&mut said).expect("its first line");
    kill_process(Pid::from_child(&child), Signal::INT).expect("interrupt it");
    stdout.read_to_string(&mut said).expect("the others");
    let output = child.wait_with_output().expect("its end");
    Output { stdout: said.into_bytes(), ..output }
}

/// Each kernel that has all that they take runs its share of them.
#[test]
fn every_command_of_the_documentation_runs() {
    let share = match kernel() {
        Kernel::V5_10 => return,
        Kernel::V6_1 => 0,
        Kernel::V6_12 => 1,
        Kernel::Newest => 2,
    };
    in_guest(|| {
        crate::socket::unshare_network();
        ip("link set lo up");
        let far = Elsewhere::new();
        ip(&format!("link add bond0 type veth peer name far netns {}", far.name));
        ip("addr add 10.0.0.1/24 dev bond0");
        ip("link set bond0 up");
        let _receiver = far.enter(|| {
            ip("addr add 10.0.0.2/24 dev far");
            ip("link set far up");
            Daemon::sink("10.0.0.2:9000")
        });
        let tap = Daemon::start(
            "tcpdump",
            &["-Z", "root", "-i", "bond0", "-w", "/dev/null"],
            Says::Err,
            "listening on",
        );
        let _service = Daemon::start(ZCDIAG, &["daemon"], Says::Err, "metrics at");
        let sender = Probe::start("10.0.0.2:9 --udp -n 1000000 --interval 50ms");
        let home = home();
        let mut failed = Vec::new();
        let typed = typed();
        assert!(typed.len() > 30, "{} commands were found", typed.len());
        // What is recorded is read by others.
        let mine = |index: usize, command: &str| command.contains("--record") || index % SHARES == share;
        for (_, command) in typed.iter().enumerate().filter(|(index, command)| mine(*index, command)) {
            let words = words(command, tap.pid());
            // The service is there already.
            if words == ["daemon"] {
                continue;
            }
            let output = run(&words, home.path());
            let code = output.status.code();
            let (stdout, stderr) =
                (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            // The next one that verifies a cure needs copies to cure.
            if words[0] == "verify" && words.iter().any(|word| word == "mute") {
                run(&["unmute".to_owned(), tap.pid().to_string()], home.path());
            }
            // Its name alone speaks of a command, and does not type it.
            let named = words.len() == 1 && code == Some(2);
            let written = words.iter().skip_while(|word| *word != "-o").nth(1);
            let says = written.map_or(!stdout.is_empty(), |file| home.path().join(file).exists());
            // 3 is the answer "copied".
            let right = matches!(code, Some(0 | 3)) && says;
            if !right && !named {
                failed.push(format!("{command}: {}\n{stdout}{stderr}", output.status));
            }
        }
        sender.stop();
        assert!(failed.is_empty(), "{}", failed.join("\n"));
    });
}
