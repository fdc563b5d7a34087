//! What copying and zero copy cost on one way, measured.

use std::time::Duration;

use super::{
    probe::{Endpoint, Transport},
    report::Split,
};

/// Sends of one size by one method, for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Bytes that the kernel took.
    pub bytes: u64,
    /// How long that took.
    pub wall: Duration,
    /// CPU time that the sending thread took, in user mode and in the kernel. What the kernel does for it
    /// in interrupts and on other threads is not in it.
    pub cpu: Duration,
}

impl Run {
    /// CPU seconds per GB (10⁹ bytes).
    pub fn cpu_per_gigabyte(&self) -> f64 {
        self.cpu.as_secs_f64() / self.gigabytes()
    }

    /// Gigabytes per second.
    pub fn speed(&self) -> f64 {
        self.gigabytes() / self.wall.as_secs_f64()
    }

    fn gigabytes(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a measurement has fewer digits")]
        let bytes = self.bytes.max(1) as f64;
        bytes / 1e9
    }
}

/// Sends of one size by both methods, by turns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Bytes of a send.
    pub size: usize,
    /// By copying, a run for each round.
    pub copying: Vec<Run>,
    /// With MSG_ZEROCOPY.
    pub zerocopy: Vec<Run>,
    /// What the kernel reported of the latter.
    pub sends: Split,
}

/// How one method does beside the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gain {
    /// Every run with zero copy took less CPU than every run that copied.
    Pays,
    /// Every run with zero copy took more.
    Costs,
    /// The runs overlap.
    Even,
}

impl Row {
    /// Whether zero copy saves CPU for sends of this size.
    pub fn gain(&self) -> Gain {
        let [copying, zerocopy] =
            [&self.copying, &self.zerocopy].map(|runs| Spread::of(runs, Run::cpu_per_gigabyte));
        if zerocopy.max < copying.min {
            Gain::Pays
        } else if zerocopy.min > copying.max {
            Gain::Costs
        } else {
            Gain::Even
        }
    }
}

/// The least, middle and greatest of some measurements.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The least.
    pub min: f64,
    /// The middle one.
    pub median: f64,
    /// The greatest.
    pub max: f64,
}

impl Spread {
    /// Of one measure of all runs; zeros if there are none.
    pub fn of(runs: &[Run], measure: impl Fn(&Run) -> f64) -> Self {
        let mut all: Vec<f64> = runs.iter().map(measure).collect();
        all.sort_unstable_by(f64::total_cmp);
        let at = |index: usize| all.get(index).copied().unwrap_or_default();
        Self { min: at(0), median: at(all.len() / 2), max: at(all.len().saturating_sub(1)) }
    }
}

/// A whole comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Where the sends went.
    pub destination: Endpoint,
    /// How.
    pub transport: Transport,
    /// By size, smallest first.
    pub rows: Vec<Row>,
    /// Sends that the kernel has not reported on in time.
    pub unanswered: u64,
}

impl Comparison {
    /// The size from which on zero copy pays, for it and for all greater ones that were measured.
    pub fn pays_from(&self) -> Option<usize> {
        let paying = self.rows.iter().rev().take_while(|row| row.gain() == Gain::Pays);
        paying.last().map(|row| row.size)
    }

    /// All sends with MSG_ZEROCOPY.
    pub fn sends(&self) -> Split {
        let mut all = Split::default();
        for row in &self.rows {
            all.add(row.sends);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row whose runs took so many milliseconds of CPU.
    fn row(size: usize, copying: [u64; 3], zerocopy: [u64; 3]) -> Row {
        let run =
            |cpu| Run { bytes: 1_000_000, wall: Duration::from_millis(2), cpu: Duration::from_millis(cpu) };
        Row {
            size,
            copying: copying.map(run).into(),
            zerocopy: zerocopy.map(run).into(),
            sends: Split::default(),
        }
    }

    fn comparison(rows: Vec<Row>) -> Comparison {
        Comparison {
            destination: Endpoint::Vsock { cid: 1, port: 9 },
            transport: Transport::Vsock,
            rows,
            unanswered: 0,
        }
    }

    #[test]
    fn it_pays_where_the_spreads_do_not_meet() {
        let (costs, even) = (row(1, [1, 2, 3], [4, 5, 6]), row(2, [1, 9, 3], [2, 3, 4]));
        let (pays, touches) = (row(3, [7, 8, 9], [4, 5, 6]), row(4, [6, 8, 9], [4, 5, 6]));
        assert_eq!(
            [&costs, &even, &pays, &touches].map(Row::gain),
            [Gain::Costs, Gain::Even, Gain::Pays, Gain::Even]
        );
        let larger = row(5, [7, 8, 9], [1, 1, 1]);
        let of = |rows: &[&Row]| comparison(rows.iter().copied().cloned().collect()).pays_from();
        assert_eq!(of(&[&costs, &even, &pays, &larger]), Some(3));
        assert_eq!(
            of(&[&costs, &pays, &even, &larger]),
            Some(5),
            "what pays between two that do not is luck"
        );
        assert_eq!(of(&[&costs, &pays, &even]), None);
    }

    #[test]
    fn a_run_is_measured_by_the_gigabyte() {
        let run = Run { bytes: 500_000_000, wall: Duration::from_secs(2), cpu: Duration::from_secs(1) };
        assert!((run.cpu_per_gigabyte() - 2.0).abs() < 1e-9 && (run.speed() - 0.25).abs() < 1e-9);
        let spread = Spread::of(&[run, Run { cpu: Duration::ZERO, ..run }], Run::cpu_per_gigabyte);
        assert_eq!(spread, Spread { min: 0.0, median: 2.0, max: 2.0 });
    }
}
