//! So many a minute, and no more.

use std::time::Duration;

/// A bucket of tokens that fills up again within a minute.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    per_minute: f64,
    tokens: f64,
    at: Duration,
}

impl Limit {
    /// A full bucket.
    pub fn new(per_minute: u32) -> Self {
        let per_minute = f64::from(per_minute);
        Self { per_minute, tokens: per_minute, at: Duration::ZERO }
    }

    /// Changes the limit.
    pub fn resize(&mut self, per_minute: u32) {
        self.per_minute = f64::from(per_minute);
        self.tokens = self.tokens.min(self.per_minute);
    }

    /// Whether there is one left at this time since the start; if so it is taken.
    pub fn take(&mut self, at: Duration) -> bool {
        let minutes = at.saturating_sub(self.at).as_secs_f64() / 60.0;
        self.tokens = (self.tokens + minutes * self.per_minute).min(self.per_minute);
        self.at = at;
        let left = self.tokens >= 1.0;
        if left {
            self.tokens -= 1.0;
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_a_minute() {
        let mut limit = Limit::new(3);
        let taken =
            |limit: &mut Limit, second| (0..10).filter(|_| limit.take(Duration::from_secs(second))).count();
        assert_eq!(taken(&mut limit, 1), 3, "all at once");
        assert_eq!(taken(&mut limit, 22), 1, "a third of a minute later");
        assert_eq!(taken(&mut limit, 3600), 3, "never more than a minute's");
    }
}
