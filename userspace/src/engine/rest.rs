//! When per-packet hooks rest: while nobody sends with zero copy they tell nothing. Pure.

use std::time::Duration;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Have the kernel side tell of the next zerocopy send.
    Ask,
    /// Detach the hooks.
    Suspend,
    /// Attach them again.
    Resume,
}

/// How long they rest at most, until a look-out as long as the quiet time before: sends with MSG_ZEROCOPY, but
/// without SO_ZEROCOPY, show nowhere else.
const LOOK_OUT: Duration = Duration::from_mins(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There was a zerocopy send, how long ago is not known.
    Busy,
    /// There was none since; all hooks are attached.
    Quiet,
    /// The same, and hooks are detached.
    Resting,
}

/// Times are those since the start.
#[derive(Debug)]
pub(super) struct Rest {
    /// Without a zerocopy send; `None`: they never rest.
    after: Option<Duration>,
    state: State,
    since: Duration,
}

impl Rest {
    pub(super) fn new(after: Option<Duration>) -> Self {
        Self { after, state: State::Busy, since: Duration::ZERO }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.after.is_some()
    }

    pub(super) fn resting(&self) -> bool {
        self.state == State::Resting
    }

    /// What is due at `now`.
    pub(super) fn due(&mut self, now: Duration) -> Option<Act> {
        let after = self.after?;
        let lasted = now.saturating_sub(self.since);
        let (next, act) = match self.state {
            State::Busy if lasted >= after => (State::Quiet, Act::Ask),
            State::Quiet if lasted >= after => (State::Resting, Act::Suspend),
            State::Resting if lasted >= LOOK_OUT => (State::Quiet, Act::Resume),
            _ => return None,
        };
        (self.state, self.since) = (next, now);
        Some(act)
    }

    /// There was a zerocopy send.
    pub(super) fn stirred(&mut self, now: Duration) -> Option<Act> {
        let rested = self.resting();
        (self.state, self.since) = (State::Busy, now);
        rested.then_some(Act::Resume)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: Duration = Duration::from_secs(30);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn hooks_rest_after_a_quiet_time_and_a_send_wakes_them_up() {
        let mut rest = Rest::new(Some(AFTER));
        assert_eq!(rest.due(seconds(29)), None);
        assert_eq!(rest.due(seconds(30)), Some(Act::Ask));
        assert_eq!(rest.due(seconds(59)), None);
        assert_eq!(rest.due(seconds(60)), Some(Act::Suspend));
        assert!(rest.resting());
        assert_eq!(rest.due(seconds(61)), None);
        assert_eq!(rest.stirred(seconds(62)), Some(Act::Resume));
        assert!(!rest.resting());
        assert_eq!(rest.due(seconds(91)), None, "the quiet time begins anew");
    }

    #[test]
    fn a_send_in_the_quiet_time_keeps_them_up() {
        let mut rest = Rest::new(Some(AFTER));
        assert_eq!(rest.due(seconds(30)), Some(Act::Ask));
        assert_eq!(rest.stirred(seconds(59)), None);
        assert_eq!(rest.due(seconds(60)), None);
        assert_eq!(rest.due(seconds(89)), Some(Act::Ask));
    }

    #[test]
    fn now_and_then_they_look_out() {
        let mut rest = Rest::new(Some(AFTER));
        let _ = (rest.due(seconds(30)), rest.due(seconds(60)));
        assert_eq!(rest.due(seconds(659)), None);
        assert_eq!(rest.due(seconds(660)), Some(Act::Resume));
        assert_eq!(rest.due(seconds(690)), Some(Act::Suspend), "the kernel side still waits");
    }

    #[test]
    fn who_wants_no_rest_gets_none() {
        assert_eq!(Rest::new(None).due(seconds(100_000)), None);
    }
}
