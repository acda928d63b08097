//! The documents tell the truth: those made from the code are what the code makes, examples run, names are named.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use journal::{Epoch, Position, Record, StreamId, encoding};
use matching::{Engine, Micros, Reason, Seq, Sequenced};
use pricetime::config::Settings;
use pricetime::config::table::{Default, SETTINGS, Setting};
use pricetime::http::problem::{Code, Taken};
use testbed::Service;

const BINARY: &str = env!("CARGO_BIN_EXE_pricetime");
/// Writes the files that are made from the code.
const UPDATE: &str = "UPDATE_DOCS=1 cargo test -p pricetime --test integration docs::";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Holds that a file is what the code makes, or makes it so when that is asked for.
fn is_current(name: &str, made: &str) {
    let path: PathBuf = root().join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, made).expect("the file");
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == made, "{name} is not what the code makes; run `{UPDATE}`");
}

#[test]
fn the_settings_are_current() {
    let mut page = format!(
        "# Settings\n\n<!-- Made from src/config/table.rs by `{UPDATE}` -->\n\n\
         From the environment or `.env` of the working directory; the environment wins, and the prefix `PRICETIME_` wins over\n\
         the bare name, that over the original service's name. `pricetime config check` shows what holds and where it is\n\
         from. An unknown name with the prefix or in `.env` is an error; all problems are reported at once.\n\n\
         | name | default | unit | meaning |\n|:--|:--|:--|:--|\n"
    );
    for setting in SETTINGS {
        let aliases: String = setting.aliases.iter().map(|alias| format!(" Also `{alias}`.")).collect();
        let (name, unit, meaning) = (setting.name, setting.unit, setting.meaning);
        let _ = writeln!(page, "| `{name}` | {} | {unit} | {meaning}{aliases} |", default(setting));
    }
    is_current("docs/settings.md", &page);
}

fn default(setting: &Setting) -> String {
    match setting.default {
        Default::Text(text) => format!("`{text}`"),
        Default::Of(other) => format!("that of `{other}`"),
        Default::Unset => String::new(),
    }
}

/// A copy of the schema in the repository shows in every change what it does to clients.
#[test]
fn the_copy_of_the_schema_is_current() {
    let mut schema = pricetime::http::openapi(false).to_pretty_json().expect("JSON");
    schema.push('\n');
    is_current("docs/openapi.json", &schema);
}

