//! What happens, as text: commands on the left, what comes of them on the right. Orders are accepted unless it says so;
//! at the end the book: bids, a bar, asks, each `id:remaining`, best first.

use matching::book::{Book, BookCommand, BookEvent};
use matching::{Side, Symbol};

use crate::support::{cancel, order_id, place, symbol};

/// Each line is `command -> events`, where events are trades `maker x quantity @ price`, `cancelled remaining`,
/// `expired remaining` or `not open`; the last line is the book.
#[track_caller]
fn check(story: &str) {
    let market: Symbol = symbol("BTC_USDT");
    let mut book = Book::new(market);
    let lines: Vec<&str> = story.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let (end, steps) = lines.split_last().expect("a story");
    for (number, step) in steps.iter().enumerate() {
        let (command, expected) = step.split_once("->").unwrap_or((step, ""));
        let words: Vec<&str> = command.split_whitespace().collect();
        let value = |index: usize| words[index].parse::<u64>().expect("a number");
        let command = match words[0] {
            "buy" => place(value(1), Side::Buy, value(3), value(5)),
            "sell" => place(value(1), Side::Sell, value(3), value(5)),
            "cancel" => cancel(number as u64, value(1)),
            "expire" => BookCommand::Expire { order_id: order_id(value(1)) },
            other => panic!("{other} is no command"),
        };
        let mut events = Vec::new();
        book.apply(command, &mut events);
        let told: Vec<String> = events.iter().filter_map(tell).collect();
        assert_eq!(told.join(", "), expected.trim(), "after {step:?} in {story}");
    }
    let side = |side| {
        let orders: Vec<String> =
            book.orders(side).map(|order| format!("{}:{}", order.order_id, order.remaining.units())).collect();
        orders.join(" ")
    };
    assert_eq!(format!("{} | {}", side(Side::Buy), side(Side::Sell)).trim(), *end, "the book of {story}");
}

fn tell(event: &BookEvent) -> Option<String> {
    match event {
        BookEvent::Accepted { .. } => None,
        BookEvent::Traded { price, quantity, maker_order_id, .. } => {
            Some(format!("{maker_order_id} x {} @ {}", quantity.units(), price.units()))
        }
        BookEvent::Expired { remaining, .. } => Some(format!("expired {}", remaining.units())),
        BookEvent::Cancelled { remaining, .. } => Some(format!("cancelled {}", remaining.units())),
        BookEvent::CancelRejected { .. } => Some("not open".to_owned()),
    }
}

#[test]
fn orders_that_do_not_meet_rest_in_order_of_price_then_time() {
    check(
        "buy 1 @ 100 x 5
         buy 2 @ 101 x 5
         buy 3 @ 100 x 5
         sell 4 @ 103 x 5
         sell 5 @ 102 x 5
         sell 6 @ 103 x 5
         2:5 1:5 3:5 | 5:5 4:5 6:5",
    );
}

#[test]
fn a_full_fill_takes_both_away() {
    check(
        "sell 1 @ 100 x 5
         buy 2 @ 100 x 5 -> 1 x 5 @ 100
         |",
    );
}

#[test]
fn a_partial_fill_leaves_the_rest_of_the_larger_one() {
    check(
        "sell 1 @ 100 x 5
         buy 2 @ 100 x 3 -> 1 x 3 @ 100
         buy 3 @ 100 x 4 -> 1 x 2 @ 100
         3:2 |",
    );
}

#[test]
fn the_price_is_the_makers() {
    check(
        "sell 1 @ 90 x 1
         buy 2 @ 110 x 1 -> 1 x 1 @ 90
         buy 3 @ 110 x 1
         sell 4 @ 90 x 1 -> 3 x 1 @ 110
         |",
    );
}

#[test]
fn better_prices_trade_first_then_older_orders() {
    check(
        "sell 1 @ 102 x 1
         sell 2 @ 100 x 1
         sell 3 @ 101 x 1
         sell 4 @ 100 x 1
         buy 5 @ 101 x 9 -> 2 x 1 @ 100, 4 x 1 @ 100, 3 x 1 @ 101
         5:6 | 1:1",
    );
}

