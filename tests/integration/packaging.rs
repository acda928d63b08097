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
    for (setting, value) in
        [("--appendonly", "yes"), ("--appendfsync", "always"), ("--maxmemory-policy", "noeviction"), ("--save", "")]
    {
        assert!(command.windows(2).any(|pair| pair == [setting, value]), "{setting} {value} is not in {command:?}");
    }
    for name in ["web", "db", "redis"] {
        let data = services[name]["volumes"][0].as_str().expect("a volume").split(':').next().expect("a name");
        assert!(compose["volumes"].get(data).is_some(), "the data of {name} are in no named volume");
    }
    // What the image keeps outlives a container that `run --rm` removes.
    let image = read("Dockerfile");
    let kept = image.lines().find_map(|line| line.strip_prefix("VOLUME ")).expect("a volume");
    assert_eq!(services["web"]["volumes"][0].as_str(), Some(format!("data:{kept}").as_str()));
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
    for (service, profile) in [("locust", "load"), ("prometheus", "observability"), ("grafana", "observability")] {
        assert_eq!(services[service]["profiles"][0].as_str(), Some(profile));
    }
    let web = &services["web"];
    assert_eq!(web["read_only"].as_bool(), Some(true));
    assert_eq!(
        (web["cap_drop"][0].as_str(), web["security_opt"][0].as_str()),
        (Some("ALL"), Some("no-new-privileges:true"))
    );
    for service in ["web", "locust", "prometheus", "grafana"] {
        let port = services[service]["ports"][0].as_str().expect("a port");
        assert!(port.starts_with("127.0.0.1:"), "{service} listens on every address of the machine");
    }
    // So DEBUG, without which every request needs a key, lets nobody else in; an .env without it wins.
    assert_eq!(services["web"]["environment"]["DEBUG"].as_str(), Some("${DJANGO_DEBUG:-${DEBUG:-true}}"));
    for name in ["db", "redis", "locust", "prometheus", "grafana"] {
        let image = services[name]["image"].as_str().expect("an image");
        let tag = image.split_once(':').map(|(_, tag)| tag).unwrap_or_default();
        let version = tag.trim_start_matches('v');
        assert!(version.starts_with(|digit: char| digit.is_ascii_digit()), "{image} names no version");
    }
}

/// What the containers of the observability profile are given exists, and Grafana finds its dashboards where they are.
#[test]
fn prometheus_and_grafana_are_given_what_is_there() {
    let compose = yaml("docker-compose.yml");
    let mut mounts = Vec::new();
    for name in ["prometheus", "grafana", "locust"] {
        let volumes = compose["services"][name]["volumes"].as_sequence().expect("volumes");
        for volume in volumes.iter().filter_map(Value::as_str).filter_map(|volume| volume.strip_prefix("./")) {
            let (from, to) = volume.split_once(':').expect("a place");
            assert!(root().join(from).is_dir(), "{from} is not there");
            mounts.push((from.to_owned(), to.trim_end_matches(":ro").to_owned()));
        }
    }
    // The file that a path in a container shows.
    let shown = |path: &str| {
        let (from, to) = mounts.iter().find(|(_, to)| path.starts_with(&format!("{to}/")) || path == to).expect(path);
        root().join(from).join(path.strip_prefix(to.as_str()).expect("it begins so").trim_start_matches('/'))
    };
    let prometheus = yaml("deploy/prometheus/prometheus.yml");
    assert!(shown(prometheus["rule_files"][0].as_str().expect("a file")).is_file());
    assert_eq!(prometheus["scrape_configs"][0]["static_configs"][0]["targets"][0].as_str(), Some("web:8000"));
    let provider = yaml("deploy/grafana/provisioning/dashboards/pricetime.yml");
    let dashboards = shown(provider["providers"][0]["options"]["path"].as_str().expect("a folder"));
    assert!(dashboards.join("pricetime.json").is_file());
    let home = compose["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"].as_str();
    assert!(shown(home.expect("a dashboard")).is_file());
    let source = yaml("deploy/grafana/provisioning/datasources/prometheus.yml");
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("deploy/grafana/dashboards/pricetime.json")).expect("JSON");
    for panel in dashboard["panels"].as_array().expect("panels").iter().filter(|panel| panel["type"] != "row") {
        assert_eq!(panel["datasource"]["uid"].as_str(), source["datasources"][0]["uid"].as_str(), "{panel}");
    }
}

/// With the file for secrets no secret is in the environment, and each file that a service is given is a secret of its own.
#[test]
fn secrets_come_from_files() {
    let secrets = yaml("deploy/compose.secrets.yml");
    for name in ["web", "db"] {
        let environment = secrets["services"][name]["environment"].as_mapping().expect("an environment");
        let given: Vec<&str> = secrets["services"][name]["secrets"]
            .as_sequence()
            .expect("secrets")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        for (variable, value) in environment {
            let (variable, value) = (variable.as_str().expect("a name"), value.as_str().expect("a value"));
            match value.strip_prefix("/run/secrets/") {
                Some(secret) => {
                    assert!(variable.ends_with("_FILE") && given.contains(&secret), "{variable}");
                    assert!(secrets["secrets"].get(secret).is_some(), "{secret}");
                    assert!(read("scripts/secrets.sh").contains(secret), "{secret} is not made");
                    let bare = variable.trim_end_matches("_FILE");
                    assert_eq!(
                        environment.get(bare).and_then(Value::as_str),
                        Some(""),
                        "{bare} of .env would hold too"
                    );
                }
                None => assert!(value.is_empty() || value == "false", "{variable} is in the file"),
            }
        }
    }
    for ignored in [".gitignore", ".dockerignore"] {
        assert!(read(ignored).lines().any(|line| line.trim_start_matches('/') == "secrets"), "{ignored}");
    }
}

