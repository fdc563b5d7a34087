//! Remedies in sentences.

use std::borrow::Cow;

use crate::model::{
    further::Enough,
    remedy::{Action, Remedy, When},
};

/// What something to be done is called.
pub(crate) fn called(enough: Enough) -> &'static str {
    match enough {
        Enough::Yes => "cure",
        Enough::Perhaps => "may not be enough alone",
        Enough::No => "not enough alone",
    }
}

/// One as a sentence, which says if it is no cure.
pub(crate) fn sentence(remedy: &Remedy) -> String {
    match remedy.enough {
        Enough::Yes => bare(remedy),
        enough => format!("{}: {}", called(enough), bare(remedy)),
    }
}

/// One as a sentence after a [`called`].
pub(crate) fn bare(remedy: &Remedy) -> String {
    let when = match remedy.when {
        Some(When::AtOnce) => "at once, without a restart: ",
        Some(When::ForGood) => "for good: ",
        None => "",
    };
    let what = match &remedy.what {
        Action::Mute(inode) => {
            format!("zcdiag mute --inode {inode} (the program then no longer sees what this host sends)").into()
        }
        Action::IgnoreOutgoing => {
            Cow::Borrowed("have the program set PACKET_IGNORE_OUTGOING on its socket (Linux 4.20)")
        }
        Action::IgnoringGroup => {
            "have the program make its fanout group with PACKET_FANOUT_FLAG_IGNORE_OUTGOING (Linux 6.2); a group that \
             exists cannot be changed"
                .into()
        }
        Action::BindToOne => "have the program bind to the one device it needs".into(),
        Action::StopOrBindElsewhere => {
            "stop it, or bind it to another device: these packets come in, so PACKET_IGNORE_OUTGOING and zcdiag mute do \
             not help"
                .into()
        }
        Action::NothingAnyMore(reason) => format!("nothing to do any more: by now it {reason}").into(),
        Action::NothingUntilOpen => {
            "nothing to do now: it has been closed; while it is open, `zcdiag taps` names it and `zcdiag mute PID` helps"
                .into()
        }
        Action::Do(text) => Cow::Borrowed(&**text),
    };
    format!("{when}{what}")
}

/// All as sentences.
pub(crate) fn sentences(remedies: &[Remedy]) -> Vec<String> {
    remedies.iter().map(sentence).collect()
}