#[test]
fn a_price_one_unit_short_does_not_trade() {
    check(
        "sell 1 @ 100 x 1
         buy 2 @ 99 x 1
         2:1 | 1:1",
    );
}

#[test]
fn a_partly_filled_order_keeps_its_place() {
    check(
        "sell 1 @ 100 x 5
         sell 2 @ 100 x 5
         buy 3 @ 100 x 2 -> 1 x 2 @ 100
         buy 4 @ 100 x 4 -> 1 x 3 @ 100, 2 x 1 @ 100
         | 2:4",
    );
}

#[test]
fn removing_the_head_the_middle_or_the_tail_keeps_the_others_in_order() {
    for (gone, left) in [(1, [2, 3]), (2, [1, 3]), (3, [1, 2])] {
        check(&format!(
            "buy 1 @ 100 x 1
             buy 2 @ 100 x 1
             buy 3 @ 100 x 1
             cancel {gone} -> cancelled 1
             buy 4 @ 100 x 1
             sell 5 @ 100 x 3 -> {} x 1 @ 100, {} x 1 @ 100, 4 x 1 @ 100
             |",
            left[0], left[1]
        ));
    }
}

#[test]
fn the_new_head_can_be_cancelled_after_the_head_was_filled() {
    check(
        "sell 1 @ 100 x 1
         sell 2 @ 100 x 1
         sell 3 @ 100 x 1
         buy 4 @ 100 x 1 -> 1 x 1 @ 100
         cancel 2 -> cancelled 1
         buy 5 @ 100 x 2 -> 3 x 1 @ 100
         5:1 |",
    );
}

#[test]
fn a_cancel_takes_what_is_left_and_only_once() {
    check(
        "buy 1 @ 100 x 5
         sell 2 @ 100 x 2 -> 1 x 2 @ 100
         cancel 1 -> cancelled 3
         cancel 1 -> not open
         cancel 2 -> not open
         cancel 99 -> not open
         |",
    );
}

#[test]
fn a_level_that_was_emptied_is_gone_and_can_come_again() {
    check(
        "sell 1 @ 100 x 1
         buy 2 @ 100 x 1 -> 1 x 1 @ 100
         buy 3 @ 100 x 1
         sell 4 @ 100 x 1 -> 3 x 1 @ 100
         sell 5 @ 100 x 1
         cancel 5 -> cancelled 1
         buy 6 @ 105 x 1
         6:1 |",
    );
}

#[test]
fn a_taker_that_eats_through_the_book_rests_with_what_is_left() {
    check(
        "buy 1 @ 100 x 1
         buy 2 @ 99 x 1
         buy 3 @ 98 x 1
         sell 4 @ 99 x 5 -> 1 x 1 @ 100, 2 x 1 @ 99
         buy 5 @ 99 x 1 -> 4 x 1 @ 99
         3:1 | 4:2",
    );
}

#[test]
fn the_extremes_of_price_and_quantity_trade_like_any_other() {
    let (price, quantity) = ((1u64 << 53) - 1, (1u64 << 63) - 1);
    check(&format!(
        "sell 1 @ {price} x {quantity}
         sell 2 @ 1 x 1
         buy 3 @ {price} x {quantity} -> 2 x 1 @ 1, 1 x {} @ {price}
         | 1:1",
        quantity - 1
    ));
}

#[test]
fn a_sweep_takes_five_thousand_levels_in_order() {
    let mut book = Book::new(symbol("BTC_USDT"));
    let mut events = Vec::new();
    for id in 1..=5_000 {
        book.apply(place(id, Side::Sell, 10_000 - id, 1), &mut events);
    }
    events.clear();
    book.apply(place(9_999, Side::Buy, 20_000, 5_000), &mut events);
    let makers: Vec<u64> = events
        .iter()
        .filter_map(|event| match event {
            BookEvent::Traded { maker_order_id, .. } => Some(maker_order_id.get()),
            _ => None,
        })
        .collect();
    assert_eq!(makers, (1..=5_000).rev().collect::<Vec<_>>());
    assert_eq!((book.best_bid(), book.best_ask()), (None, None));
}
