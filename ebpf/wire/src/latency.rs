//! For how long applications wait for notifications.

use bytemuck::{Pod, Zeroable};

/// Ages of a sender's notifications, from the birth of the uarg to its last reference, of those that were timed: the first
/// one in each jiffy, and one of 16 besides.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable, PartialEq, Eq)]
pub struct Latency {
    /// How many were timed.
    pub timed: u64,
    /// The shortest, in nanoseconds.
    pub least_ns: u64,
    /// The longest.
    pub most_ns: u64,
    /// How many were in each [`span`](Self::span).
    pub spans: [u32; 128],
}

impl Latency {
    /// Number of spans.
    pub const SPANS: usize = 128;
    /// Nothing timed.
    pub const ZERO: Self = Self { timed: 0, least_ns: 0, most_ns: 0, spans: [0; Self::SPANS] };
    /// The first span ends at 2 to the power of this, in nanoseconds.
    const FIRST: u32 = 10;
    /// Spans for each power of 2, as a power of 2.
    const PARTS: u32 = 2;

    /// The span that an age is in: a quarter of the way from one power of 2 to the next.
    #[inline]
    pub const fn span(ns: u64) -> usize {
        let mut power = 0;
        let mut left = ns;
        // Without an instruction for it, and without a loop.
        let mut step = 32;
        while step > 0 {
            if left >> step != 0 {
                left >>= step;
                power += step;
            }
            step /= 2;
        }
        if power < Self::FIRST {
            return 0;
        }
        let part = (ns >> (power - Self::PARTS) & 3) as u32;
        let span = ((power - Self::FIRST) << Self::PARTS | part) + 1;
        if (span as usize) < Self::SPANS { span as usize } else { Self::SPANS - 1 }
    }

    /// Where a span begins, in nanoseconds.
    pub const fn begin_of(span: usize) -> u64 {
        if span == 0 {
            return 0;
        }
        let span = span as u64 - 1;
        let power = Self::FIRST as u64 + (span >> Self::PARTS);
        (4 | span & 3) << (power - Self::PARTS as u64)
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self::ZERO
    }
}
