//! What every record of self-made stops does.

use journal::{Committed, Epoch, EventLog, FatalRecord, Position};

use super::fixtures::{batch, seq};

/// An empty log and its record.
pub async fn counts_stops_at_one_row(log: &dyn EventLog, record: &dyn FatalRecord) {
    let last = async || record.last().await.expect("an answer").map(|last| (last.seq.get(), last.times, last.error));
    assert_eq!(last().await, None);
    let epoch = log.take_over(Epoch(0)).await.expect("nobody else is here").epoch;
    for times in 1..=3 {
        record.note(None, &format!("stop {times}")).await.expect("noted");
        assert_eq!(last().await, Some((1, times, format!("stop {times}"))), "the row after the end of an empty log");
    }
    let first = batch(Position::START, epoch, 5, "a");
    assert_eq!(log.commit(epoch, &first).await, Ok(Committed::Committed));
    assert_eq!(last().await, None, "a commit makes it void");
    record.note(None, "at 6").await.expect("noted");
    assert_eq!(last().await, Some((6, 1, "at 6".to_owned())));
    record.note(Some(seq(3)), "at 3").await.expect("noted");
    record.note(Some(seq(3)), "at 3").await.expect("noted");
    assert_eq!(last().await, Some((3, 2, "at 3".to_owned())), "another row counts anew");
    record.forget().await.expect("forgotten");
    assert_eq!(last().await, None);
    record.note(Some(seq(3)), "again").await.expect("noted");
    assert_eq!(last().await, Some((3, 1, "again".to_owned())));
    assert_eq!(log.commit(epoch, &batch(first.end(), epoch, 1, "b")).await, Ok(Committed::Committed));
    record.note(Some(seq(3)), "after a commit").await.expect("noted");
    assert_eq!(last().await, Some((3, 1, "after a commit".to_owned())), "not in a row");
}
