//! What every projection does. What it shows is compared by a `dump` that each implementation brings.

use std::collections::BTreeMap;
use std::sync::Arc;

use journal::{Projection, ProjectionState, Written};

use super::fixtures::Market;

/// Everything that a reader could see, as text.
pub type Dump = BTreeMap<String, String>;

/// A fresh projection for which nothing was written yet, whatever it shows at first.
pub async fn writes_follow_one_another(projection: &dyn Projection) {
    let mut market = Market::new(1, 10);
    let empty = Arc::new(market.ledger.clone());
    market.run(5);
    let first = market.write();

    let start = Market::new(1, 10).position;
    projection.rebuild(empty, start).await.expect("rebuilt");
    assert_eq!(projection.state().await, Ok(ProjectionState::At(start)));
    assert_eq!(projection.write(&first).await, Ok(Written::Written));
    assert_eq!(projection.state().await, Ok(ProjectionState::At(first.to)));
    assert_eq!(projection.write(&first).await, Ok(Written::Older), "the same again");

    market.run(5);
    let second = market.write();
    market.run(5);
    let third = market.write();
    assert_eq!(projection.write(&third).await, Ok(Written::Gap), "one was left out");
    assert_eq!(projection.write(&second).await, Ok(Written::Written));
    assert_eq!(projection.write(&third).await, Ok(Written::Written));
    assert_eq!(projection.write(&first).await, Ok(Written::Older), "one from long ago");
    assert_eq!(projection.state().await, Ok(ProjectionState::At(third.to)));
}

/// Two projections: one is written row by row, the other is rebuilt from the ledger now and then. They show the same.
pub async fn a_rebuild_equals_the_writes(
    written: (&dyn Projection, &dyn AsyncDump),
    rebuilt: (&dyn Projection, &dyn AsyncDump),
) {
    // With 2 closed orders kept, most orders close and are dropped within one write; with 20, in different ones.
    for (seed, retain_closed) in [(1, 20), (2, 20), (3, 2), (4, 2)] {
        let mut market = Market::new(seed, retain_closed);
        written.0.rebuild(Arc::new(market.ledger.clone()), market.position).await.expect("rebuilt");
        for step in 0..60 {
            market.run(1 + step % 13);
            assert_eq!(written.0.write(&market.write()).await, Ok(Written::Written));
            if step % 10 == 9 {
                rebuilt.0.rebuild(Arc::new(market.ledger.clone()), market.position).await.expect("rebuilt");
                let (one, other) = (written.1.dump().await, rebuilt.1.dump().await);
                assert!(one.len() > 3, "there is something to compare");
                for key in one.keys().chain(other.keys()) {
                    assert_eq!(one.get(key), other.get(key), "{key}, seed {seed}, step {step}");
                }
            }
        }
    }
}

/// Reads everything that a projection shows.
#[async_trait::async_trait]
pub trait AsyncDump: Sync {
    async fn dump(&self) -> Dump;
}
