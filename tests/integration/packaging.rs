//! The container files say what the promise needs, and what they name exists.

use std::path::Path;
use std::process::Command;

use yaml_serde::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn yaml(name: &str) -> Value {
    yaml_serde::from_str(&read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn compose_keeps_what_it_acknowledges() {
    let compose = yaml("docker-compose.yml");
    let services = &compose["services"];
    let command: Vec<&str> =
        services["redis"]["command"].as_sequence().expect("words").iter().filter_map(Value::as_str).collect();
    for (setting, value) in [("--appendonly", "yes"), ("--appendfsync", "always"), ("--maxmemory-policy", "noeviction")]
    {
        assert!(command.windows(2).any(|pair| pair == [setting, value]), "{setting} {value} is not in {command:?}");
    }
    for name in ["db", "redis"] {
        let data = services[name]["volumes"][0].as_str().expect("a volume").split(':').next().expect("a name");
        assert!(compose["volumes"].get(data).is_some(), "the data of {name} are in no named volume");
    }
    for name in ["web", "db", "redis"] {
        let service = &services[name];
        assert!(service["healthcheck"]["test"].is_sequence(), "{name} has no health check");
        assert_eq!(service["restart"].as_str(), Some("unless-stopped"), "{name}");
    }
    for name in ["db", "redis"] {
        assert_eq!(services["web"]["depends_on"][name]["condition"].as_str(), Some("service_healthy"));
        assert!(services[name].get("ports").is_none(), "{name} is open to the outside");
    }
    // Compose restarts whatever the exit code is.
    assert_eq!(services["web"]["environment"]["FINAL_EXIT_DELAY"].as_str(), Some("30"));
    assert_eq!(services["locust"]["profiles"][0].as_str(), Some("load"));
    for service in ["web", "locust"] {
        let port = services[service]["ports"][0].as_str().expect("a port");
        assert!(port.starts_with("127.0.0.1:"), "{service} listens on every address of the machine");
    }
    // So DEBUG, without which every request needs a key, lets nobody else in; an .env without it wins.
    assert_eq!(services["web"]["environment"]["DEBUG"].as_str(), Some("${DJANGO_DEBUG:-${DEBUG:-true}}"));
    for name in ["db", "redis", "locust"] {
        let image = services[name]["image"].as_str().expect("an image");
        let tag = image.split_once(':').map(|(_, tag)| tag).unwrap_or_default();
        assert!(tag.starts_with(|digit: char| digit.is_ascii_digit()), "{image} names no version");
    }
}

/// The original's `.env`, as its page has it.
const ORIGINAL: &str = "POSTGRES_DB=crypto_matching_engine_db\nPOSTGRES_USER=adminuser\nPOSTGRES_PASSWORD=adminpassword\n\
    POSTGRES_HOST=db\nPOSTGRES_PORT=5432\nREDIS_URL=redis://redis:6379/0\n\
    DJANGO_SETTINGS_MODULE=crypto_matching_engine.settings\nDJANGO_SECRET_KEY=change-me\nDJANGO_DEBUG=True\n\
    DJANGO_ALLOWED_HOSTS=*\n";

/// The compose client itself reads the file, without and with the original's `.env`, and what it hands to the service is
/// a good configuration.
#[test]
fn the_compose_client_takes_it() {
    if !Command::new("docker").args(["compose", "version"]).output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: there is no `docker compose` here");
        return;
    }
    for dotenv in ["", ORIGINAL] {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::copy(root().join("docker-compose.yml"), folder.path().join("docker-compose.yml")).expect("a copy");
        if !dotenv.is_empty() {
            std::fs::write(folder.path().join(".env"), dotenv).expect("a file");
        }
        let output = Command::new("docker")
            .args(["compose", "--profile", "load", "config", "--format", "json"])
            .current_dir(folder.path())
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let config: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let environment = config["services"]["web"]["environment"].as_object().expect("an environment");
        let variables = environment.iter().filter_map(|(name, value)| Some((name, value.as_str()?)));
        let check = Command::new(env!("CARGO_BIN_EXE_pricetime"))
            .args(["config", "check"])
            .env_clear()
            .envs(variables)
            .current_dir(folder.path())
            .output()
            .expect("it runs");
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
        let shown = String::from_utf8_lossy(&check.stdout).into_owned();
        assert!(shown.contains("@db:5432/") || shown.contains("POSTGRES_HOST=db"), "{shown}");
        assert!(shown.contains("DEBUG=true"), "{shown}");
    }
}

#[test]
fn the_image_is_built_as_the_manifest_says_and_runs_as_nobody() {
    let dockerfile = read("Dockerfile");
    let cargo = read("Cargo.toml");
    let needed = cargo.split("rust-version = \"").nth(1).and_then(|rest| rest.split('"').next()).expect("a version");
    let used = dockerfile.split("FROM rust:").nth(1).and_then(|rest| rest.split('-').next()).expect("a version");
    let number = |version: &str| version.split('.').map(|part| part.parse().expect("a number")).collect::<Vec<u32>>();
    assert!(number(used) >= number(needed), "the image is built with Rust {used}, and {needed} is needed");
    let last_stage = dockerfile.rsplit("\nFROM ").next().expect("a stage");
    assert!(last_stage.contains("\nUSER pricetime\n"), "the image runs as root");
    assert!(last_stage.contains("HEALTHCHECK") && last_stage.contains("[\"pricetime\", \"healthcheck\"]"));
    assert!(last_stage.contains("ENTRYPOINT [\"pricetime\"]"), "signals must reach the service");
    // What is copied into the build is there.
    for line in dockerfile.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|line| !line.starts_with("--"))
    {
        let words: Vec<&str> = line.split_whitespace().collect();
        for source in &words[..words.len() - 1] {
            assert!(root().join(source).exists(), "{source} is copied and does not exist");
        }
    }
}

#[test]
fn the_workflow_runs_the_same_commands() {
    let workflow = yaml(".github/workflows/ci.yml");
    let steps = workflow["jobs"]["test"]["steps"].as_sequence().expect("steps");
    let commands: Vec<&str> = steps.iter().filter_map(|step| step["run"].as_str()).collect();
    for command in ["make lint", ".ci/run"] {
        assert!(commands.contains(&command), "{command} is not in {commands:?}");
    }
    let toolchain = steps.iter().filter_map(|step| step["uses"].as_str()).find(|uses| uses.contains("rust-toolchain"));
    assert!(toolchain.is_some());
}

#[test]
fn every_package_has_the_licence() {
    assert!(read("LICENSE").starts_with("MIT License"));
    for manifest in [
        "Cargo.toml",
        "actors/Cargo.toml",
        "crates/journal/Cargo.toml",
        "crates/market/Cargo.toml",
        "crates/matching/Cargo.toml",
    ] {
        assert!(read(manifest).contains("license.workspace = true"), "{manifest}");
    }
}
