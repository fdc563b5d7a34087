//! For how long applications wait for notifications.

use std::time::Duration;

use zcdiag_wire::Latency;

/// Ages of notifications, from the send to the notification. Some are timed, among them the first in each jiffy; the shortest
/// and the longest are exact, the others within an eighth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ages {
    /// How many were timed.
    pub timed: u64,
    /// The shortest.
    pub least: Duration,
    /// Half took no longer.
    pub median: Duration,
    /// 99 of 100 took no longer.
    pub p99: Duration,
    /// The longest.
    pub most: Duration,
}

impl Ages {
    /// Sums up what was timed; `None` if nothing was.
    pub fn of(latency: &Latency) -> Option<Self> {
        let timed: u64 = latency.spans.iter().map(|count| u64::from(*count)).sum();
        if timed == 0 {
            return None;
        }
        let [least, most] = [latency.least_ns, latency.most_ns.max(latency.least_ns)];
        let at = |hundredths: u64| {
            let rank = (timed * hundredths).div_ceil(100).max(1);
            let mut seen = 0;
            let span = latency.spans.iter().position(|count| {
                seen += u64::from(*count);
                seen >= rank
            });
            let span = span.unwrap_or_default();
            let middle = u64::midpoint(Latency::begin_of(span), Latency::begin_of(span + 1));
            Duration::from_nanos(middle.clamp(least, most))
        };
        let [least, most] = [least, most].map(Duration::from_nanos);
        Some(Self { timed, least, median: at(50), p99: at(99), most })
    }
}

/// What was timed later than `earlier`; of that, the shortest and the longest are known to a span unless they are those of
/// the whole.
pub(crate) fn since(earlier: &Latency, later: &Latency) -> Latency {
    let mut between = *later;
    between.timed = later.timed.saturating_sub(earlier.timed);
    for (count, before) in between.spans.iter_mut().zip(earlier.spans) {
        *count = count.saturating_sub(before);
    }
    let used = |span: &usize| between.spans[*span] > 0;
    if earlier.timed > 0 {
        let (first, last) = ((0..Latency::SPANS).find(used), (0..Latency::SPANS).rfind(used));
        if let (Some(first), Some(last)) = (first, last) {
            between.least_ns = later.least_ns.max(Latency::begin_of(first));
            between.most_ns = later.most_ns.min(Latency::begin_of(last + 1));
        }
    }
    between
}

/// Both together.
pub(crate) fn plus(one: &Latency, other: &Latency) -> Latency {
    if one.timed == 0 {
        return *other;
    }
    if other.timed == 0 {
        return *one;
    }
    let mut sum = *one;
    sum.timed = one.timed.saturating_add(other.timed);
    sum.least_ns = one.least_ns.min(other.least_ns);
    sum.most_ns = one.most_ns.max(other.most_ns);
    for (count, more) in sum.spans.iter_mut().zip(other.spans) {
        *count = count.saturating_add(more);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timed(ages: &[u64]) -> Latency {
        let mut latency = Latency::ZERO;
        for ns in ages {
            latency.spans[Latency::span(*ns)] += 1;
        }
        latency.timed = ages.len() as u64;
        latency.least_ns = ages.iter().copied().min().unwrap_or_default();
        latency.most_ns = ages.iter().copied().max().unwrap_or_default();
        latency
    }

    #[test]
    fn every_age_is_in_the_span_that_it_is_counted_in() {
        for ns in (0..63).flat_map(|power| [1 << power, (1 << power) + 1, (1_u64 << power) * 3 / 2]) {
            let span = Latency::span(ns);
            let last = span == Latency::SPANS - 1;
            assert!(
                Latency::begin_of(span) <= ns && (last || ns < Latency::begin_of(span + 1)),
                "{ns} in {span}"
            );
        }
    }

    #[test]
    fn ages_are_summed_up_within_an_eighth() {
        let ages: Vec<u64> = (1..=1000).map(|number| number * 10_000).collect();
        let ages = Ages::of(&timed(&ages)).expect("some were timed");
        let near = |age: Duration, ns: u64| age.as_nanos().abs_diff(ns.into()) <= u128::from(ns) / 8;
        assert_eq!((ages.timed, ages.least.as_nanos(), ages.most.as_nanos()), (1000, 10_000, 10_000_000));
        assert!(near(ages.median, 5_000_000) && near(ages.p99, 9_900_000), "{ages:?}");
        assert_eq!(Ages::of(&Latency::ZERO), None);
        let one = Ages::of(&timed(&[7_777])).expect("one was timed");
        assert_eq!([one.least, one.median, one.p99, one.most], [Duration::from_nanos(7_777); 4]);
    }

    #[test]
    fn what_was_timed_in_between_adds_up_to_the_whole() {
        let (earlier, later) = (timed(&[5_000, 1_000_000]), timed(&[5_000, 1_000_000, 20_000, 30_000]));
        let between = since(&earlier, &later);
        let ages = Ages::of(&between).expect("two were timed");
        assert_eq!(ages.timed, 2);
        assert!(
            ages.least >= Duration::from_micros(16) && ages.most <= Duration::from_micros(33),
            "{ages:?}"
        );
        let sum = plus(&earlier, &between);
        assert_eq!((sum.spans, sum.timed, sum.most_ns), (later.spans, later.timed, later.most_ns));
    }
}
