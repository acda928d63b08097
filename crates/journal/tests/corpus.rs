//! What fuzzing has found worth keeping (`fuzz/corpus`) is run again: none of it panics.

#[path = "../../../fuzz/src/targets.rs"]
mod targets;

#[path = "../../../fuzz/src/replay.rs"]
mod replay;

use replay::replay;

#[test]
fn the_corpus_of_stream_entries() {
    replay("stream_entry", targets::stream_entry);
}

#[test]
fn the_corpus_of_events() {
    replay("events", targets::events);
}

#[test]
fn the_corpus_of_images() {
    replay("image", targets::image);
}

#[test]
fn the_corpus_of_command_sequences() {
    replay("commands", targets::commands);
}
