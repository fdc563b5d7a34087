//! Sends per second over the time of the watch, and when taps were there.

use std::time::Duration;

use maud::{Markup, html};

use super::percent::percent_of_time;
use crate::{
    model::{
        report::{Report, Split},
        sighting::Sighting,
    },
    render::{
        lines::harmless,
        sighting,
        words::{plural, time},
    },
};

/// More bars than this cannot be told apart.
const MOST_BARS: usize = 200;
/// Height of the drawing.
const HEIGHT: f64 = 120.0;

/// What was sent in a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Its end, from the beginning of the watch.
    pub until: Duration,
    /// Its length.
    pub length: Duration,
    /// Sends.
    pub sends: Split,
}

impl Point {
    #[expect(clippy::cast_precision_loss, reason = "it is drawn")]
    fn rates(self) -> (f64, f64) {
        // A stretch of almost no time, as the last one may be, would have a rate of almost anything.
        let seconds = self.length.as_secs_f64().max(0.1);
        (self.sends.zerocopied as f64 / seconds, self.sends.copied as f64 / seconds)
    }
}

pub(super) fn section(points: &[Point], report: &Report) -> Markup {
    let duration = report.duration;
    let points = coarsen(points);
    let highest = points.iter().map(|point| point.rates().0 + point.rates().1).fold(0.0, f64::max);
    html! {
        @if highest > 0.0 {
            section {
                h2 { "Sends per second" }
                div.legend {
                    span.key.copied { "copied (zc=n)" } span.key.zerocopied { "zerocopied (zc=y)" }
                    span.top { "highest " (format!("{highest:.0}")) "/s" }
                }
                svg.timeline role="img" aria-label="Sends per second over time" width="100%" height=(HEIGHT) {
                    @for point in &points { (bar(*point, duration, highest)) }
                }
                (lanes(report))
                div.axis { span { "0" } span { (time(duration / 2)) } span { (time(duration)) } }
            }
        }
    }
}

/// For each tap the time that it was open, and in it the time in which it was given copied packets.
fn lanes(report: &Report) -> Markup {
    let taps = report.taps.iter();
    let seen = taps.filter_map(|tap| Some((&tap.tap, report.sightings.get(&tap.tap.inode)?)));
    html! {
        @for (tap, sighting) in seen {
            div.lane {
                svg role="img" aria-label="When the tap was open" width="100%" height="8" {
                    title { (harmless(&tap.holder_or_inode())) " " (sighting::clause(sighting)) }
                    (stretch("open", opened(sighting), closed(sighting, report.duration), report.duration))
                    (stretch("copied", sighting.first, sighting.last, report.duration))
                }
                span.small { (harmless(&tap.holder_or_inode())) " " (sighting::clause(sighting)) }
            }
        }
    }
}

fn opened(sighting: &Sighting) -> Duration {
    sighting.lifetime.opened.unwrap_or_default()
}

fn closed(sighting: &Sighting, end: Duration) -> Duration {
    sighting.lifetime.closed.unwrap_or(end)
}

fn stretch(class: &str, from: Duration, until: Duration, duration: Duration) -> Markup {
    let x = percent_of_time(from, duration);
    let width = percent_of_time(until.saturating_sub(from), duration).max(0.3);
    html! { rect class=(class) x=(format!("{x:.2}%")) width=(format!("{width:.2}%")) y="0" height="8" {} }
}

fn bar(point: Point, duration: Duration, highest: f64) -> Markup {
    let (zerocopied, copied) = point.rates();
    let scale = (HEIGHT - 2.0) / highest;
    let (high, low) = (copied * scale, zerocopied * scale);
    let start = point.until.saturating_sub(point.length);
    let x = percent_of_time(start, duration);
    // A gap between bars, but never a bar without width.
    let width = (percent_of_time(point.length, duration) * 0.9).max(0.15);
    let part = |class: &str, y: f64, height: f64| {
        html! {
            @if height > 0.0 {
                rect class=(class) x=(format!("{x:.2}%")) width=(format!("{width:.2}%"))
                    y=(format!("{y:.1}")) height=(format!("{:.1}", height.max(1.0))) {}
            }
        }
    };
    html! {
        g {
            title {
                (time(start)) " to " (time(point.until)) ": " (plural(point.sends.copied, "send")) " copied, "
                (point.sends.zerocopied) " zerocopied"
            }
            (part("copied", HEIGHT - high, high))
            (part("zerocopied", HEIGHT - high - low, low))
        }
    }
}

/// The same in few points.
fn coarsen(points: &[Point]) -> Vec<Point> {
    let together = points.len().div_ceil(MOST_BARS).max(1);
    let merge = |points: &[Point]| {
        points.iter().copied().reduce(|sum, next| {
            let mut sends = sum.sends;
            sends.add(next.sends);
            Point { until: next.until, length: sum.length + next.length, sends }
        })
    };
    points.chunks(together).filter_map(merge).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_watch_is_drawn_in_few_bars_that_add_up() {
        let second = Duration::from_secs(1);
        let points: Vec<Point> = (1..=1001_u32)
            .map(|until| Point {
                until: second * until,
                length: second,
                sends: Split { zerocopied: 1, copied: 2 },
            })
            .collect();
        let few = coarsen(&points);
        assert!(few.len() <= MOST_BARS, "{}", few.len());
        let sum = few.iter().fold(Split::default(), |mut sum, point| {
            sum.add(point.sends);
            sum
        });
        assert_eq!(sum, Split { zerocopied: 1001, copied: 2002 });
        assert_eq!(few.iter().map(|point| point.length).sum::<Duration>(), second * 1001);
        assert_eq!(few.last().map(|point| point.until), Some(second * 1001));
    }
}
