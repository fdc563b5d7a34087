//! Programs that are known by the libraries that they have mapped.

use std::{
    fs,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
};

use zcdiag::{
    app::{mute, outcome::code},
    model::{
        kernel::TapListScope,
        mute::{MuteAction, MuteTarget},
        remedy::Action,
    },
    process::ProcRoot,
};

use crate::{
    sandbox::{find, in_sandbox, report},
    socket::{self, ETH_P_ALL, inode},
};

/// A process that is stopped at the end.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn who_has_libpcap_mapped_hears_what_helps_and_what_mute_takes_away() {
    in_sandbox(|v0| {
        let tap = socket::open(ETH_P_ALL);
        socket::bind(&tap, ETH_P_ALL, v0);
        let inode = inode(&tap);
        // Not every machine has libpcap: a program whose file has that name is mapped under it as well.
        let dir = tempfile::tempdir().expect("temporary directory");
        let file = dir.path().join("libpcap.so.1.10.3");
        fs::copy("/bin/cat", &file).expect("copy a program");
        let mut command = Command::new(&file);
        command.arg0("cat").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(tap);
        let _capture = Process(command.spawn().expect("run the copy"));
        // It has a descriptor of the tap, too.
        drop(command);

        let report = report();
        let judgement = &find(&report, inode).judgement;
        let program = judgement.program.as_ref().expect("a program that is known");
        assert_eq!(program.name, "a program that has libpcap mapped");
        let remedies: Vec<_> = judgement.remedies.iter().map(|remedy| &remedy.what).collect();
        assert!(
            matches!(&remedies[..], [Action::Mute(muted), Action::Do(what)]
            if *muted == inode && what.contains("device that carries no zero-copy sends")),
            "{remedies:?}"
        );
        let lacks = "of what this host sends is missing";
        assert!(
            judgement.notes.iter().any(|note| note.starts_with("once muted") && note.contains(lacks)),
            "{judgement:?}"
        );

        let notes = tempfile::tempdir().expect("temporary directory");
        let options = mute::MuteOptions {
            notes: notes.path().into(),
            action: MuteAction::Mute,
            targets: vec![MuteTarget::Inode(inode)],
            dry_run: true,
            json: false,
            color: false,
            scope: Some(TapListScope::PerNetns),
            proc: ProcRoot::system(),
            holders: "/nonexistent".into(),
        };
        let mut out = Vec::new();
        assert_eq!(mute::run(&options, &mut out, &mut Vec::new()).expect("an answer"), code::OK);
        let text = String::from_utf8(out).expect("text is UTF-8");
        let words: Vec<_> = text.split_whitespace().collect();
        assert!(words.join(" ").contains(lacks), "{text}");
    });
}
