//! Whether worker threads still take up work.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;

/// Whether each of these runtimes does something that it is given within this time. One whose thread is stuck or gone does not.
pub(super) async fn all_answer(runtimes: Vec<Handle>, within: Duration) -> bool {
    let answers: Vec<_> = runtimes.iter().map(|runtime| runtime.spawn(async {})).collect();
    let all = async {
        for answer in answers {
            if answer.await.is_err() {
                return false;
            }
        }
        true
    };
    timeout(within, all).await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;
    use tokio_util::sync::CancellationToken;

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    // R-O1
    #[tokio::test(start_paused = true)]
    async fn a_thread_that_is_stuck_or_gone_is_noticed_among_others() {
        let good = Builder::new_current_thread().build().unwrap();
        let (answering, end) = (good.handle().clone(), CancellationToken::new());
        let ended = end.clone();
        let thread = std::thread::spawn(move || good.block_on(ended.cancelled()));
        // Nobody drives it: it is given work, and does nothing.
        let stuck = Builder::new_current_thread().build().unwrap();
        let gone = Builder::new_current_thread().build().unwrap();
        let gone_handle = gone.handle().clone();
        gone.shutdown_background();
        assert!(all_answer(vec![], SOON).await);
        assert!(!all_answer(vec![answering.clone(), stuck.handle().clone()], SOON).await);
        assert!(!all_answer(vec![gone_handle], SOON).await);
        // On the clock that runs: the other thread takes real time.
        tokio::time::resume();
        assert!(all_answer(vec![answering.clone(), answering], Duration::from_secs(60)).await);
        end.cancel();
        thread.join().unwrap();
        stuck.shutdown_background();
    }
}
