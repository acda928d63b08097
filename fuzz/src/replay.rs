//! Runs a target on what is kept of its corpus.

use std::path::Path;

/// Every input of `fuzz/corpus/<target>` is run; none panics.
#[track_caller]
pub fn replay(target: &str, run: fn(&[u8])) {
    let from_root = Path::new("fuzz/corpus").join(target);
    // Tests run in the folder of their package.
    let folder = [from_root.clone(), Path::new("../..").join(from_root)].into_iter().find(|folder| folder.is_dir());
    let folder = folder.unwrap_or_else(|| panic!("there is no corpus of {target}"));
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("a file").path();
        run(&std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        count += 1;
    }
    assert!(count > 0, "{} is empty", folder.display());
}
