//! What is left out once zcdiag costs more than the user allows, and when it comes back. Pure.

use std::time::Duration;

/// What is left out, each with all before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Nothing.
    Full,
    /// Most stacks.
    StacksSampled,
    /// And per-packet hooks.
    HooksDetached,
}

/// Of how many stacks one is walked then.
pub(super) const ONE_STACK_OF: u32 = 64;
/// So many intervals in a row make a change: not a single burst.
const IN_A_ROW: u32 = 3;
/// Calm is what costs no more than this part of the budget.
const CALM_SHARE: f64 = 0.5;
/// What was left out last comes back after so much calm; twice that each time that it was soon too dear again.
const CALM: Duration = Duration::from_mins(1);
/// At most after so much.
const LONGEST_CALM: Duration = Duration::from_hours(1);

/// Compares what is spent with what may be.
#[derive(Debug)]
pub(super) struct Budget {
    /// Share of one CPU.
    share: f64,
    level: Level,
    over: u32,
    /// How long it has been calm.
    calm: Duration,
    /// How much calm brings something back.
    wait: Duration,
    /// How long ago something came back, if nothing was left out since.
    back: Option<Duration>,
    /// Whether what was detached cannot be attached again.
    stays: bool,
    /// What was said of each level above the first.
    said: Vec<String>,
}

impl Budget {
    /// `percent` of one CPU.
    pub(super) fn new(percent: f64) -> Self {
        Self {
            share: percent / 100.0,
            level: Level::Full,
            over: 0,
            calm: Duration::ZERO,
            wait: CALM,
            back: None,
            stays: false,
            said: Vec::new(),
        }
    }

    pub(super) fn level(&self) -> Level {
        self.level
    }

    /// What is left out now, in sentences.
    pub(super) fn left_out(&self) -> &[String] {
        &self.said[..self.said.len().min(self.level as usize)]
    }

    /// What was detached cannot be attached again, and stays left out.
    pub(super) fn stay_detached(&mut self) {
        self.level = Level::HooksDetached;
        self.stays = true;
    }

    /// Takes in what an interval has cost; the level from now on, if that is new, and what to say.
    pub(super) fn judge(&mut self, spent: Duration, interval: Duration) -> Option<(Level, String)> {
        if interval.is_zero() {
            return None;
        }
        let share = spent.as_secs_f64() / interval.as_secs_f64();
        self.over = if share > self.share { self.over + 1 } else { 0 };
        self.calm = if share <= CALM_SHARE * self.share { self.calm + interval } else { Duration::ZERO };
        self.back = self.back.map(|back| back + interval);
        let (level, what) = if self.over >= IN_A_ROW { self.leave_out()? } else { self.give_back()? };
        self.level = level;
        self.over = 0;
        self.calm = Duration::ZERO;
        let (share, allowed) = (100.0 * share, 100.0 * self.share);
        let said = format!("zcdiag takes {share:.1} % of a CPU, and may take {allowed} %: {what}");
        let left_out = self.back.is_none();
        if left_out {
            self.said.truncate(level as usize - 1);
            self.said.push(said.clone());
        }
        Some((level, said))
    }

    fn leave_out(&mut self) -> Option<(Level, String)> {
        let (level, lost) = match self.level {
            Level::Full => (
                Level::StacksSampled,
                format!(
                    "one stack of {ONE_STACK_OF} is walked from now on, and copies whose place only a stack tells are \
                     `unknown` without one"
                ),
            ),
            Level::StacksSampled => (
                Level::HooksDetached,
                "per-packet hooks are detached: which sockets were given copied packets, why packets \
                 were copied on the receive path, hidden copies, dropped packets and failed sends are not seen any more"
                    .to_owned(),
            ),
            Level::HooksDetached => return None,
        };
        self.wait = match self.back.take() {
            Some(back) if back < self.wait => LONGEST_CALM.min(2 * self.wait),
            Some(_) => CALM,
            None => self.wait,
        };
        Some((level, lost))
    }

