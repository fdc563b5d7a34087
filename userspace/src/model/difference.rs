//! What changed from one watch to another.

use super::{
    cause::CauseId,
    fleet::Identity,
    report::{CauseReport, Report, Split, Verdict},
};

/// Part of all sends that a share has to change by before it counts as more or less: one percentage point.
pub const NOTICEABLE: f64 = 0.01;

/// Two watches side by side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// What the first one saw.
    pub before: Report,
    /// What the second one saw.
    pub after: Report,
    /// Causes of either, by what changed most.
    pub causes: Vec<CauseChange>,
    /// Whose taps are to blame in either, those that came first.
    pub culprits: Vec<CulpritChange>,
    /// Senders whose sends end otherwise, those with most copied sends first.
    pub senders: Vec<SenderChange>,
}

/// One of the two watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The first.
    Before,
    /// The second.
    After,
}

/// Whether it is better now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trend {
    /// A smaller share is copied.
    Better,
    /// A greater share is copied.
    Worse,
    /// Neither.
    Unchanged,
}

/// Why it cannot be told whether it is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Counts are lower bounds.
    Inexact(Side),
    /// A filter leaves sends out.
    Filtered(Side),
    /// Nothing was sent.
    Idle(Side),
}

/// Copied sends, and what part of all sends of their watch they are.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Amount {
    /// How many.
    pub sends: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Part of all sends, from 0 to 1; 0 where nothing was sent.
    pub share: f64,
    /// Part of all bytes, in the same way.
    pub byte_share: f64,
}

/// What became of something that copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was not there before.
    Came,
    /// It is not there any more.
    Went,
    /// It copies a greater share.
    Grew,
    /// It copies a smaller share.
    Shrank,
    /// It copies about the same share, or was never there.
    Stayed,
}

impl Change {
    /// From one amount to another.
    pub fn between(before: Amount, after: Amount) -> Self {
        match (before.sends, after.sends) {
            (0, 0) => Self::Stayed,
            (0, _) => Self::Came,
            (_, 0) => Self::Went,
            _ if after.share - before.share >= NOTICEABLE => Self::Grew,
            _ if before.share - after.share >= NOTICEABLE => Self::Shrank,
            _ => Self::Stayed,
        }
    }

    /// What that means for sends.
    pub fn trend(self) -> Trend {
        match self {
            Self::Came | Self::Grew => Trend::Worse,
            Self::Went | Self::Shrank => Trend::Better,
            Self::Stayed => Trend::Unchanged,
        }
    }
}

/// One cause on devices of one name: their numbers differ from boot to boot.
#[derive(Clone, Debug, PartialEq)]
pub struct CauseChange {
    /// Which cause.
    pub cause: CauseId,
    /// Name of the device; `None` if the sends never came so far, or it is unknown.
    pub device: Option<String>,
    /// Whether these sends were reported zerocopied all the same.
    pub hidden: bool,
    /// What it copied before.
    pub before: Amount,
    /// What it copies now.
    pub after: Amount,
}

impl CauseChange {
    /// What became of it.
    pub fn change(&self) -> Change {
        Change::between(self.before, self.after)
    }
}

/// A program whose taps are to blame on devices of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct CulpritChange {
    /// Name of the process that holds the tap; `None` if no holder was found.
    pub program: Option<String>,
    /// Name of the device.
    pub device: Option<String>,
    /// Sends copied before by causes that blame it.
    pub before: Amount,
    /// The same now.
    pub after: Amount,
}

impl CulpritChange {
    /// What became of it.
    pub fn change(&self) -> Change {
        Change::between(self.before, self.after)
    }
}

/// A sender, however many processes it was, whose sends end otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct SenderChange {
    /// Who.
    pub identity: Identity,
    /// What it sent before.
    pub before: Split,
    /// What it sends now.
    pub after: Split,
}

