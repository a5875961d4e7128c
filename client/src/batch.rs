//! Batches of any length: cut into frames that the server takes, sent side by side, put together in order.

use crate::call::Call;
use crate::error::Error;
use crate::limits::{ATTEMPTS_MAX, FRAMES_OF_BATCH_IN_FLIGHT, Limits};
use crate::pool::Pool;
use claviger_protocol::limits::{HEADER_SIZE, RESULT_PREFIX_SIZE};
use claviger_protocol::message::Reply;
use claviger_protocol::{EncodeError, Status, TraceId};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// An operation that takes items and answers each of them.
pub(crate) trait BatchOperation {
    /// One item.
    type Item<'i>: Copy;
    /// The result of one item.
    type Value;

    /// How large the item and its result are.
    ///
    /// # Errors
    /// The status that the server would give it: what is over an announced limit is not sent.
    fn measure(&self, item: Self::Item<'_>, limits: &Limits) -> Result<ItemSize, Status>;

    /// The call for these items.
    ///
    /// # Errors
    /// If they do not fit a frame.
    fn call(&self, items: &[Self::Item<'_>], order: Order) -> Result<Call, EncodeError>;

    /// The results in a reply, if it is one to this operation.
    fn values(&self, reply: Reply<'_>) -> Option<Vec<Result<Self::Value, Status>>>;
}

/// Bytes of an item in its request, and of its result in the reply, at most.
#[derive(Clone, Copy)]
pub(crate) struct ItemSize {
    pub(crate) request: usize,
    pub(crate) reply: usize,
}

/// Under which trace id and until when a call is made.
#[derive(Clone, Copy)]
pub(crate) struct Order {
    pub(crate) trace_id: TraceId,
    pub(crate) deadline: Instant,
}

impl Order {
    pub(crate) fn new(trace_id: TraceId, deadline: Duration) -> Self {
        Self { trace_id, deadline: Instant::now() + deadline }
    }
}

/// Results of all items, in their order.
pub(crate) type BatchResults<V> = Vec<Result<V, Error>>;

/// Does the operation to one item; calls like it that wait at the same time may travel in the same frame.
pub(crate) async fn single<O: BatchOperation>(
    pool: &Pool,
    operation: &O,
    item: O::Item<'_>,
    order: Order,
) -> Result<O::Value, Error> {
    operation.measure(item, &pool.limits())?;
    for _ in 0..ATTEMPTS_MAX {
        let call = operation.call(&[item], order)?.mergeable();
        match answers(pool, operation, call, 1).await?.pop() {
            // The frame was full of its company.
            Some(Err(Status::ReplyFull)) => {}
            Some(result) => return Ok(result?),
            None => return Err(Error::BadReply),
        }
    }
    Err(Error::from(Status::ReplyFull))
}

/// Does the operation to all items, however many.
///
/// # Errors
/// What is wrong with a whole frame is wrong with the whole batch; results of its other frames are lost then.
pub(crate) async fn many<O: BatchOperation + Clone + Send + Sync + 'static>(
    pool: &Arc<Pool>,
    operation: &O,
    items: &[O::Item<'_>],
    order: Order,
) -> Result<BatchResults<O::Value>, Error>
where
    O::Value: Send + 'static,
{
    let mut results: Vec<Option<Result<O::Value, Status>>> = items.iter().map(|_| None).collect();
    // Fewer items a frame in each round of what found its reply full.
    let mut items_max = pool.limits().batch_items;
    for _ in 0..ATTEMPTS_MAX {
        let chunks = cut(operation, items, &mut results, &pool.limits(), items_max);
        if chunks.is_empty() {
            break;
        }
        let mut under_way = JoinSet::new();
        let mut waiting = chunks.into_iter();
        loop {
            while under_way.len() < FRAMES_OF_BATCH_IN_FLIGHT
                && let Some(chunk) = waiting.next()
            {
                let chosen: Vec<_> = chunk.iter().filter_map(|&index| items.get(index).copied()).collect();
                let call = operation.call(&chosen, order)?;
                let (pool, operation) = (Arc::clone(pool), operation.clone());
                under_way.spawn(async move {
                    let answers = answers(&pool, &operation, call, chunk.len()).await;
                    (chunk, answers)
                });
            }
            match under_way.join_next().await {
                None => break,
                // A task is only cancelled with the runtime that should drive us, and only panics if we have a fault.
                Some(Err(_)) => return Err(Error::Disconnected),
                Some(Ok((chunk, answers))) => {
                    for (index, result) in chunk.into_iter().zip(answers?) {
                        if let Some(slot) = results.get_mut(index) {
                            *slot = (result.as_ref().err() != Some(&Status::ReplyFull)).then_some(result);
                        }
                    }
                }
            }
        }
        items_max = (items_max / 2).max(1);
    }
    let answered = |result: Option<Result<O::Value, Status>>| Ok(result.unwrap_or(Err(Status::ReplyFull))?);
    Ok(results.into_iter().map(answered).collect())
}

/// Makes one call and reads as many results as there were items.
async fn answers<O: BatchOperation>(
    pool: &Pool,
    operation: &O,
    call: Call,
    item_count: usize,
) -> Result<Vec<Result<O::Value, Status>>, Error> {
    let reply = pool.call(call).await?;
    let values = reply.decode().ok().and_then(|reply| operation.values(reply));
    values.filter(|values| values.len() == item_count).ok_or(Error::BadReply)
}

/// Cuts the items that have no result yet into frames, by their indices. Items that the server would refuse by their
/// size get their result here.
fn cut<O: BatchOperation>(
    operation: &O,
    items: &[O::Item<'_>],
    results: &mut [Option<Result<O::Value, Status>>],
    limits: &Limits,
    items_max: usize,
) -> Vec<Vec<usize>> {
    // A fraction of what may be in flight, so that frames overlap; a larger item has a frame of its own.
    let size_target = (limits.bytes_in_flight / 4).min(limits.frame_size).saturating_sub(FIXED_SIZE_MAX);
    let mut chunks: Vec<Vec<usize>> = Vec::new();
    let mut total = ItemSize { request: usize::MAX, reply: usize::MAX };
    for (index, (item, result)) in items.iter().zip(results).enumerate() {
        if result.is_some() {
            continue;
        }
        let size = match operation.measure(*item, limits) {
            Ok(size) => size,
            Err(status) => {
                *result = Some(Err(status));
                continue;
            }
        };
        let reply = size.reply + RESULT_PREFIX_SIZE;
        total.request = total.request.saturating_add(size.request);
        total.reply = total.reply.saturating_add(reply);
        match chunks.last_mut() {
            Some(chunk) if total.request <= size_target && total.reply <= size_target && chunk.len() < items_max => {
                chunk.push(index);
            }
            _ => {
                total = ItemSize { request: size.request, reply };
                chunks.push(vec![index]);
            }
        }
    }
    chunks
}

/// Bytes of a frame that belong to no item, at most: the header, the fields before the items, and their count.
const FIXED_SIZE_MAX: usize = HEADER_SIZE + 2 * 16 + 8 + 2;

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_protocol::KeyId;
    use claviger_protocol::message::{Encrypt, EncryptItem};

    const ENCRYPT: Encrypt<()> = Encrypt { key_id: KeyId([0; 16]), items: () };

    /// Sizes of the frames, in items, for plaintexts of these sizes.
    fn cut_sizes(sizes: &[usize], limits: &Limits, items_max: usize) -> Vec<usize> {
        let plaintext = vec![0; 40_000];
        let items: Vec<_> =
            sizes.iter().map(|&size| EncryptItem { context: &[], plaintext: plaintext.get(..size).unwrap() }).collect();
        let mut results: Vec<_> = items.iter().map(|_| None).collect();
        let chunks = cut(&ENCRYPT, &items, &mut results, limits, items_max);
        let mut covered: Vec<_> = chunks.concat();
        covered.extend(results.iter().enumerate().filter(|(_, result)| result.is_some()).map(|(index, _)| index));
        covered.sort_unstable();
        assert!(covered.into_iter().eq(0..sizes.len()), "each item once");
        chunks.iter().map(Vec::len).collect()
    }

    // R-P6
    #[test]
    fn batches_are_cut_by_items_and_by_bytes_of_request_and_reply() {
        let limits = Limits::default();
        assert_eq!(cut_sizes(&[], &limits, 1_024), [] as [usize; 0]);
        assert_eq!(cut_sizes(&[0; 1_500], &limits, 1_024), [661, 661, 178], "99 bytes of reply each");
        assert_eq!(cut_sizes(&[10; 25], &limits, 10), [10, 10, 5]);
        assert_eq!(cut_sizes(&[32_768, 32_768, 1], &limits, 1_024), [1, 2]);
        let narrow = Limits { frame_size: 1_000, ..Limits::default() };
        assert_eq!(cut_sizes(&[400, 400, 400], &narrow, 1_024), [1, 1, 1]);
    }

    // R-P6
    #[test]
    fn items_over_an_announced_limit_are_answered_without_being_sent() {
        assert_eq!(cut_sizes(&[1, 32_769, 1], &Limits::default(), 1_024), [2]);
    }
}
