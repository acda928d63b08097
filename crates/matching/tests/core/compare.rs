//! The fast book against the naive one, event by event and by state hash; the folded book against the applied one; and a
//! snapshot now and then. What differs is reported with its seed and the fewest commands that show it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use matching::book::Book;
use matching::naive::NaiveBook;

use crate::generate::{Commands, commands, instrument};

/// Commands of one seed: enough for a book to fill, few enough for the naive one.
pub const COMMANDS_PER_SEED: u64 = 400;

/// What is wrong after these commands; none if nothing is.
pub fn difference(commands: &Commands) -> Option<String> {
    let compare = || {
        let (mut fast, mut naive, mut folded) =
            (Book::new(instrument()), NaiveBook::new(instrument()), Book::new(instrument()));
        let (mut said, mut expected) = (Vec::new(), Vec::new());
        for (index, (seq, command)) in commands.iter().enumerate() {
            said.clear();
            expected.clear();
            fast.apply(*seq, command.clone(), &mut said);
            naive.apply(*seq, command.clone(), &mut expected);
            if said != expected {
                return Some(format!("at {index} the fast book said {said:#?}, the naive one {expected:#?}"));
            }
            said.iter().for_each(|event| folded.fold(*seq, event));
            // The hash walks over the whole book.
            let last = index + 1 == commands.len();
            if last || index % 16 == 0 {
                if fast.hash() != naive.hash() {
                    return Some(format!("at {index} the books differ: {fast:#?} and {:#?}", naive.picture()));
                }
                if fast.hash() != folded.hash() {
                    return Some(format!("at {index} folding gives another book: {fast:#?} and {folded:#?}"));
                }
            }
            if index % 128 == 100 {
                let bytes = serde_json::to_vec(&fast).expect("an image");
                match serde_json::from_slice::<Book>(&bytes) {
                    Ok(read) if read == fast => fast = read,
                    other => return Some(format!("at {index} the image is read as {other:?}")),
                }
            }
        }
        None
    };
    catch_unwind(AssertUnwindSafe(compare)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Some(text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default())
    })
}

/// Leaves out whatever the difference does not need.
pub fn minimised(mut commands: Commands, fails: impl Fn(&Commands) -> bool) -> Commands {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut size = commands.len().div_ceil(2);
    while size > 0 {
        let mut start = 0;
        while start < commands.len() {
            let mut fewer = commands.clone();
            fewer.drain(start..(start + size).min(commands.len()));
            if fails(&fewer) {
                commands = fewer;
            } else {
                start += size;
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    std::panic::set_hook(hook);
    commands
}

/// # Panics
/// If the books differ on the commands of this seed.
pub fn check_seed(seed: u64, count: u64) {
    let commands = commands(seed, count);
    if difference(&commands).is_some() {
        let fewest = minimised(commands, |commands| difference(commands).is_some());
        let difference = difference(&fewest).unwrap_or_default();
        panic!("seed {seed}, {} commands: {fewest:#?}\n{difference}", fewest.len());
    }
}
