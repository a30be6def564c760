//! How does a test wait for something to become true without depending on how fast the machine is?

use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::time::Instant;

/// A limit for whatever normally takes well under a second: it ends a hanging test, it measures nothing.
pub const LONG: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(25);

/// Asks `check` until it gives a value, and fails with `description` and its last error after `limit`.
///
/// `Ok(None)` and `Err` both mean "not yet": what is being waited for may not answer at all at first.
pub async fn wait_for<T, F, Fut>(description: &str, limit: Duration, mut check: F) -> anyhow::Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = anyhow::Result<Option<T>>>,
{
    let deadline = Instant::now() + limit;
    let mut last = anyhow!("the check itself did not come back");
    while Instant::now() < deadline {
        match tokio::time::timeout_at(deadline, check()).await {
            Ok(Ok(Some(value))) => return Ok(value),
            Ok(Ok(None)) => last = anyhow!("the condition stayed false"),
            Ok(Err(failure)) => last = failure,
            // The deadline fell into a check: the one before it says more.
            Err(_) => break,
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(last).with_context(|| format!("waited {limit:?} in vain until {description}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn gives_the_first_value_and_treats_errors_as_not_yet() {
        let mut calls = 0;
        let value = wait_for("the third try", LONG, || {
            calls += 1;
            let now = calls;
            async move {
                match now {
                    1 => Err(anyhow!("refused")),
                    2 => Ok(None),
                    _ => Ok(Some(now)),
                }
            }
        });
        assert_eq!(value.await.unwrap(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn says_what_it_waited_for_and_the_last_error() {
        let never = wait_for("pigs fly", LONG, || async { Err::<Option<()>, _>(anyhow!("no wings")) });
        assert_eq!(format!("{:#}", never.await.unwrap_err()), "waited 60s in vain until pigs fly: no wings");
    }

    #[tokio::test(start_paused = true)]
    async fn ends_even_when_the_check_hangs() {
        let hangs = wait_for("an answer", LONG, std::future::pending::<anyhow::Result<Option<()>>>);
        assert!(format!("{:#}", hangs.await.unwrap_err()).contains("the check itself did not come back"));
    }
}
