//! What fuzzing has found worth keeping of orders as clients send them is run again: none of it panics.

#[path = "../../fuzz/src/order_json.rs"]
mod order_json;
#[path = "../../fuzz/src/replay.rs"]
mod replay;

#[test]
fn the_corpus_of_orders() {
    replay::replay("order_json", order_json::order_json);
}
