//! What comes from outside: nothing but released crates of the one registry, and nothing of ours that is unsafe. Licences,
//! bans and who may import whom are held by `make deny`, whose settings are in deny.toml.

use std::fs;
use std::path::Path;

/// The lock files: the service's, and those of the benchmarks and fuzz targets beside it.
const LOCKS: [&str; 3] = ["Cargo.lock", "fuzz/Cargo.lock", "benches/core/Cargo.lock"];
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What is wrong with the packages of a lock file.
fn problems(lock: &str) -> Vec<String> {
    let mut found = Vec::new();
    for package in lock.split("[[package]]").skip(1) {
        let field = |name: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
            line.map(|value| value.trim_matches('"').to_owned())
        };
        let (name, version) = (field("name").unwrap_or_default(), field("version").unwrap_or_default());
        // What is behind a + only tells which upstream release is wrapped.
        if version.split('+').next().is_none_or(|version| version.contains('-') || version.is_empty()) {
            found.push(format!("{name} {version} is no release"));
        }
        // Our own have no source.
        match field("source") {
            Some(source) if source != REGISTRY => found.push(format!("{name} comes from {source}")),
            Some(_) if field("checksum").is_none() => found.push(format!("{name} has no checksum")),
            _ => {}
        }
    }
    found
}

#[test]
fn the_lock_files_hold_released_crates_of_one_registry() {
    for name in LOCKS {
        let lock = read(name);
        assert!(lock.matches("[[package]]").count() > 20, "{name} was read wrongly");
        assert_eq!(problems(&lock), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn each_planted_package_is_refused() {
    let package = |version: &str, source: &str, checksum: &str| {
        format!("[[package]]\nname = \"x\"\nversion = \"{version}\"\nsource = \"{source}\"\n{checksum}\n")
    };
    let sum = "checksum = \"00\"";
    assert_eq!(problems(&package("1.2.3+upstream-4.5", REGISTRY, sum)), Vec::<String>::new());
    for (lock, expected) in [
        (package("2.0.0-rc.1", REGISTRY, sum), "x 2.0.0-rc.1 is no release"),
        (package("2.0.0-alpha.3+up", REGISTRY, sum), "is no release"),
        (package("1.0.0", "git+https://example.test/x", sum), "x comes from git"),
        (package("1.0.0", REGISTRY, ""), "x has no checksum"),
    ] {
        let found = problems(&lock);
        assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
    }
}

/// The workspace forbids it and each member takes the workspace's lints; what is outside does without.
#[test]
fn nothing_of_ours_is_unsafe() {
    assert!(read("Cargo.toml").contains("\nunsafe_code = \"forbid\"\n"));
    let metadata = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo");
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).expect("metadata");
    let packages = metadata["packages"].as_array().expect("packages");
    assert!(packages.len() >= 8);
    for package in packages {
        let manifest = package["manifest_path"].as_str().expect("a path");
        let text = fs::read_to_string(manifest).expect("a manifest");
        assert!(text.contains("[lints]\nworkspace = true\n"), "{manifest} does not take the workspace's lints");
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut read = 0;
    for folder in ["fuzz/src", "fuzz/fuzz_targets", "benches", "benches/core/src", "benches/feed"] {
        for entry in fs::read_dir(root.join(folder)).expect(folder) {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|end| end == "rs") {
                let code = fs::read_to_string(&path).expect("a text");
                assert!(!code.split_whitespace().any(|word| word == "unsafe"), "{}", path.display());
                read += 1;
            }
        }
    }
    assert!(read > 8, "only {read} files were looked at");
}
