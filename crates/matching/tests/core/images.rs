//! Images: equal states have equal bytes whatever their history, damage is an error, and format 1 is read for ever.

use std::collections::BTreeMap;

use matching::book::Book;
use matching::router::MAX_SYMBOLS;
use matching::{EngineImage, Router, StateHash};
use serde_json::{Value, json};

use crate::engine_commands::{engine_commands, run};
use crate::generate::{commands, instrument};

const RETAIN: u64 = 50;
/// The image of a small engine as format 1 writes it; made by `REGENERATE=1 cargo test -p matching --test core images`.
const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/core/fixtures/image-format-1.bin");
const FIXTURE_HASH: &str = "208fa28b9b8028beece9952660a0a25ca4cd6fa6aa991751fbec114e53901720";

#[test]
fn an_image_is_read_back_as_it_was() {
    let (engine, _) = run(&engine_commands(12, 800), RETAIN);
    let image = engine.image();
    let read = EngineImage::decode(&image.encode()).expect("an image");
    assert!(read == image);
    assert_eq!(read.encode(), image.encode());
}

/// A book that folds events keeps takers in memory that a book that applies commands never stored, so the same orders
/// lie in other places; it must not show.
#[test]
fn equal_books_have_equal_images() {
    let (mut applied, mut folded) = (Book::new(instrument()), Book::new(instrument()));
    for (seq, command) in commands(8, 2_000) {
        let mut events = Vec::new();
        applied.apply(seq, command, &mut events);
        events.iter().for_each(|event| folded.fold(seq, event));
    }
    let image = |book: &Book| serde_json::to_string(book).expect("an image");
    assert_eq!(image(&folded), image(&applied));
    let read: Book = serde_json::from_str(&image(&applied)).expect("a book");
    assert_eq!(read, applied);
    assert_ne!(read, Book::new(instrument()));
}

/// Images of books that no command makes, each from one that is possible by a change that breaks one rule.
struct Broken {
    of: Value,
    found: BTreeMap<&'static str, usize>,
}

impl Broken {
    fn refused(&mut self, rule: &'static str, change: impl FnOnce(&mut Value)) {
        let mut image = self.of.clone();
        change(&mut image);
        assert!(serde_json::from_value::<Book>(image.clone()).is_err(), "{rule}: {image:#}");
        *self.found.entry(rule).or_default() += 1;
    }

    /// Refused with other values in an order of a list.
    fn refused_with(&mut self, rule: &'static str, list: &str, index: usize, values: &[(&str, Value)]) {
        self.refused(rule, |image| {
            for (field, value) in values {
                let mut order = &mut image[list][index];
                for part in field.split('.') {
                    order = &mut order[part];
                }
                *order = value.clone();
            }
        });
    }

    fn break_list(&mut self, list: &str) {
        let orders = self.of[list].as_array().expect("orders").clone();
        for index in 1..orders.len() {
            self.refused("in their order", |image| {
                image[list].as_array_mut().expect("orders").swap(index - 1, index);
            });
            if orders[index]["price"] == orders[index - 1]["price"] {
                self.refused_with(
                    "numbers of their own",
                    list,
                    index,
                    &[("priority", orders[index - 1]["priority"].clone())],
                );
            }
            self.refused_with("each once", list, index, &[("order_id", orders[0]["order_id"].clone())]);
        }
        for (index, order) in orders.iter().enumerate() {
            let number = |field: &str| order[field].as_u64().expect("a number");
            let (quantity, remaining, displayed) = (number("quantity"), number("remaining"), number("displayed"));
            let other_side = if order["side"] == "BUY" { "SELL" } else { "BUY" };
            let later = self.of["symbol_seq"].as_u64().expect("a number") + 1;
            let mut refused = |rule, values: &[(&str, Value)]| self.refused_with(rule, list, index, values);
            if index + 1 == orders.len() {
                refused("numbered before now", &[("priority", later.into())]);
            }
            refused("something left", &[("remaining", 0.into()), ("displayed", 0.into())]);
            refused("no more left than there was", &[("quantity", (remaining - 1).into())]);
            refused("no more shown than is left", &[("displayed", (remaining + 1).into())]);
            refused("something shown", &[("displayed", 0.into())]);
            match order["display"].as_u64() {
                Some(display) => refused("no more shown than a tranche", &[("displayed", (display + 1).into())]),
                None => refused("all shown", &[("displayed", (displayed - 1).into())]),
            }
            refused("linked with somebody", &[("linked", 1_000_000.into())]);
            if order["linked"].is_null() {
                for other in orders.iter().map(|other| &other["order_id"]) {
                    refused("linked with one that is linked with it", &[("linked", other.clone())]);
                }
            } else {
                refused("linked with one that is linked with it", &[("linked", Value::Null)]);
            }
            if list == "waiting" {
                refused("no place while it waits", &[("price", 5.into())]);
                refused("all left while it waits", &[("quantity", (quantity + 1).into())]);
                refused("waits for something", &[("wait", Value::Null)]);
                self.break_wait(index, &order["wait"]);
            } else {
                refused("on its side", &[("side", other_side.into())]);
                refused("a price in a level", &[("price", Value::Null)]);
                let wait = json!({"order_type": "STOP", "time_in_force": "GTC", "limit": null, "stop": 5, "delta": null,
                    "reference": null});
                refused("waits or stands in a level", &[("wait", wait)]);
            }
        }
    }

