//! Every story in `stories/` and every worked example of `docs/orders.md` is true.
//!
//! `RETELL=1 cargo test -p matching --test core stories` writes down what happens instead: read the difference.

use std::path::{Path, PathBuf};

use crate::story::retold;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// As many stories as there are at least: one for each known kind of bug, and what else was worth telling.
const LEAST: usize = 150;

/// A file's stories: each begins with a line `== name`; in Markdown each is a fenced block of kind `orders`.
fn stories(text: &str, markdown: bool) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let (mut heading, mut inside) = (String::new(), !markdown);
    for line in text.lines() {
        match line {
            "```orders" => {
                inside = true;
                found.push((heading.clone(), String::new()));
            }
            "```" if markdown => inside = false,
            _ if !inside => {
                if line.starts_with('#') {
                    line.clone_into(&mut heading);
                }
            }
            _ => match line.strip_prefix("== ") {
                Some(name) => found.push((name.to_owned(), String::new())),
                None => {
                    let (_, story) = found.last_mut().expect("a story's name first");
                    story.push_str(line);
                    story.push('\n');
                }
            },
        }
    }
    found
}

#[track_caller]
fn check(path: &Path, markdown: bool) -> usize {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let stories = stories(&text, markdown);
    let (mut corrected, mut wrong) = (text.clone(), Vec::new());
    for (name, story) in &stories {
        let told = retold(story);
        let (told, said) = (told.trim_end(), story.trim_end());
        if told != said {
            wrong.push(format!("{}: {name}\nit says\n{said}\n\nwhat happens is\n{told}\n", path.display()));
            corrected = corrected.replacen(said, told, 1);
        }
    }
    if std::env::var_os("RETELL").is_some() {
        std::fs::write(path, corrected).expect("the stories");
        return stories.len();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    stories.len()
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
