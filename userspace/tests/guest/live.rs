//! The live view on a terminal, as people see it.

use std::{
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    probe::Probe,
    socket::{self, ETH_P_ALL},
    watch::own_comm,
    world::{BEHIND_D0, Missed, ZCDIAG, eventually_so, ifindex, in_world},
};

/// A terminal of 80 columns and 24 lines with a shell.
struct Terminal {
    name: String,
}

impl Terminal {
    fn open() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let terminal = Self { name: format!("zcdiag-{}-{number}", std::process::id()) };
        let shell = "exec env PS1='$ ' sh";
        terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", shell]);
        terminal.shows(&["$"]);
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.args(["-u", "-L", &self.name]).args(arguments).env("LC_ALL", "C.UTF-8");
        let output = command.stdin(Stdio::null()).output().expect("run tmux");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tmux {arguments:?}: {errors}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Types a line.
    fn line(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
        self.press(&["Enter"]);
    }

    fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Waits until all of `parts` are on the screen; gives the screen.
    #[track_caller]
    fn shows(&self, parts: &[&str]) -> String {
        let mut screen = String::new();
        let shown = eventually_so(|| {
            screen = self.screen();
            parts.iter().all(|part| screen.contains(part))
        });
        assert!(shown, "{parts:?} are on the screen:\n{screen}");
        screen
    }

    /// As [`Terminal::shows`]; where the kernel skipped a program, and the view says so, the test begins anew.
    fn shows_unless_missed(&self, part: &str) {
        let mut screen = String::new();
        eventually_so(|| {
            screen = self.screen();
            screen.contains(part) || screen.contains("zc=n: at least ")
        });
        if screen.contains("zc=n: at least ") {
            std::panic::panic_any(Missed(screen));
        }
        assert!(screen.contains(part), "{part:?} is on the screen:\n{screen}");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

/// Runs `test` with a terminal and a tap on `d0`; the terminal must then be as it was.
fn on_a_terminal(mut test: impl FnMut(&Terminal) + Send) {
    in_world(|| {
        let tap = socket::open(ETH_P_ALL);
        socket::bind(&tap, ETH_P_ALL, ifindex("d0"));
        let terminal = Terminal::open();
        terminal.line("before=$(stty -a); echo 'this was here'");
        // What is typed before the shell reads it is echoed among its output.
        terminal.shows(&["\nthis was here\n$"]);
        test(&terminal);
        terminal.line("test \"$before\" = \"$(stty -a)\" && echo as it was");
        terminal.shows(&["\nas it was"]);
    });
}

#[test]
fn the_view_shows_senders_and_causes_and_leads_to_the_cure() {
    on_a_terminal(|terminal| {
        terminal.line(&format!("{ZCDIAG} watch --interval 200ms; echo code $?"));
        terminal.shows(&["no zerocopy send was seen", "? help"]);
        let probe = Probe::start(&format!("{BEHIND_D0} --udp -n 300 --interval 10ms"));
        let culprit = own_comm();
        terminal.shows_unless_missed("zc=n: all ");
        let screen = terminal.shows(&["zc=n: all ", "1 sender, by copied", "tap_tx on d0", "100%", &culprit]);
        assert!(!screen.contains("this was here"), "the view has the screen to itself:\n{screen}");
        let sent = probe.finish().all_copied(300);
        terminal.shows_unless_missed(&format!("zc=n: all 300 sends of zcdiag (pid {})", sent.pid));
        terminal.press(&["Enter"]);
        terminal.shows(&[&format!("zcdiag (pid {}), udp", sent.pid), "Causes", "tap_tx on d0: 300 sends"]);
        terminal.press(&["Enter"]);
        terminal.shows(&["300 sends of zcdiag", "Cures", "zcdiag mute --inode", "Taps"]);
        terminal.press(&["PageDown"]);
        terminal.shows(&["Kernel stack of the first copy", "skb_copy_ubufs", "< dev_queue_xmit_nit"]);
        terminal.press(&["Escape"]);
        terminal.shows(&["1 sender, by copied"]);
        terminal.press(&["/", "x", "y"]);
        terminal.shows(&["0 of 1 sender", "filter: xy"]);
        terminal.press(&["Escape"]);
        terminal.shows(&["1 sender, by copied"]);
        terminal.press(&["q"]);
        terminal.shows(&["cure: ", "code 0"]);
    });
}

#[test]
fn a_signal_gives_the_terminal_back() {
    on_a_terminal(|terminal| {
        terminal.line(&format!("{ZCDIAG} watch; echo code $?"));
        terminal.shows(&["no zerocopy send was seen", "? help"]);
        let shell = terminal.tmux(&["list-panes", "-F", "#{pane_pid}"]);
        let shell = shell.trim();
        let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children"));
        let watch = children.expect("the shell's children").trim().parse().ok().and_then(Pid::from_raw);
        kill_process(watch.expect("the watch"), Signal::TERM).expect("signal the watch");
        terminal.shows(&["\nthis was here", "no zerocopy send was seen", "code 0"]);
    });
}
