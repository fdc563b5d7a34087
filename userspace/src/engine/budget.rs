//! What is left out once zcdiag costs more than the user allows. Pure.

use std::time::Duration;

/// What is left out, each with all before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Nothing.
    Full,
    /// Most stacks.
    StacksSampled,
    /// And what runs for everybody's packets.
    HooksDetached,
}

/// Of how many stacks one is walked then.
pub(super) const ONE_STACK_OF: u32 = 64;
/// So many intervals in a row make a change: not a single burst.
const IN_A_ROW: u32 = 3;

/// Compares what is spent with what may be.
#[derive(Debug)]
pub(super) struct Budget {
    /// Share of one CPU.
    share: f64,
    level: Level,
    over: u32,
}

impl Budget {
    /// `percent` of one CPU.
    pub(super) fn new(percent: f64) -> Self {
        Self { share: percent / 100.0, level: Level::Full, over: 0 }
    }

    pub(super) fn level(&self) -> Level {
        self.level
    }

    /// Takes in what an interval has cost; what is to be left out from now on, if that is new, and what to say.
    pub(super) fn judge(&mut self, spent: Duration, interval: Duration) -> Option<(Level, String)> {
        if interval.is_zero() {
            return None;
        }
        let share = spent.as_secs_f64() / interval.as_secs_f64();
        self.over = if share > self.share { self.over + 1 } else { 0 };
        let (level, lost) = match self.level {
            _ if self.over < IN_A_ROW => return None,
            Level::Full => (
                Level::StacksSampled,
                format!(
                    "one stack of {ONE_STACK_OF} is walked from now on, and copies whose place only a stack tells are \
                     `unknown` without one"
                ),
            ),
            Level::StacksSampled => (
                Level::HooksDetached,
                "what runs for everybody's packets is detached: which sockets were given copied packets, why packets \
                 were copied on the receive path, hidden copies and failed sends are not seen any more"
                    .to_owned(),
            ),
            Level::HooksDetached => return None,
        };
        self.level = level;
        self.over = 0;
        let (share, allowed) = (100.0 * share, 100.0 * self.share);
        Some((level, format!("zcdiag takes {share:.1} % of a CPU, and may take {allowed} %: {lost}")))
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

    #[test]
    fn a_burst_is_forgiven() {
        let mut budget = Budget::new(1.0);
        for spent in [34, 34, 1, 34, 34, 10] {
            assert_eq!(budget.judge(millis(spent), SECOND), None);
        }
        assert_eq!(budget.level(), Level::Full);
    }
}
