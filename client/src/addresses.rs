//! A host name may have several addresses, and some of them may not answer.

use crate::config::ClientConfig;
use crate::error::Error;
use crate::limits::ADDRESS_HEAD_START;
use claviger_protocol::Retry;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Connects to the first of the server's addresses that answers. The caller sets the time.
///
/// # Errors
/// [`Error::Address`] if the address has none, or that of the last attempt. An error that no other address would change
/// is returned at once.
pub(crate) async fn connect_to_any<T, F>(config: &ClientConfig, connect: impl Fn(SocketAddr) -> F) -> Result<T, Error>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    let failed = |source| Error::Address { address: config.address.clone(), source: Arc::new(source) };
    let addresses = tokio::net::lookup_host(&config.address).await.map_err(failed)?;
    let nowhere = failed(io::Error::from(io::ErrorKind::AddrNotAvailable));
    first_to_answer(addresses.map(connect), nowhere).await
}

/// The first result that is none of an unreachable address. Attempts begin in order, each when an earlier one has failed
/// or has had its head start (RFC 8305 section 5), so that an address that swallows packets costs no more than that.
async fn first_to_answer<T, F>(mut attempts: impl Iterator<Item = F>, nowhere: Error) -> Result<T, Error>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    let mut last = nowhere;
    let mut under_way = JoinSet::new();
    loop {
        if let Some(attempt) = attempts.next() {
            under_way.spawn(attempt);
        }
        match timeout(ADDRESS_HEAD_START, under_way.join_next()).await {
            Ok(Some(Ok(Err(error)))) if error.retry() != Retry::Never => last = error,
            Ok(Some(Ok(result))) => return result,
            Ok(None) => return Err(last),
            // Nothing to hear yet, or nothing more of that attempt.
            Err(_) | Ok(Some(Err(_))) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::Pin;
    use std::time::Duration;
    use tokio::time::{Instant, sleep};

    type Attempt = Pin<Box<dyn Future<Output = Result<&'static str, Error>> + Send>>;

    fn unreachable(address: &str) -> Error {
        let source = Arc::new(io::Error::from(io::ErrorKind::ConnectionRefused));
        Error::Unreachable { address: address.to_owned(), source }
    }

    fn answers_after(wait: Duration, result: Result<&'static str, Error>) -> Attempt {
        Box::pin(async move {
            sleep(wait).await;
            result
        })
    }

    fn never_answers() -> Attempt {
        Box::pin(std::future::pending())
    }

    async fn first(attempts: Vec<Attempt>) -> Result<&'static str, Error> {
        first_to_answer(attempts.into_iter(), unreachable("nowhere")).await
    }

    // R-P6
    #[tokio::test(start_paused = true)]
    async fn an_address_that_never_answers_costs_only_its_head_start() {
        let began = Instant::now();
        let attempts = vec![never_answers(), never_answers(), answers_after(Duration::ZERO, Ok("third"))];
        assert_eq!(first(attempts).await.unwrap(), "third");
        assert!(began.elapsed() <= 2 * ADDRESS_HEAD_START + Duration::from_millis(5), "{:?}", began.elapsed());
    }

    // R-P6
    #[tokio::test(start_paused = true)]
    async fn an_address_that_refuses_is_followed_by_the_next_at_once() {
        let began = Instant::now();
        let refuses = answers_after(Duration::ZERO, Err(unreachable("first")));
        assert_eq!(first(vec![refuses, answers_after(Duration::ZERO, Ok("other"))]).await.unwrap(), "other");
        assert!(began.elapsed() < ADDRESS_HEAD_START);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_is_slow_may_still_win() {
        let slow = answers_after(2 * ADDRESS_HEAD_START, Ok("slow"));
        assert_eq!(first(vec![slow, never_answers()]).await.unwrap(), "slow");
    }

    #[tokio::test(start_paused = true)]
    async fn what_no_other_address_would_change_is_returned_at_once() {
        let untrusted = Error::Untrusted { address: String::new(), reason: String::new() };
        let attempts = vec![answers_after(Duration::ZERO, Err(untrusted)), answers_after(Duration::ZERO, Ok("other"))];
        assert!(matches!(first(attempts).await, Err(Error::Untrusted { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_addresses_refuse_the_last_error_is_returned() {
        let refuses = |address, wait| answers_after(wait, Err(unreachable(address)));
        let attempts = vec![refuses("slow", 3 * ADDRESS_HEAD_START), refuses("quick", Duration::ZERO)];
        assert!(matches!(first(attempts).await, Err(Error::Unreachable { address, .. }) if address == "slow"));
        assert!(matches!(first(Vec::new()).await, Err(Error::Unreachable { address, .. }) if address == "nowhere"));
    }
}
