//! Every story in `stories/` and every worked example of `docs/orders.md` is true.
//!
//! `RETELL=1 cargo test -p matching --test core stories` writes down what happens instead: read the difference.

use std::path::{Path, PathBuf};

use crate::story::retold;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// As many stories as there are at least: one for each known kind of bug, and what else was worth telling.
const LEAST: usize = 150;

/// A file in parts: what stands between stories, and the stories. Each begins behind a line `== name`; in Markdown each is a
/// fenced block of kind `orders`.
fn parts(text: &str, markdown: bool) -> Vec<(bool, String)> {
    let mut parts: Vec<(bool, String)> = vec![(false, String::new())];
    for line in text.lines() {
        let is_story = parts.last().is_some_and(|(is_story, _)| *is_story);
        let ends = is_story && if markdown { line == "```" } else { line.starts_with("== ") };
        if ends {
            parts.push((false, String::new()));
        }
        if let Some((_, part)) = parts.last_mut() {
            part.push_str(line);
            part.push('\n');
        }
        let begins = if markdown { line == "```orders" } else { line.starts_with("== ") };
        if begins {
            parts.push((true, String::new()));
        }
    }
    parts
}

#[track_caller]
fn check(path: &Path, markdown: bool) -> usize {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let parts = parts(&text, markdown);
    let told: Vec<String> =
        parts.iter().map(|(is_story, part)| if *is_story { retold(part) } else { part.clone() }).collect();
    if std::env::var_os("RETELL").is_some() {
        std::fs::write(path, told.concat()).expect("the stories");
    } else {
        let differs = |((_, part), told): &(&(bool, String), &String)| part != *told;
        let wrong: Vec<String> = parts
            .iter()
            .zip(&told)
            .filter(differs)
            .map(|((_, part), told)| format!("{} says\n{part}\nwhat happens is\n{told}\n", path.display()))
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
    parts.iter().filter(|(is_story, _)| *is_story).count()
}

#[test]
fn every_story_is_true() {
    let folder = Path::new(HERE).join("tests/core/stories");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("the stories").map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    let count: usize = paths.iter().map(|path| check(path, false)).sum();
    assert!(count >= LEAST, "{count} stories");
}

#[test]
fn every_example_of_the_rule_book_is_true() {
    assert!(check(&Path::new(HERE).join("../../docs/orders.md"), true) > 0, "no example");
}

#[test]
fn a_story_that_is_not_true_is_noticed() {
    let story = "1 sell 5 @ 100\n2 buy 5 @ 100 -> 2 takes 5 of 1 @ 101\nbook -> |\n";
    assert_ne!(retold(story), story);
    let honest = "1 sell 5 @ 100\n2 buy 5 @ 100 -> 2 takes 5 of 1 @ 100\nbook -> |\n";
    assert_eq!(retold(honest), honest);
}
