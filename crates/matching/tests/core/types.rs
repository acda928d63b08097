//! Small promises of the core's types: which orders an event is about, how a hash is kept, which numbers there are.

use std::collections::BTreeSet;

use matching::{Event, Seq, StateHash};

use crate::engine_commands::{engine_commands, run};
use crate::support::order_id;

/// The orders that an event's text names, apart from those that another order is only linked with.
fn named(event: &Event) -> BTreeSet<u64> {
    let text = serde_json::to_value(event).expect("JSON");
    let fields = ["order_id", "first_order_id", "maker_order_id", "taker_order_id"];
    let named = fields.iter().map(|field| &text[field]).chain([&text["order"]["order_id"]]);
    named.filter_map(serde_json::Value::as_u64).collect()
}

#[test]
fn an_event_concerns_the_orders_that_it_names() {
    let mut kinds = BTreeSet::new();
    for seed in 1..40 {
        let (_, events) = run(&engine_commands(seed, 400), 1_000_000);
        for event in events.into_iter().flatten() {
            let named = named(&event);
            for id in named.iter().flat_map(|id| [*id, *id + 1]) {
                assert_eq!(event.concerns(order_id(id)), named.contains(&id), "{id}: {event:?}");
            }
            if !named.is_empty() {
                kinds.insert(format!("{event:?}").split('(').next().expect("a name").to_owned());
            }
        }
    }
    assert!(kinds.contains("OrderRepeated") && kinds.len() > 10, "{kinds:?}");
}

#[test]
fn a_hash_is_read_as_it_was_stored_and_as_it_was_written() {
    let hash = StateHash::of(b"a state");
    assert_eq!(hash.as_bytes(), blake3::hash(b"a state").as_bytes());
    assert_eq!(StateHash::from_bytes(hash.as_bytes()), Some(hash));
    assert_eq!(StateHash::from_hex(&hash.to_string()), Some(hash));
}

#[test]
fn the_last_row_is_the_last_number_that_there_is() {
    assert_eq!(Seq::new(Seq::LAST.get()), Some(Seq::LAST));
    assert_eq!(Seq::new(Seq::LAST.get() + 1), None);
}
