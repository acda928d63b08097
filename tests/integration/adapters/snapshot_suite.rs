//! What every snapshot store does.

use journal::{Position, Snapshot, SnapshotStore};
use matching::{Engine, EngineImage, Micros, Seq};

use super::fixtures::{Market, batch};

/// An empty store.
pub async fn keeps_the_newest_snapshots(store: &dyn SnapshotStore) {
    assert_eq!(store.newest().await, Ok(None));
    for rows in [10, 300, 20] {
        let snapshot = snapshot(rows);
        store.store(&snapshot, 2).await.expect("stored");
        let newest = store.newest().await.expect("readable").expect("one is there");
        newest.open().expect("sound");
        if rows != 20 {
            assert_eq!(newest, snapshot);
        }
    }
    let newest = store.newest().await.expect("readable").expect("one is there");
    assert_eq!(newest, snapshot(300), "the newest is the one of the highest row, not the last one written");
    let listed: Vec<_> = store.list().await.expect("readable").iter().map(|one| (one.seq, one.state_hash)).collect();
    let expected = [snapshot(300), snapshot(20)].map(|one| (one.position.seq, one.state_hash));
    assert_eq!(listed, expected, "newest first, with their hashes");
    assert!(store.list().await.expect("readable").iter().all(|one| one.bytes > 0 && one.verified_at > Micros::ZERO));
    let until = async |seq: u64| {
        let found = store.newest_until(Seq::new(seq).expect("a number")).await.expect("readable");
        found.map(|found| found.position.seq.get())
    };
    assert_eq!(
        (until(19).await, until(20).await, until(299).await, until(300).await),
        (None, Some(20), Some(20), Some(300))
    );
    store.store(&newest, 2).await.expect("the same once more");
    assert_eq!(store.newest().await.expect("readable"), Some(newest));
}

/// A damaged snapshot is never stored.
pub async fn refuses_what_is_damaged(store: &dyn SnapshotStore) {
    let good = snapshot(10);
    store.store(&good, 5).await.expect("stored");
    let mut damaged = snapshot(20);
    damaged.parts[0].truncate(3);
    assert!(store.store(&damaged, 5).await.is_err());
    assert_eq!(store.newest().await.expect("readable"), Some(good));
}

/// A snapshot after `rows` rows.
pub fn snapshot(rows: usize) -> Snapshot {
    let mut market = Market::new(rows as u64, 50);
    market.run(rows);
    let position: Position = batch(Position::START, journal::Epoch(1), rows, "s").end();
    Snapshot::new(position, &image(market)).expect("encodes")
}

fn image(market: Market) -> EngineImage {
    EngineImage { ledger: market.ledger, ..Engine::new(0).image() }
}
