//! Embeds `ui/dist` anew when it changes.

use std::path::Path;

fn main() {
    // A watched path that is absent would make every build start over; before there is a dist, its folder is watched.
    let watched = if Path::new("ui/dist").is_dir() { "ui/dist" } else { "ui" };
    println!("cargo:rerun-if-changed={watched}");
}
