//! When and how long to wait before a failed request is repeated.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::options::RetryPolicy;

/// The tries of one request or transfer.
#[derive(Debug)]
pub(crate) struct Attempts {
    policy: RetryPolicy,
    failed: u32,
}

impl Attempts {
    /// No try has failed yet.
    pub(crate) fn new(policy: RetryPolicy) -> Self {
        Self { policy, failed: 0 }
    }

    /// Something moved since the last failure: start counting anew.
    pub(crate) fn progressed(&mut self) {
        self.failed = 0;
    }

    /// Waits if another try makes sense, else hands the error back.
    pub(crate) async fn wait_after(&mut self, error: Error) -> Result<()> {
        if error.is_transient() { self.wait_before_another_way(error).await } else { Err(error) }
    }

    /// The same for an error that does not pass by itself, where the next try is another one.
    pub(crate) async fn wait_before_another_way(&mut self, error: Error) -> Result<()> {
        self.failed += 1;
        if self.failed >= self.policy.attempts {
            return Err(error);
        }
        let wait = match error.retry_after() {
            Some(asked) if asked > self.policy.longest_wait * 10 => return Err(error),
            Some(asked) => asked,
            None => self.backoff(),
        };
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// Doubles with each failure; up to a quarter is taken off at random, so that clients do not come back all at once.
    fn backoff(&self) -> Duration {
        let doubled = self.policy.first_wait.saturating_mul(1 << (self.failed - 1).min(16));
        let wait = doubled.min(self.policy.longest_wait);
        let mut random = [0];
        match getrandom::fill(&mut random) {
            Ok(()) => wait - wait / 4 * u32::from(random[0]) / 255,
            Err(_) => wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Attempts;
    use crate::options::RetryPolicy;

    #[test]
    fn waits_double_up_to_the_longest() {
        let policy = RetryPolicy {
            attempts: 9,
            first_wait: Duration::from_millis(100),
            longest_wait: Duration::from_millis(500),
        };
        for (failed, longest) in [(1, 100), (2, 200), (3, 400), (4, 500), (8, 500)] {
            let wait = Attempts { policy, failed }.backoff().as_millis();
            assert!(wait <= longest && wait >= longest * 3 / 4, "{failed}: {wait}");
        }
    }
}
