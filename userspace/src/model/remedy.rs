//! What to do about copies.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::further::Enough;

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Recorded")]
pub struct Remedy {
    /// When it helps, if that is to be said.
    pub when: Option<When>,
    /// What to do.
    pub what: Action,
    /// Whether it brings zero copy back.
    pub enough: Enough,
}

/// When a remedy helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// At once, without a restart; not for sockets that are opened later.
    AtOnce,
    /// For good.
    ForGood,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Set `PACKET_IGNORE_OUTGOING` on the packet socket of this inode: `zcdiag mute`.
    Mute(u64),
    /// Have the program set it itself.
    IgnoreOutgoing,
    /// Have the program make its fanout group with `PACKET_FANOUT_FLAG_IGNORE_OUTGOING`.
    IgnoringGroup,
    /// Have the program bind to the one device it needs.
    BindToOne,
    /// Stop the program or bind it to another device, for packets come in there and no option helps.
    StopOrBindElsewhere,
    /// Nothing any more, because by now the tap is harmless: why, in one clause that follows "it".
    NothingAnyMore(String),
    /// Nothing now, because the tap has been closed.
    NothingUntilOpen,
    /// What somebody who knows the cause or the program has written.
    Do(Cow<'static, str>),
}

impl Remedy {
    /// Something to do, of which is not said when it helps.
    pub fn new(what: Action) -> Self {
        Self { when: None, what, enough: Enough::Yes }
    }

    /// The same, in the light of what else copies. To do nothing is left as it is.
    #[must_use]
    pub fn if_enough(self, enough: Enough) -> Self {
        match self.what {
            Action::NothingAnyMore(_) | Action::NothingUntilOpen => self,
            _ => Self { enough: self.enough.max(enough), ..self },
        }
    }

    /// As somebody has written it.
    pub fn written(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Action::Do(text.into()))
    }
}

/// As it stands in recordings: format 1 has sentences.
#[derive(Deserialize)]
#[serde(untagged)]
enum Recorded {
    Sentence(String),
    Typed {
        when: Option<When>,
        what: Action,
        #[serde(default)]
        enough: Enough,
    },
}

impl From<Recorded> for Remedy {
    fn from(recorded: Recorded) -> Self {
        match recorded {
            Recorded::Typed { when, what, enough } => Self { when, what, enough },
            Recorded::Sentence(text) => Self::written(text),
        }
    }
}