impl SenderChange {
    /// What that means for it. Who comes or goes without a copied send makes nothing better or worse.
    pub fn trend(&self) -> Trend {
        let [before, after] = [self.before, self.after];
        let [had, has] = [before.copied, after.copied].map(i128::from);
        let [all, all_now] = [before.total(), after.total()].map(i128::from);
        let change = has * all - had * all_now;
        // A hundredth of the sends, as elsewhere.
        if all * all_now > 0 && change.abs() * 100 >= all * all_now {
            return if change > 0 { Trend::Worse } else { Trend::Better };
        }
        let rank = |sends| match Verdict::on(sends) {
            Verdict::Idle | Verdict::Zerocopied | Verdict::Elsewhere => 0,
            Verdict::Mixed => 1,
            Verdict::Copied => 2,
        };
        match rank(self.before).cmp(&rank(self.after)) {
            std::cmp::Ordering::Less => Trend::Worse,
            std::cmp::Ordering::Greater => Trend::Better,
            std::cmp::Ordering::Equal => Trend::Unchanged,
        }
    }
}

impl Difference {
    /// What one of the two saw.
    pub fn report(&self, side: Side) -> &Report {
        match side {
            Side::Before => &self.before,
            Side::After => &self.after,
        }
    }

    /// What is copied of all that was sent, before and after, whatever the kernel said of it.
    pub fn copied(&self) -> [Amount; 2] {
        [&self.before, &self.after].map(Amount::copied)
    }

    /// How the share of copied sends has changed, as far as it was seen.
    pub fn trend(&self) -> Trend {
        let [before, after] = self.copied();
        Change::between(before, after).trend()
    }

    /// Whether it is better now; `None` if that cannot be told.
    pub fn verdict(&self) -> Option<Trend> {
        self.doubts().is_empty().then(|| self.trend())
    }

    /// Why it cannot be told; empty if it can.
    pub fn doubts(&self) -> Vec<Doubt> {
        let mut doubts = Vec::new();
        for side in [Side::Before, Side::After] {
            let report = self.report(side);
            if !report.exact() {
                doubts.push(Doubt::Inexact(side));
            }
            if report.filtered.is_some() {
                doubts.push(Doubt::Filtered(side));
            }
            if report.sends == Split::default() {
                doubts.push(Doubt::Idle(side));
            }
        }
        doubts
    }
}

impl Amount {
    /// So much of what a watch saw.
    pub fn of(sends: u64, bytes: u64, report: &Report) -> Self {
        let part = |part: u64, whole: Split| {
            let whole = float(whole.zerocopied) + float(whole.copied);
            if whole > 0.0 { (float(part) / whole).min(1.0) } else { 0.0 }
        };
        Self { sends, bytes, share: part(sends, report.sends), byte_share: part(bytes, report.bytes) }
    }

    /// All that a watch saw copied: what was reported so, and what was reported zerocopied and copied all the same.
    fn copied(report: &Report) -> Self {
        let hidden = hidden(report);
        Self::of(
            report.sends.copied.saturating_add(hidden.sends),
            report.bytes.copied.saturating_add(hidden.bytes),
            report,
        )
    }
}

/// Sends that were reported zerocopied and copied all the same, at least in part.
pub fn hidden(report: &Report) -> Amount {
    let sum = |count: fn(&CauseReport) -> u64| report.hidden.iter().map(count).fold(0, u64::saturating_add);
    Amount::of(sum(|cause| cause.sends), sum(|cause| cause.bytes), report)
}

/// Seconds of a processor that copying took for each gigabyte (10⁹ bytes) that was sent, copied or not; `None` if
/// nothing was.
pub fn copying_per_gigabyte(report: &Report) -> Option<f64> {
    let bytes = float(report.bytes.zerocopied) + float(report.bytes.copied);
    (bytes > 0.0).then(|| report.copy_time.as_secs_f64() * 1e9 / bytes)
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn float(count: u64) -> f64 {
    count as f64
}