    fn give_back(&mut self) -> Option<(Level, String)> {
        let (level, what) = match self.level {
            _ if self.calm < self.wait || self.stays => return None,
            Level::HooksDetached => (Level::StacksSampled, "per-packet hooks are attached again"),
            Level::StacksSampled => (Level::Full, "every stack is walked again"),
            Level::Full => return None,
        };
        self.back = Some(Duration::ZERO);
        Some((level, what.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn what_keeps_costing_too_much_is_left_out_step_by_step() {
        let mut budget = Budget::new(1.0);
        let mut levels = Vec::new();
        for _ in 0..9 {
            levels.extend(budget.judge(millis(34), SECOND).map(|(level, _)| level));
        }
        assert_eq!(levels, [Level::StacksSampled, Level::HooksDetached]);
        assert_eq!(budget.level(), Level::HooksDetached, "and that is all there is to leave out");
    }

    #[test]
    fn it_says_what_it_takes_and_what_is_lost() {
        let mut budget = Budget::new(0.5);
        let said = (0..3).find_map(|_| budget.judge(millis(34), SECOND)).expect("it is too much").1;
        assert!(
            said.starts_with("zcdiag takes 3.4 % of a CPU, and may take 0.5 %: one stack of 64"),
            "{said}"
        );
    }

    /// Changes of the level while each of so many seconds takes so many milliseconds, by the second.
    fn changes(budget: &mut Budget, seconds: u64, spent: u64) -> Vec<(u64, Level)> {
        (1..=seconds)
            .filter_map(|second| budget.judge(millis(spent), SECOND).map(|(level, _)| (second, level)))
            .collect()
    }

    #[test]
    fn what_was_left_out_comes_back_step_by_step_once_it_is_cheap_for_a_while() {
        let mut budget = Budget::new(1.0);
        assert_eq!(changes(&mut budget, 6, 34), [(3, Level::StacksSampled), (6, Level::HooksDetached)]);
        assert_eq!(changes(&mut budget, 600, 6), [], "more than half of what it may take");
        let back = [(60, Level::StacksSampled), (120, Level::Full)];
        assert_eq!(changes(&mut budget, 600, 4), back, "a minute of calm each");
        assert_eq!(changes(&mut budget, 3, 34), [(3, Level::StacksSampled)], "and it can go again");
    }

    #[test]
    fn what_is_too_dear_again_at_once_stays_away_for_longer_each_time() {
        let mut budget = Budget::new(1.0);
        let mut waits = Vec::new();
        for _ in 0..9 {
            changes(&mut budget, 3, 34);
            let wait =
                (1..10_000).find(|_| budget.judge(millis(4), SECOND).is_some()).expect("it comes back");
            waits.push(wait);
        }
        assert_eq!(waits, [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
        changes(&mut budget, 4000, 4);
        changes(&mut budget, 3, 34);
        assert_eq!(changes(&mut budget, 60, 4), [(60, Level::Full)], "it was well for longer than that");
    }

    #[test]
    fn it_says_that_it_has_recovered() {
        let mut budget = Budget::new(0.5);
        changes(&mut budget, 6, 34);
        assert_eq!(budget.left_out().len(), 2);
        let mut said = (0..120).filter_map(|_| budget.judge(millis(1), SECOND));
        let (one, other) = (said.next().expect("back").1, said.next().expect("all is back").1);
        assert_eq!(
            one,
            "zcdiag takes 0.1 % of a CPU, and may take 0.5 %: per-packet hooks are attached again"
        );
        assert!(other.ends_with("every stack is walked again"), "{other}");
        drop(said);
        assert!(budget.left_out().is_empty());
    }

    #[test]
    fn what_cannot_be_had_again_stays_left_out() {
        let mut budget = Budget::new(1.0);
        changes(&mut budget, 6, 34);
        assert_eq!(changes(&mut budget, 60, 4), [(60, Level::StacksSampled)]);
        budget.stay_detached();
        assert_eq!((budget.level(), budget.left_out().len()), (Level::HooksDetached, 2));
        assert_eq!(changes(&mut budget, 10_000, 4), []);
    }

    #[test]
    fn a_burst_is_forgiven() {
        let mut budget = Budget::new(1.0);
        for spent in [34, 34, 1, 34, 34, 10] {
            assert_eq!(budget.judge(millis(spent), SECOND), None);
        }
        assert_eq!(budget.level(), Level::Full);
    }
}
