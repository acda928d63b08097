//! What every command queue does.

use std::collections::BTreeSet;
use std::sync::Arc;

use journal::encoding::STREAM_FORMAT;
use journal::{CommandQueue, EnqueueError, Entry, StreamId};

/// An empty queue, never opened.
pub async fn is_a_queue(queue: Arc<dyn CommandQueue>) {
    nothing_creates_the_stream_but_open(&*queue).await;
    entries_come_in_the_order_of_their_ids(&*queue).await;
    opening_again_changes_nothing(&*queue).await;
    many_callers_get_ids_of_their_own(&queue).await;
    trimmed_entries_are_gone(&*queue).await;
}

async fn nothing_creates_the_stream_but_open(queue: &dyn CommandQueue) {
    let refused = queue.enqueue("{}").await;
    assert!(matches!(refused, Err(EnqueueError::NotTaken(_))), "without a stream: {refused:?}");
    queue.open(StreamId::ZERO).await.expect("opens");
    assert_eq!(queue.read(StreamId::ZERO, 10).await, Ok(Vec::new()), "a new stream holds nothing that is a command");
}

async fn entries_come_in_the_order_of_their_ids(queue: &dyn CommandQueue) {
    let mut ids = Vec::new();
    for number in 0..7 {
        ids.push(queue.enqueue(&text(number)).await.expect("taken"));
    }
    assert!(ids.is_sorted_by(|one, next| one < next), "ids rise: {ids:?}");

    let all = queue.read(StreamId::ZERO, 100).await.expect("readable");
    assert_eq!(all.iter().map(|entry| entry.id).collect::<Vec<_>>(), ids);
    for (number, entry) in all.iter().enumerate() {
        let payload = entry.payload.as_ref().expect("well-formed");
        assert_eq!((payload.format, payload.text.as_str()), (STREAM_FORMAT, text(number).as_str()));
    }
    assert_eq!(read_ids(queue, ids[2], 3).await, ids[3..6], "at most as many as asked for, after the given one");
    assert_eq!(read_ids(queue, ids[6], 3).await, [], "none after the last");
}

async fn opening_again_changes_nothing(queue: &dyn CommandQueue) {
    let before = read_ids(queue, StreamId::ZERO, 100).await;
    queue.open(before[2]).await.expect("opens");
    assert_eq!(read_ids(queue, StreamId::ZERO, 100).await, before);
}

async fn many_callers_get_ids_of_their_own(queue: &Arc<dyn CommandQueue>) {
    let before = read_ids(&**queue, StreamId::ZERO, 100).await.len();
    let callers: Vec<_> = (0..200)
        .map(|number| {
            let queue = Arc::clone(queue);
            tokio::spawn(async move { queue.enqueue(&text(number)).await.expect("taken") })
        })
        .collect();
    let mut ids = BTreeSet::new();
    for caller in callers {
        ids.insert(caller.await.expect("ends"));
    }
    assert_eq!(ids.len(), 200);
    let read = read_ids(&**queue, StreamId::ZERO, 1_000).await;
    assert_eq!(read[before..], ids.into_iter().collect::<Vec<_>>());
}

async fn trimmed_entries_are_gone(queue: &dyn CommandQueue) {
    let before = read_ids(queue, StreamId::ZERO, 1_000).await;
    queue.trim(before[5]).await.expect("trims");
    assert_eq!(read_ids(queue, StreamId::ZERO, 1_000).await, before[5..]);
    queue.trim(StreamId { millis: u64::MAX, index: 0 }).await.expect("trims");
    assert_eq!(read_ids(queue, StreamId::ZERO, 1_000).await, []);
    // An empty stream is still a stream, and goes on above what it once held.
    let next = queue.enqueue("{}").await.expect("taken");
    assert!(Some(&next) > before.last());
}

pub async fn read_ids(queue: &dyn CommandQueue, after: StreamId, limit: usize) -> Vec<StreamId> {
    queue.read(after, limit).await.expect("readable").iter().map(|entry: &Entry| entry.id).collect()
}

fn text(number: usize) -> String {
    format!(r#"{{"type":"NewOrder","number":{number},"text":"Ünï \"q\" \\ 注"}}"#)
}