/// What the secrets hold in this test: good ones, by the ends of their settings' names.
const SECRETS: [(&str, &str); 5] = [
    ("DATABASE_URL_FILE", "postgres://me:hunter2@db:5432/prices"),
    ("REDIS_URL_FILE", "redis://redis:6379/0"),
    ("SECRET_KEY_FILE", "6d1f0c9be7a85342910fedcba98765430123456789abcdef6d1f0c9be7a85342"),
    ("ADMIN_TOKEN_FILE", "9be7a85342910fedcba98765430123456789abcdef6d1f0c9be7a853426d1f0c"),
    ("POSTGRES_PASSWORD_FILE", "hunter2"),
];

/// Whether an environment, with the files of its secrets somewhere else, is a configuration that the service starts with.
fn is_good(environment: impl Iterator<Item = (String, String)>) {
    let folder = tempfile::tempdir().expect("a folder");
    let variables = environment.map(|(name, value)| match SECRETS.iter().find(|(secret, _)| *secret == name) {
        Some((_, text)) => {
            let file = folder.path().join(&name);
            std::fs::write(&file, text).expect("a secret");
            (name, file.to_str().expect("a path").to_owned())
        }
        None => (name, value),
    });
    let variables: Vec<(String, String)> = variables.collect();
    let check = Command::new(env!("CARGO_BIN_EXE_pricetime"))
        .args(["config", "check"])
        .env_clear()
        .envs(variables)
        .current_dir(folder.path())
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(check.status.success(), "{}{said}", String::from_utf8_lossy(&check.stderr));
    assert!(said.contains("DEBUG=false") && !said.contains("hunter2"), "{said}");
}

#[test]
fn kubernetes_gives_a_good_configuration() {
    let text = read("deploy/k8s/pricetime.yaml");
    let documents: Vec<Value> = text.split("\n---\n").map(|part| yaml_serde::from_str(part).expect("YAML")).collect();
    let set = documents.iter().find(|document| document["kind"].as_str() == Some("StatefulSet")).expect("a set");
    let variables = set["spec"]["template"]["spec"]["containers"][0]["env"].as_sequence().expect("variables");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    is_good(variables.iter().map(|variable| (text(&variable["name"]), text(&variable["value"]))));
}

#[test]
fn compose_with_its_secrets_gives_a_good_configuration() {
    let (compose, secrets) = (yaml("docker-compose.yml"), yaml("deploy/compose.secrets.yml"));
    let mut environment: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
    for file in [&compose, &secrets] {
        let variables = file["services"]["web"]["environment"].as_mapping().expect("an environment");
        for (name, value) in variables {
            let value = value.as_str().expect("a text");
            // Without an .env the innermost default holds: ${A:-${B:-default}}.
            let default = value.rsplit_once(":-").map_or(value, |(_, default)| default.trim_end_matches('}'));
            environment.insert(name.as_str().expect("a name").to_owned(), default.to_owned());
        }
    }
    is_good(environment.into_iter());
}

/// The image's files, put together as the Dockerfile does it, are enough: the service runs on nothing else, as nobody, and
/// answers its health check.
#[test]
fn the_image_holds_all_that_the_service_needs() {
    let id = Command::new("id").arg("-u").output().expect("it runs");
    if id.stdout != b"0\n" {
        eprintln!("skipped: only root can change into another root");
        return;
    }
    let image = tempfile::tempdir().expect("a folder");
    let assembled = Command::new(root().join("scripts/image_root.sh"))
        .args([Path::new(env!("CARGO_BIN_EXE_pricetime")), image.path()])
        .output()
        .expect("it runs");
    assert!(assembled.status.success(), "{}", String::from_utf8_lossy(&assembled.stderr));
    // Whoever is not root enters the folder too.
    std::fs::set_permissions(image.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("its mode");
    let port = testbed::free_port().expect("a port").to_string();
    let inside = |arguments: &[&str]| {
        let mut command = Command::new("/usr/sbin/chroot");
        command.arg("--userspec=65532:65532").arg(image.path()).arg("/usr/local/bin/pricetime").args(arguments);
        command.env_clear().envs([("PORT", port.as_str()), ("DATA_DIR", "/data"), ("RUST_LOG", "info")]);
        command
    };
    let mut service = inside(&["serve"]).spawn().expect("it starts");
    let began = std::time::Instant::now();
    let healthy = loop {
        let check = inside(&["healthcheck", "--ready"]).output().expect("it runs");
        if check.status.success() || began.elapsed() > std::time::Duration::from_secs(30) {
            break check.status.success();
        }
    };
    service.kill().expect("a kill");
    service.wait().expect("an end");
    assert!(healthy, "the health check says no");
    let files: Vec<String> = ["bin", "sbin", "usr/bin", "etc/ssl"].map(str::to_owned).to_vec();
    assert!(files.iter().all(|folder| !image.path().join(folder).exists()), "there is more in it than the service");
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
    assert!(last_stage.starts_with("scratch\n"), "there is more in the image than is needed");
    assert!(last_stage.contains("\nUSER 65532:65532\n"), "the image runs as root");
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
    for command in ["sudo scripts/prepare.sh packages", "make lint", "make deny", "make sbom", ".ci/run"] {
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
