//! Whether zero copy is back, by what was seen of live traffic.

use super::report::{CommandOutcome, Report, Verdict};

/// What was seen before and after a cure.
#[derive(Clone, Debug, PartialEq)]
pub struct Verification {
    /// Before it; `None` if none was run.
    pub before: Option<Report>,
    /// The cure that was run in between.
    pub cure: Option<CommandOutcome>,
    /// After it, or now.
    pub after: Report,
}

/// What that proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Sends were copied before the cure, and none is now.
    Restored,
    /// No send is copied; none was before either, or nobody looked.
    Zerocopied,
    /// Sends are still copied, all or some.
    Copied,
    /// Nothing was sent, or not all could be recorded, or what was seen says nothing of what was asked.
    Nothing,
}

impl Verification {
    /// What it proves.
    pub fn proof(&self) -> Proof {
        let was_copied = self.before.as_ref().is_some_and(|before| before.sends.copied > 0);
        match self.after.verdict() {
            Verdict::Copied | Verdict::Mixed => Proof::Copied,
            Verdict::Idle | Verdict::Elsewhere => Proof::Nothing,
            Verdict::Zerocopied if !self.after.exact() => Proof::Nothing,
            Verdict::Zerocopied if was_copied => Proof::Restored,
            // Nobody was seen to send through them.
            Verdict::Zerocopied if !self.after.devices().is_empty() => Proof::Nothing,
            Verdict::Zerocopied => Proof::Zerocopied,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Proof, Verification};
    use crate::model::{
        cause::CauseId,
        filter::{Filter, Filtered},
        lost::Lost,
        report::{Report, Split},
    };

    #[test]
    fn proofs() {
        let seen = |zerocopied, copied| Report { sends: Split { zerocopied, copied }, ..Report::default() };
        let cases = [
            (None, seen(5, 0), Proof::Zerocopied),
            (None, seen(0, 5), Proof::Copied),
            (None, seen(4, 1), Proof::Copied),
            (None, seen(0, 0), Proof::Nothing),
            (Some(seen(0, 5)), seen(5, 0), Proof::Restored),
            (Some(seen(5, 1)), seen(5, 0), Proof::Restored),
            (Some(seen(5, 0)), seen(5, 0), Proof::Zerocopied),
            (Some(seen(0, 5)), seen(0, 0), Proof::Nothing),
            (Some(seen(0, 5)), Report { losses: vec![(Lost::Stacks, 1)], ..seen(5, 0) }, Proof::Nothing),
            (Some(seen(0, 5)), seen(0, 5), Proof::Copied),
        ];
        for (before, after, expected) in cases {
            let verification = Verification { before, cure: None, after };
            assert_eq!(verification.proof(), expected, "{verification:?}");
        }
    }

    #[test]
    fn proofs_of_one_device() {
        let seen = |zerocopied, copied| Report { sends: Split { zerocopied, copied }, ..Report::default() };
        let on_v0 = |zerocopied, copied, elsewhere| {
            let filter = Filter { dev: vec!["v0".to_owned()], ..Filter::default() };
            let causes = [(CauseId::TapTx, elsewhere)].into();
            Report {
                filtered: Some(Filtered { filter, causes, ..Filtered::default() }),
                ..seen(zerocopied, copied)
            }
        };
        // Sends that are not copied may have gone through any.
        let cases = [
            (None, on_v0(5, 0, 0), Proof::Nothing),
            (None, on_v0(5, 5, 0), Proof::Copied),
            (Some(on_v0(5, 0, 0)), on_v0(5, 0, 0), Proof::Nothing),
            (Some(on_v0(0, 5, 0)), on_v0(5, 0, 0), Proof::Restored),
            (Some(on_v0(0, 5, 0)), on_v0(0, 0, 0), Proof::Nothing),
            (Some(on_v0(0, 5, 0)), on_v0(0, 0, 5), Proof::Nothing),
            (Some(on_v0(0, 5, 0)), on_v0(5, 0, 5), Proof::Nothing),
        ];
        for (before, after, expected) in cases {
            let verification = Verification { before, cure: None, after };
            assert_eq!(verification.proof(), expected, "{verification:?}");
        }
    }
}