#[test]
fn the_example_of_an_env_file_is_current_and_good() {
    let mut file = format!(
        "# Settings of pricetime, for `make run` and, with the addresses below, for `docker compose up`.\n\
         # docs/settings.md explains them. Made from src/config/table.rs by\n# {UPDATE}\n\n\
         # Asks nobody for a key, for trying things out; leave it out where others can connect: docs/security.md.\nDEBUG=true\n"
    );
    for setting in SETTINGS.iter().filter(|setting| setting.name != "DEBUG") {
        let value = match setting.default {
            Default::Text(text) => text,
            Default::Of(_) | Default::Unset => "",
        };
        let unit = if setting.unit.is_empty() { String::new() } else { format!(" [{}]", setting.unit) };
        let _ = write!(file, "\n# {}{unit}\n#{}={value}\n", setting.meaning, setting.name);
    }
    is_current(".env.example", &file);
    let folder = tempfile::tempdir().expect("a folder");
    // As it is, and with every line that has a value.
    for text in [file.clone(), file.lines().map(|line| format!("{}\n", uncommented(line))).collect()] {
        std::fs::write(folder.path().join(".env"), text).expect("a file");
        let output = Command::new(BINARY).args(["config", "check"]).env_clear().current_dir(folder.path()).output();
        let output = output.expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(Settings::from_sources([], [("DEBUG".to_owned(), "true".to_owned())]).is_ok());
}

/// A commented setting that has a value, without the comment; the addresses of servers stay out.
fn uncommented(line: &str) -> &str {
    let setting = line.strip_prefix('#').filter(|text| {
        text.split_once('=').is_some_and(|(name, value)| {
            !value.is_empty()
                && !name.starts_with("POSTGRES")
                && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
        })
    });
    setting.unwrap_or(line)
}

#[test]
fn the_catalogue_of_errors_is_current() {
    let mut page = format!(
        "# Errors\n\n<!-- Made from src/http/problem.rs, crates/matching/src/event.rs by `{UPDATE}` -->\n\n\
         Requests that are not served are answered with `application/problem+json`. `code` is stable; `detail` says what is\n\
         wrong with this very request. `outcome` says whether the engine has the command: after `not_taken` the request can\n\
         be sent again; after `unknown` it may have been executed.\n\n\
         | code | status | outcome | meaning | what to do |\n|:--|:--|:--|:--|:--|\n"
    );
    for code in Code::ALL {
        let outcome = match code.taken() {
            Taken::NotTaken => "`not_taken`",
            Taken::Unknown => "`unknown`",
            Taken::Settled => "",
        };
        let (status, meaning, remedy) = (code.status().as_u16(), code.meaning(), code.remedy());
        let _ = writeln!(page, "| `{code}` | {status} | {outcome} | {meaning} | {remedy} |");
    }
    page.push_str(
        "\n## Reasons\n\nAn order that was taken and then rejected or cancelled says why in `reason_code`; the log says it of \
         every refusal.\n\n| reason | meaning |\n|:--|:--|\n",
    );
    for reason in Reason::ALL {
        let _ = writeln!(page, "| `{}` | {} |", reason.code(), reason.meaning());
    }
    is_current("docs/errors.md", &page);
}

/// The blocks of one language of a page, in order.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut inside: Option<String> = None;
    for line in page.lines() {
        match &mut inside {
            Some(block) if line == "```" => {
                found.push(std::mem::take(block));
                inside = None;
            }
            Some(block) => {
                block.push_str(line);
                block.push('\n');
            }
            None if line == format!("```{language}") => inside = Some(String::new()),
            None => {}
        }
    }
    found
}

#[test]
fn the_examples_of_the_api_guide_run() {
    let service = Service::start(BINARY, [("RUST_LOG", "warn")]).expect("the service");
    let page = read("docs/api.md");
    let (shell, python) = (blocks(&page, "bash"), blocks(&page, "python"));
    assert!(shell.len() > 5 && !python.is_empty(), "the blocks of docs/api.md are not found");
    let run = |program: &str, arguments: &[&str], text: &str| {
        let output =
            Command::new(program).args(arguments).arg(text).env("MATCHING_BASE_URL", service.base_url()).output();
        let output = output.expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{text}\n{said}\n{error}");
        said
    };
    // One shell for all, as a reader has.
    let said = run("bash", &["-euo", "pipefail", "-c"], &shell.join("\necho\n"));
    for expected in blocks(&page, "json").iter().flat_map(|block| block.lines()) {
        // Rows and ids depend on what was done before; the rest is as the page shows it.
        let stable = expected.split(",\"seq\"").next().unwrap_or(expected).trim();
        assert!(said.contains(stable), "{stable} is not in what the examples print:\n{said}");
    }
    let interpreter = root().join(".venv/bin/python");
    run(interpreter.to_str().expect("a path"), &["-c"], &python.join("\n"));
}

/// The rows of the example are chained as the page says, and their commands give their events.
#[test]
fn the_example_of_the_log_is_right() {
    let page = read("docs/log-format.md");
    let mut position = Position::START;
    let mut engine = Engine::new(10);
    let rows: Vec<serde_json::Value> =
        blocks(&page, "json").concat().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(rows.len(), 4);
    for row in rows {
        let number = |name: &str| row[name].as_u64().expect("a number");
        let text = |name: &str| row[name].as_str().expect("a text");
        let (seq, time) = (Seq::new(number("seq")).expect("a row"), Micros::new(number("time")).expect("a time"));
        let value = encoding::decode_command(1, text("command")).expect("a command");
        assert_eq!(encoding::encode_command(&value), text("command"));
        let command = Sequenced { seq, time, value };
        let mut events = Vec::new();
        engine.apply(&command, &mut events);
        assert_eq!(encoding::encode_events(&events), text("events"));
        let stream_id: StreamId = text("stream_position").parse().expect("a position");
        let record = Record::new(&position, stream_id, Epoch(number("epoch")), &command, &events);
        assert_eq!(record.chain.to_string(), text("chain"), "row {seq}");
        assert_eq!((record.engine_version, i64::from(record.format)), (1, row["format"].as_i64().expect("a number")));
        position = record.position();
    }
}

