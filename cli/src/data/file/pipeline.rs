//! Reads in one thread, asks the service for several batches at once, and writes in order in another thread.

use crate::data::limits::{BATCHES_IN_FLIGHT, BATCHES_WAITING};
use anyhow::{Context as _, anyhow};
use std::collections::VecDeque;
use std::future::{Future, pending};
use std::io::Write;
use std::thread;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

/// What is written for one batch. Wiped when dropped, for it may be plaintext.
pub(super) type Written = Zeroizing<Vec<u8>>;

/// Takes all batches, does `work` to several of them at once, and writes the results in the order of the batches.
///
/// Memory is bounded by the batches under way. When it fails, everything before the failure has been written.
///
/// # Errors
/// The first failure, in the order of the batches: of reading, of the work, or of writing.
pub(super) async fn run<B, E, F>(
    batches: impl Iterator<Item = Result<B, E>> + Send + 'static,
    work: impl Fn(B) -> F,
    output: impl Write + Send + 'static,
) -> anyhow::Result<()>
where
    B: Send + 'static,
    E: Into<anyhow::Error> + Send + 'static,
    F: Future<Output = anyhow::Result<Written>> + Send + 'static,
{
    let mut batches = read(batches)?;
    let (writer, written) = write(output)?;
    let worked = work_in_order(&mut batches, work, &writer).await;
    // The writer has everything: it ends when it has written that, or earlier by a failure.
    drop(writer);
    let written = written.await.unwrap_or_else(|_| Err(anyhow!("the thread that writes has ended")));
    match worked {
        Ok(()) | Err(Ended::ByWriter) => written,
        Err(Ended::By(error)) => Err(error),
    }
}

/// Why the work ended early.
enum Ended {
    By(anyhow::Error),
    /// Who knows why.
    ByWriter,
}

async fn work_in_order<B, E, F>(
    batches: &mut mpsc::Receiver<Result<B, E>>,
    work: impl Fn(B) -> F,
    writer: &mpsc::Sender<Written>,
) -> Result<(), Ended>
where
    E: Into<anyhow::Error>,
    F: Future<Output = anyhow::Result<Written>> + Send + 'static,
{
    let mut working: VecDeque<JoinHandle<anyhow::Result<Written>>> = VecDeque::new();
    let mut failure = None;
    let mut more = true;
    while more || !working.is_empty() {
        tokio::select! {
            batch = batches.recv(), if more && working.len() < BATCHES_IN_FLIGHT => match batch {
                Some(Ok(batch)) => working.push_back(tokio::spawn(work(batch))),
                Some(Err(error)) => {
                    failure = Some(error.into());
                    more = false;
                }
                None => more = false,
            },
            result = first(&mut working) => {
                working.pop_front();
                writer.send(result.map_err(Ended::By)?).await.map_err(|_| Ended::ByWriter)?;
            }
        }
    }
    failure.map_or(Ok(()), |error| Err(Ended::By(error)))
}

/// The result of the batch that is to be written next.
async fn first(working: &mut VecDeque<JoinHandle<anyhow::Result<Written>>>) -> anyhow::Result<Written> {
    match working.front_mut() {
        Some(task) => task.await.context("a batch was given up")?,
        None => pending().await,
    }
}

/// Reads in a thread of its own: reading may wait for a person.
fn read<B: Send + 'static, E: Send + 'static>(
    batches: impl Iterator<Item = Result<B, E>> + Send + 'static,
) -> anyhow::Result<mpsc::Receiver<Result<B, E>>> {
    let (sender, receiver) = mpsc::channel(BATCHES_WAITING);
    let thread = thread::Builder::new().name("read".to_owned());
    thread
        .spawn(move || batches.map(|batch| sender.blocking_send(batch)).all(|sent| sent.is_ok()))
        .context("no thread")?;
    Ok(receiver)
}

/// Writes in a thread of its own, and tells at the end how it went.
fn write(
    mut output: impl Write + Send + 'static,
) -> anyhow::Result<(mpsc::Sender<Written>, oneshot::Receiver<anyhow::Result<()>>)> {
    let (sender, mut receiver) = mpsc::channel::<Written>(BATCHES_WAITING);
    let (done, written) = oneshot::channel();
    let mut write_all = move || {
        while let Some(bytes) = receiver.blocking_recv() {
            output.write_all(&bytes)?;
        }
        Ok(output.flush()?)
    };
    let thread = thread::Builder::new().name("write".to_owned());
    // Nobody listens any more if the work was given up.
    thread.spawn(move || drop(done.send(write_all()))).context("no thread")?;
    Ok((sender, written))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use std::io;
    use std::sync::{Arc, Mutex};
    use tokio::sync::Barrier;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn numbers(count: u8) -> impl Iterator<Item = Result<u8, Infallible>> + Send {
        (0..count).map(Ok)
    }

    fn written(number: u8) -> anyhow::Result<Written> {
        Ok(Zeroizing::new(vec![number]))
    }

    #[tokio::test]
    async fn results_are_written_in_order_though_work_ends_out_of_order() {
        let output = Shared::default();
        // Even batches end only together with the odd one behind them.
        let barrier = Arc::new(Barrier::new(2));
        let work = |number: u8| {
            let barrier = Arc::clone(&barrier);
            async move {
                barrier.wait().await;
                written(number)
            }
        };
        run(numbers(200), work, output.clone()).await.unwrap();
        assert_eq!(*output.0.lock().unwrap(), (0..200).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn what_comes_before_a_failure_of_reading_is_written() {
        let output = Shared::default();
        let batches = (0..7_u8).map(|number| if number < 6 { Ok(number) } else { Err(anyhow!("cut")) });
        let error = run(batches, |number| async move { written(number) }, output.clone()).await.unwrap_err();
        assert_eq!(error.to_string(), "cut");
        assert_eq!(*output.0.lock().unwrap(), (0..6).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn nothing_after_a_failure_of_the_work_is_written() {
        let output = Shared::default();
        let work = |number| async move { if number == 5 { Err(anyhow!("bad record")) } else { written(number) } };
        let error = run(numbers(100), work, output.clone()).await.unwrap_err();
        assert_eq!(error.to_string(), "bad record");
        assert_eq!(*output.0.lock().unwrap(), (0..5).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_failure_of_writing_ends_the_work() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::Error::from(io::ErrorKind::StorageFull))
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let endless = (0_u8..=255).cycle().map(Ok::<u8, Infallible>);
        let error = run(endless, |number| async move { written(number) }, Full).await.unwrap_err();
        assert_eq!(error.downcast::<io::Error>().unwrap().kind(), io::ErrorKind::StorageFull);
    }
}
