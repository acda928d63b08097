//! What fuzzing has found worth keeping (`fuzz/corpus`) is run again: none of it panics.

#[path = "../../../fuzz/src/targets.rs"]
mod targets;

use std::path::Path;

#[track_caller]
fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("a file").path();
        run(&std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        count += 1;
    }
    assert!(count > 0, "{} is empty", folder.display());
}

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
