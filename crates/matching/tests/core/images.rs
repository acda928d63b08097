//! Images: equal states have equal bytes whatever their history, damage is an error, and format 1 is read for ever.

use matching::book::Book;
use matching::{EngineImage, StateHash};

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

#[test]
fn no_iceberg_of_an_image_shows_more_than_a_tranche_or_than_is_left() {
    let mut refused = 0;
    for seed in 1..60 {
        let mut book = Book::new(instrument());
        commands(seed, 100).into_iter().for_each(|(seq, command)| book.apply(seq, command, &mut Vec::new()));
        let image = serde_json::to_value(&book).expect("an image");
        for (side, index) in ["bids", "asks"].iter().flat_map(|side| (0..200).map(move |index| (*side, index))) {
            let Some(display) = image[side][index]["display"].as_u64() else { continue };
            let remaining = image[side][index]["remaining"].as_u64().expect("a quantity");
            for too_much in [display + 1, remaining + 1] {
                let mut image = image.clone();
                image[side][index]["displayed"] = too_much.into();
                assert!(serde_json::from_value::<Book>(image).is_err(), "{too_much} of {display} and {remaining}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "no book had an iceberg");
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
