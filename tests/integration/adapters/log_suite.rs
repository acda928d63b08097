//! What every event log does.

use std::sync::Arc;

use journal::{Batch, Chain, Committed, Epoch, EventLog, LogError, Position, StreamId};
use matching::Seq;

use super::fixtures::{batch, eventually, seq};

/// Opens one more handle on the same log, as another process would.
pub type Open = dyn Fn() -> Arc<dyn EventLog>;

/// Each part takes an empty log of its own.
pub async fn commits_move_the_position_and_fence(open: &Open) {
    let log = open();
    let start = log.position().await.expect("a position");
    assert_eq!((start.epoch, start.position), (Epoch(0), Position::START));
    let epoch = log.take_over(Epoch(0)).await.expect("nobody else is here").epoch;
    assert_eq!(epoch, Epoch(1));

    let mut at = Position::START;
    for rows in [1, 2, 10, 200, 1] {
        let batch = batch(at, epoch, rows, "a");
        assert_eq!(log.commit(epoch, &batch).await, Ok(Committed::Committed), "{rows} rows");
        at = batch.end();
        assert_eq!(log.position().await.expect("a position").position, at);
    }

    for rows in [1, 200] {
        let taken = batch(at, epoch, rows, "taken");
        let other = batch(at, epoch, rows, "other");
        assert_eq!(log.commit(epoch, &taken).await, Ok(Committed::Committed));
        assert_eq!(log.commit(epoch, &other).await, Ok(Committed::Fenced), "a second batch from the same start");
        assert_eq!(log.commit(epoch, &taken).await, Ok(Committed::Committed), "the very same batch again");
        at = taken.end();
        assert_eq!(log.position().await.expect("a position").position, at);

        let ahead = batch(batch(at, epoch, 3, "never").end(), epoch, rows, "ahead");
        assert_eq!(log.commit(epoch, &ahead).await, Ok(Committed::Fenced), "a batch after a gap");
        let elsewhere = StreamId { millis: at.stream_id.millis - 1, ..at.stream_id };
        for start in [Position { chain: Chain::START, ..at }, Position { stream_id: elsewhere, ..at }] {
            let batch = batch(start, epoch, rows, "another history");
            assert_eq!(log.commit(epoch, &batch).await, Ok(Committed::Fenced), "{start:?}");
        }
        for stale in [Epoch(0), Epoch(2)] {
            let batch = batch(at, epoch, rows, "stale");
            assert_eq!(log.commit(stale, &batch).await, Ok(Committed::Fenced), "{stale:?}");
        }
        assert_eq!(log.position().await.expect("a position").position, at);
    }
    check_pages(&*log, at).await;
}

/// All rows in pages, and that they follow one another exactly as they were written.
pub async fn check_pages(log: &dyn EventLog, end: Position) {
    let mut at = Position::START;
    loop {
        let page = log.page(at.seq, 7).await.expect("a page");
        assert!(page.len() <= 7);
        if page.is_empty() {
            break;
        }
        for record in page {
            assert!(record.follows(&at), "row {} follows {}", record.seq, at.seq);
            at = record.position();
        }
    }
    assert_eq!(at, end);
}

/// A row comes back as it went in.
pub async fn rows_come_back_unchanged(open: &Open) {
    let log = open();
    let epoch = log.take_over(Epoch(0)).await.expect("nobody else is here").epoch;
    let mut at = Position::START;
    for rows in [6, 100] {
        let batch = batch(at, epoch, rows, "exact");
        assert_eq!(log.commit(epoch, &batch).await, Ok(Committed::Committed));
        assert_eq!(log.page(at.seq, rows).await.expect("a page"), batch.records());
        at = batch.end();
    }
    assert_eq!(log.page(at.seq, 10).await.expect("a page"), []);
}