/// Every command and event that the formats' fixtures have is in the page, each field in the order in which it is written.
#[test]
fn the_page_about_the_log_has_every_command_and_event() {
    let page = read("docs/log-format.md");
    let fixtures = read("crates/journal/tests/formats.rs");
    let texts = fixtures.lines().filter_map(|line| line.trim().strip_prefix("r#\"")?.strip_suffix("\"#,"));
    let mut checked = 0;
    for text in texts {
        let fields: Vec<&str> = text.split("\"type\":\"").nth(1).expect("a type").split('"').collect();
        let kind = fields[0];
        let line = page.lines().find(|line| line.starts_with(&format!("| `{kind}` |")));
        let mut rest = line.unwrap_or_else(|| panic!("{kind} is not in docs/log-format.md")).to_owned();
        if rest.contains("the same without") {
            continue;
        }
        let value: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).expect("JSON");
        let mut names: Vec<&String> = value.keys().filter(|name| *name != "type").collect();
        names.sort_by_key(|name| text.find(&format!("\"{name}\":")));
        for name in names {
            let place = rest.find(&format!("`{name}`"));
            rest = rest.split_off(place.unwrap_or_else(|| panic!("{name} of {kind} is missing, or not in its place")));
        }
        checked += 1;
    }
    assert!(checked >= 15, "only {checked} texts were checked");
}

#[tokio::test]
async fn every_metric_and_exit_code_is_in_the_operators_page() {
    let page = read("docs/operations.md");
    let service = Service::start(BINARY, [("RUST_LOG", "warn")]).expect("the service");
    let answer = reqwest::get(format!("{}/metrics", service.base_url())).await.expect("an answer");
    let scraped = answer.text().await.expect("metrics");
    let names = scraped.lines().filter_map(|line| line.strip_prefix("# HELP "));
    let names: Vec<&str> = names.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() > 5, "{scraped}");
    for name in names {
        assert!(page.contains(&format!("`{name}")), "{name} is not in docs/operations.md");
    }
    for code in [0, 2, 3, 4, 5, 6] {
        assert!(page.contains(&format!("| {code} |")), "exit code {code} is not in docs/operations.md");
    }
}

/// Each threat is answered, and what shows it is there: a test of that name in the file beside it, or the file.
#[test]
fn the_tests_that_the_page_about_security_names_exist() {
    let page = read("docs/security.md");
    let threats = page.split("## Threats").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("the threats");
    let (mut tests, mut files) = (0, 0);
    for row in threats.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let shown = row.trim_end_matches(" |").rsplit(" | ").next().expect("what shows it");
        assert!(shown.contains('`'), "nothing shows {row}");
        let mut file = "src/http/tests/access.rs".to_owned();
        for name in shown.split('`').skip(1).step_by(2) {
            if name.contains('.') {
                let inside = name.strip_prefix("service/").map(|name| format!("tests/integration/service/{name}"));
                file = inside.unwrap_or_else(|| name.to_owned());
                assert!(root().join(&file).is_file(), "{file} of {row}");
                files += 1;
            } else {
                assert!(read(&file).contains(&format!("fn {name}(")), "{file} has no {name}");
                tests += 1;
            }
        }
    }
    assert!(tests >= 12 && files >= 10, "{tests} tests and {files} files");
}

#[test]
fn links_lead_somewhere() {
    for page in [
        "README.md",
        "ARCHITECTURE.md",
        "docs/api.md",
        "docs/feed.md",
        "docs/operations.md",
        "docs/settings.md",
        "docs/errors.md",
        "docs/security.md",
        "docs/log-format.md",
    ] {
        let folder = root().join(page).parent().expect("a folder").to_owned();
        let text = read(page);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            assert!(target.starts_with("http") || folder.join(path).exists(), "{page} links to {target}");
        }
    }
}