    fn break_wait(&mut self, index: usize, wait: &Value) {
        let mut refused = |rule, values: &[(&str, Value)]| self.refused_with(rule, "waiting", index, values);
        let toggled = |field: &str| if wait[field].is_null() { 5.into() } else { Value::Null };
        refused("a limit where its type has one", &[("wait.limit", toggled("limit"))]);
        refused("a stop price where its type has one", &[("wait.stop", toggled("stop"))]);
        refused("a delta where its type has one", &[("wait.delta", toggled("delta")), ("wait.reference", Value::Null)]);
        if wait["delta"].is_null() {
            refused("a reference where it follows", &[("wait.reference", 5.into())]);
        }
        let nothing = ["wait.limit", "wait.stop", "wait.delta", "wait.reference"].map(|field| (field, Value::Null));
        refused("a type that waits", &[&[("wait.order_type", "MARKET".into())], &nothing[..]].concat());
    }
}

#[test]
fn an_impossible_book_is_refused() {
    let mut found = BTreeMap::new();
    for seed in 1..40 {
        let mut book = Book::new(instrument());
        commands(seed, 150).into_iter().for_each(|(seq, command)| book.apply(seq, command, &mut Vec::new()));
        let of = serde_json::to_value(&book).expect("an image");
        assert_eq!(serde_json::from_value::<Book>(of.clone()).expect("a book"), book);
        let mut broken = Broken { of, found };
        for list in ["bids", "asks", "waiting"] {
            broken.break_list(list);
        }
        let best = broken.of["bids"][0]["price"].clone();
        if !best.is_null() && broken.of["asks"][0].is_object() && broken.of["phase"] == "CONTINUOUS" {
            broken.refused_with("not crossed", "asks", 0, &[("price", best)]);
        }
        found = broken.found;
    }
    assert!(found.len() == 24 && found.values().all(|count| *count > 3), "{found:#?}");
}

#[test]
fn an_impossible_router_is_refused() {
    let (engine, _) = run(&engine_commands(3, 300), RETAIN);
    let good = serde_json::to_value(&engine.image().router).expect("an image");
    let read = |image: Value| serde_json::from_value::<Router>(image).map(|router| router.symbols().count());
    let listed = read(good.clone()).expect("a router");
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut image = good.clone();
        change(&mut image);
        read(image)
    };
    let list = |count: usize| {
        changed(&|image| {
            let instruments = image["instruments"].as_array_mut().expect("instruments");
            for index in instruments.len()..count {
                let mut instrument = instruments[0].clone();
                instrument["symbol"] = format!("S{index}_USDT").into();
                instruments.push(instrument);
            }
        })
    };
    assert_eq!(list(MAX_SYMBOLS).expect("a router"), MAX_SYMBOLS);
    assert!(list(MAX_SYMBOLS + 1).is_err());
    assert!(changed(&|image| image["instruments"][1] = image["instruments"][0].clone()).is_err(), "listed twice");
    assert!(changed(&|image| image["orders"][0][1]["index"] = (listed - 1).into()).is_ok());
    assert!(changed(&|image| image["orders"][0][1]["index"] = listed.into()).is_err(), "an order of no market");
    let phases = |symbol: &str| changed(&|image| image["phases"] = json!([[symbol, [{"at": 1, "phase": "AUCTION"}]]]));
    assert!(phases(good["instruments"][0]["symbol"].as_str().expect("a symbol")).is_ok());
    assert!(phases("NONE_USDT").is_err(), "phases of no market");
}

#[test]
fn a_damaged_image_is_an_error_or_another_state_never_a_panic() {
    let (engine, _) = run(&engine_commands(2, 120), RETAIN);
    let bytes = engine.image().encode();
    let hash = StateHash::of(&bytes);
    for index in 0..bytes.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[index] ^= change;
            assert_ne!(StateHash::of(&damaged), hash);
            let _ = EngineImage::decode(&damaged);
        }
        assert!(EngineImage::decode(&bytes[..index]).is_err(), "an image cut at {index} was read");
    }
}

#[test]
fn format_1_is_read() {
    let (engine, _) = run(&engine_commands(1, 60), RETAIN);
    if std::env::var_os("REGENERATE").is_some() {
        std::fs::write(FIXTURE, engine.image().encode()).expect("the fixture");
    }
    let bytes = std::fs::read(FIXTURE).expect("the fixture");
    assert_eq!(StateHash::of(&bytes).to_string(), FIXTURE_HASH);
    let image = EngineImage::decode(&bytes).expect("an image");
    assert!(image == engine.image(), "the fixture is read as another state");
}