pub async fn ids_are_leased_once(open: &Open) {
    let (one, other) = (open(), open());
    let taken = one.take_over(Epoch(0)).await.expect("nobody else is here");
    assert_eq!(taken.id_ceiling, 1, "the first id is 1");
    assert_eq!(one.lease_ids(taken.epoch, 1_000).await, Ok(1_001));
    assert_eq!(one.lease_ids(taken.epoch, 10).await, Ok(1_011));
    let next = other.take_over(taken.epoch).await.expect("the epoch is the last one");
    assert_eq!(next.id_ceiling, 1_011, "the next term begins where the last one ended");
    assert_eq!(one.lease_ids(taken.epoch, 10).await, Err(LogError::Fenced));
    assert_eq!(other.lease_ids(next.epoch, 5).await, Ok(1_016));
    assert_eq!(other.position().await.expect("a position").id_ceiling, 1_016);
}

pub async fn one_of_two_takes_over(open: &Open) {
    let (one, other) = (open(), open());
    let (a, b) = tokio::join!(one.take_over(Epoch(0)), other.take_over(Epoch(0)));
    let won = [&a, &b].into_iter().filter_map(|taken| taken.as_ref().ok()).collect::<Vec<_>>();
    assert_eq!(won.len(), 1, "{a:?} {b:?}");
    assert!([&a, &b].into_iter().any(|taken| *taken == Err(LogError::Fenced)), "{a:?} {b:?}");

    // The one that was late may be next; then the first can do nothing any more.
    let (old, new) = if a.is_ok() { (one, other) } else { (other, one) };
    let term = new.take_over(Epoch(1)).await.expect("the epoch is the last one").epoch;
    assert_eq!(term, Epoch(2));
    let stale = batch(Position::START, Epoch(1), 1, "stale");
    assert_eq!(old.commit(Epoch(1), &stale).await, Ok(Committed::Fenced));
    assert_eq!(old.beat(Epoch(1)).await, Err(LogError::Fenced));
    assert_eq!(old.drained(Epoch(1)).await, Err(LogError::Fenced));
    assert_eq!(new.beat(term).await, Ok(()));
}

pub async fn standing_tells_whether_the_writer_lives(open: &Open) {
    let observer = open();
    let standing = async || observer.standing().await.expect("a standing");
    assert!(standing().await.vacant, "there never was a writer");

    let writer = open();
    let epoch = writer.take_over(Epoch(0)).await.expect("nobody else is here").epoch;
    let before = standing().await;
    assert_eq!((before.epoch, before.seq, before.vacant), (epoch, Seq::ZERO, false));
    writer.beat(epoch).await.expect("a beat");
    let after = standing().await;
    assert!(after.beat > before.beat, "a beat shows");
    let batch = batch(Position::START, epoch, 3, "a");
    assert_eq!(writer.commit(epoch, &batch).await, Ok(Committed::Committed));
    assert_eq!(standing().await.seq, seq(3), "a commit shows");

    drop(writer);
    eventually("the place to be vacant when the writer is gone", async || standing().await.vacant).await;

    let next = open();
    let epoch = next.take_over(epoch).await.expect("the place is vacant").epoch;
    assert!(!standing().await.vacant);
    next.drained(epoch).await.expect("drains");
    assert!(standing().await.vacant, "a drained writer leaves its place at once");
    let last = open();
    last.take_over(epoch).await.expect("the place is vacant");
    assert!(!standing().await.vacant, "a new term is not drained");
}

/// Writers that all believe to be the writer, as paused processes do: whatever they do, the log has no gap, no row twice,
/// and exactly the batches that were said to be committed.
pub async fn racing_writers_leave_contiguous_rows(open: &Open) {
    const TRIES: usize = 40;
    let epoch = open().take_over(Epoch(0)).await.expect("nobody else is here").epoch;
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let log = open();
            tokio::spawn(async move {
                let mut committed = 0;
                for attempt in 0..TRIES {
                    let at = log.position().await.expect("a position").position;
                    let rows = [1, 5, 70][attempt % 3];
                    let batch: Batch = batch(at, epoch, rows, &format!("writer {writer}"));
                    match log.commit(epoch, &batch).await.expect("an outcome") {
                        Committed::Committed => committed += rows,
                        Committed::Fenced => {}
                    }
                }
                committed
            })
        })
        .collect();
    let mut committed = 0;
    for writer in writers {
        committed += writer.await.expect("ends");
    }
    let log = open();
    let end = log.position().await.expect("a position").position;
    assert_eq!(end.seq.get(), committed as u64);
    check_pages(&*log, end).await;
}
