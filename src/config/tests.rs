//! Settings as tables: what is given, and what comes of it.

use super::*;

const FULL: &str = "REDIS_URL=redis://127.0.0.1:6379/0 DATABASE_URL=postgres://me:hunter2@db:5432/prices";

fn variables(text: &str) -> Vec<(String, String)> {
    let pair = |word: &str| {
        let (name, value) = word.split_once('=').expect("NAME=value");
        (name.to_owned(), value.to_owned())
    };
    text.split_whitespace().map(pair).collect()
}

fn read(environment: &str, dotenv: &str) -> Result<(Settings, Vec<Warning>), Vec<Problem>> {
    Settings::from_sources(variables(environment), variables(dotenv))
}

fn good(environment: &str, dotenv: &str) -> Settings {
    read(&format!("{FULL} {environment}"), dotenv)
        .map_or_else(|problems| panic!("{problems:?}"), |(settings, _)| settings)
}

/// Each of `expected` is in its own problem, and there are no others.
#[track_caller]
fn bad(environment: &str, dotenv: &str, expected: &[&str]) {
    let problems = read(environment, dotenv).expect_err("problems");
    let texts: Vec<String> = problems.iter().map(Problem::to_string).collect();
    assert_eq!(texts.len(), expected.len(), "{texts:#?}");
    for (text, expected) in texts.iter().zip(expected) {
        assert!(text.contains(expected), "{text:?} does not say {expected:?}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[track_caller]
fn bad_setting(setting: &str, expected: &str) {
    bad(&format!("{FULL} {setting}"), "", &[expected]);
}

#[test]
fn without_anything_but_the_two_addresses_the_defaults_hold() {
    let settings = good("", "");
    assert_eq!(settings.listen, "127.0.0.1:8000".parse().expect("an address"));
    assert!(!settings.debug && !settings.auto_list_symbols && !settings.allow_unsafe_durability);
    assert_eq!(settings.symbols.iter().map(Symbol::as_str).collect::<Vec<_>>(), ["BTC_USDT", "ETH_USDT", "XRP_USDT"]);
    assert_eq!((settings.max_body_bytes, settings.snapshot_interval), (262_144, Duration::from_secs(600)));
    assert_eq!((settings.retain_snapshots, settings.retain_closed_orders), (10, 500_000));
    assert_eq!((settings.queue_retention_entries, settings.log_format), (100_000, LogFormat::Pretty));
    assert!(settings.allowed_hosts.allow("localhost:8000") && !settings.allowed_hosts.allow("evil.test"));
    assert_eq!(settings.admin_token, None);
}

#[test]
fn without_any_server_it_is_the_embedded_mode() {
    let embedded = |given| read(given, "").map_or_else(|problems| panic!("{problems:?}"), |(settings, _)| settings);
    let settings = embedded("");
    assert_eq!(settings.storage, Storage::Embedded { data_dir: "./data".into() });
    assert!(settings.debug && settings.auto_list_symbols, "nobody else can connect");
    assert!(
        settings.effective.iter().any(|line| line.to_string() == "DEBUG=true (default)"),
        "{:?}",
        settings.effective
    );
    for given in ["DEBUG=false", "HOST=0.0.0.0", "HOST=10.0.0.1"] {
        assert!(!embedded(given).debug, "{given}");
    }
    assert!(embedded("HOST=::1").debug);
    assert!(!embedded("AUTO_LIST_SYMBOLS=false").auto_list_symbols);
    assert_eq!(embedded("DATA_DIR=/x").storage, Storage::Embedded { data_dir: "/x".into() });
}

#[test]
fn the_originals_file_works_as_it_is() {
    let dotenv = "POSTGRES_DB=crypto_matching_engine_db POSTGRES_USER=adminuser POSTGRES_PASSWORD=hun%ter/2 \
                  POSTGRES_HOST=db POSTGRES_PORT=5432 REDIS_URL=redis://redis:6379/0 \
                  DJANGO_SETTINGS_MODULE=crypto_matching_engine.settings DJANGO_SECRET_KEY=change-me \
                  DJANGO_DEBUG=True DJANGO_ALLOWED_HOSTS=*";
    let (settings, warnings) = read("", dotenv).expect("settings");
    let Storage::Full { redis_url, database_url } = &settings.storage else { panic!("{:?}", settings.storage) };
    assert_eq!(redis_url.expose(), "redis://redis:6379/0");
    assert_eq!(database_url.expose(), "postgres://adminuser:hun%25ter%2F2@db:5432/crypto_matching_engine_db");
    assert!(settings.debug && settings.auto_list_symbols);
    assert_eq!(settings.allowed_hosts, AllowedHosts::Any);
    let warned = |name: &str| warnings.iter().any(|warning| warning.0.contains(name));
    assert!(warned("DJANGO_SETTINGS_MODULE"));
    assert_eq!(settings.secret_key.as_ref().map(Secret::expose), Some("change-me"));
    assert_eq!(settings.openings(), [], "with DEBUG nothing is asked for");
}

#[test]
fn the_prefix_wins_over_the_bare_name_and_that_over_the_alias() {
    let port = |environment: &str, dotenv: &str| good(environment, dotenv).listen.port();
    assert_eq!(port("PORT=1", "PORT=2"), 1);
    assert_eq!(port("PORT=1 PRICETIME_PORT=3", ""), 3);
    assert_eq!(port("PORT=1", "PRICETIME_PORT=4"), 4);
    assert_eq!(port("PRICETIME_PORT=", "PORT=5"), 5);
    assert!(!good("DEBUG=false DJANGO_DEBUG=true", "").debug);
    assert!(good("DEBUG=on AUTO_LIST_SYMBOLS=no", "").debug);
}

#[test]
fn all_problems_are_reported_at_once() {
    bad(
        "PRICETIME_PROT=1 PORT=70000 REDIS_URL=http://x DATABASE_URL=hunter2 ADMIN_TOKEN=hunter2",
        "TYPO=1 COMPOSE_PROJECT_NAME=x",
        &[
            "TYPO in .env is no setting",
            "PRICETIME_PROT is no setting",
            "PORT is \"70000\"; give a whole number from 0 to 65535",
            "REDIS_URL is no address of a Redis; write it as redis://",
            "DATABASE_URL is no address of a PostgreSQL database",
            "ADMIN_TOKEN has 7 characters; give 32 or more",
        ],
    );
}

/// A bug is planted by what tests build alone; for anybody else the name is a mistake.
#[cfg(not(feature = "planted"))]
#[test]
fn what_ships_refuses_to_plant_a_bug() {
    bad("PRICETIME_PLANT=takers-price", "", &["PRICETIME_PLANT is no setting"]);
}

#[cfg(feature = "planted")]
#[test]
fn a_build_for_tests_may_plant_a_bug() {
    good("PRICETIME_PLANT=takers-price", "");
}

#[test]
fn half_of_the_full_mode_is_an_error_that_says_so() {
    bad("REDIS_URL=redis://h:1/0", "", &["DATABASE_URL is not set although REDIS_URL is; give both"]);
    bad("DATABASE_URL=postgres://h/d", "", &["REDIS_URL is not set although PostgreSQL is; give both"]);
    bad("REDIS_URL=redis://h:1/0 POSTGRES_DB=d", "", &["POSTGRES_USER is not set"]);
}

#[test]
fn each_value_is_checked() {
    bad_setting("HOST=nowhere", "HOST is \"nowhere\", which is no IP address; give an IP address");
    bad_setting("PORT=-1", "PORT is \"-1\"; give a whole number");
    bad_setting("DEBUG=maybe", "DEBUG is \"maybe\"; give true or false");
    bad_setting("ALLOWED_HOSTS=a:80", "ALLOWED_HOSTS has the entry \"a:80\"");
    bad_setting("SYMBOLS=BTC_USDT,btc_usdt", "SYMBOLS holds \"btc_usdt\"");
    bad_setting("SYMBOLS=BTC_USDT,BTC_USDT", "SYMBOLS holds BTC_USDT twice");
    bad_setting("SNAPSHOT_INTERVAL=0", "SNAPSHOT_INTERVAL is \"0\"; give a whole number from 1");
    bad_setting("RETAIN_CLOSED_ORDERS=1e6", "RETAIN_CLOSED_ORDERS is \"1e6\"");
    bad_setting("MAX_BODY_BYTES=10", "MAX_BODY_BYTES is \"10\"; give a whole number from 1024");
    bad_setting("LOG_FORMAT=xml", "LOG_FORMAT is \"xml\"; give pretty or json");
    bad_setting("RUST_LOG=a=b=c", "RUST_LOG is");
    bad_setting("POSTGRES_HOST=x PRICETIME_DJANGO_DEBUG=1", "PRICETIME_DJANGO_DEBUG is no setting");
}

#[test]
fn names_of_the_environment_that_are_not_ours_are_left_alone() {
    good("PATH=/bin DJANGO_X=1 TYPO=1 COMPOSE_FILE=x", "");
    let (_, warnings) = read(FULL, "REDIS_PORT=1").expect("settings");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}

#[test]
fn orders_go_stale_after_five_seconds_unless_debug_or_the_setting_says_otherwise() {
    let seconds = |given| good(given, "").max_queue_age.map(|age| age.as_secs());
    assert_eq!(seconds(""), Some(5));
    assert_eq!(seconds("DEBUG=true"), None);
    assert_eq!(seconds("DEBUG=true MAX_QUEUE_AGE=7"), Some(7));
    assert_eq!(seconds("MAX_QUEUE_AGE=0"), None);
    bad_setting("MAX_QUEUE_AGE=-1", "MAX_QUEUE_AGE is \"-1\"; give a whole number from 0");
}

#[test]
fn rates_are_limited_unless_debug_or_the_setting_says_otherwise() {
    let limits = |given| {
        let Settings { rate_limit_orders, rate_limit_cancels, rate_limit_reads, .. } = good(given, "");
        [rate_limit_orders, rate_limit_cancels, rate_limit_reads].map(|limit| limit.map_or(0, NonZero::get))
    };
    assert_eq!(limits(""), [1_000, 2_000, 1_000]);
    assert_eq!(limits("DEBUG=true"), [0, 0, 0]);
    assert_eq!(limits("DEBUG=true RATE_LIMIT_ORDERS=7"), [7, 0, 0]);
    assert_eq!(limits("RATE_LIMIT_ORDERS=0 RATE_LIMIT_CANCELS=1 RATE_LIMIT_READS=2"), [0, 1, 2]);
    bad_setting("RATE_LIMIT_ORDERS=-1", "RATE_LIMIT_ORDERS is \"-1\"; give a whole number from 0");
}

/// What DEBUG excuses keeps a service without it from starting, all at once and with the remedy.
#[test]
fn without_debug_nothing_may_be_left_open() {
    let openings = |given: &str| good(given, "").openings().iter().map(Problem::to_string).collect::<Vec<_>>();
    let random = "SECRET_KEY=5f1d7a8e90b3c24d6e7f8091a2b3c4d5";
    assert_eq!(openings(random), [""; 0]);
    assert_eq!(openings("DEBUG=true ALLOWED_HOSTS=*"), [""; 0]);
    let hosts = format!("{random} ALLOWED_HOSTS=*");
    assert!(
        openings(&hosts)[0].starts_with("ALLOWED_HOSTS is * without DEBUG; list the names"),
        "{:?}",
        openings(&hosts)
    );
    for (given, expected) in [
        ("", "SECRET_KEY is not set; "),
        ("SECRET_KEY=short", "SECRET_KEY has 5 characters; "),
        (
            "DJANGO_SECRET_KEY=django-insecure-5f1d7a8e90b3c24d6e7f8091a2b3c4d5",
            "SECRET_KEY is the default of a template; ",
        ),
        ("SECRET_KEY=change-me-change-me-change-me-change-me", "SECRET_KEY is the default of a template; "),
        ("SECRET_KEY=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "SECRET_KEY is not random; "),
    ] {
        let found = openings(given);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{given}: {found:?}");
        assert!(found[0].contains("openssl rand -hex 32"), "{found:?}");
    }
    let both = format!("{random} ADMIN_TOKEN=5f1d7a8e90b3c24d6e7f8091a2b3c4d5");
    assert!(openings(&both)[0].starts_with("ADMIN_TOKEN is the same as SECRET_KEY; "), "{:?}", openings(&both));
    let demo = Settings { demo: true, ..good(random, "") };
    assert!(demo.openings()[0].to_string().starts_with("ADMIN_TOKEN is not set"), "{:?}", demo.openings());
    let poor = "ADMIN_TOKEN=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let found = openings(poor);
    assert!(found.len() == 2 && found[1].starts_with("ADMIN_TOKEN is not random"), "{found:?}");
}

#[test]
fn secrets_are_shown_nowhere() {
    let settings = good("ADMIN_TOKEN=hunter2hunter2hunter2hunter2hunter2 SECRET_KEY=hunter2", "");
    let shown: String = settings.effective.iter().map(|line| format!("{line}\n")).collect();
    assert!(!format!("{settings:?}{shown}").contains("hunter2"), "{settings:?}\n{shown}");
    assert!(shown.contains("DATABASE_URL=postgres://me:***@db:5432/prices (environment)"), "{shown}");
    assert!(shown.contains("PORT=8000 (default)"), "{shown}");
}

#[test]
fn a_file_is_read_with_its_mistakes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(".env");
    assert_eq!(sources::read_dotenv(&path), (Vec::new(), Vec::new()));
    std::fs::write(&path, "# words\nPORT=81 # more\nexport DEBUG='true'\nhunter2 hunter2\nHOST=::1\n").expect("a file");
    let (variables, problems) = sources::read_dotenv(&path);
    let names: Vec<&str> = variables.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["PORT", "DEBUG", "HOST"]);
    assert_eq!(problems.len(), 1);
    let text = problems[0].to_string();
    assert!(text.contains("a line after DEBUG") && !text.contains("hunter2"), "{text}");
}

#[test]
fn the_table_reads_well() {
    for setting in table::SETTINGS {
        assert!(setting.meaning.ends_with('.'), "{}", setting.name);
        assert_eq!(table::SETTINGS.iter().filter(|other| other.name == setting.name).count(), 1, "{}", setting.name);
    }
}

/// Each secret may stand in a file, under the setting's name or its alias, with or without the prefix.
#[test]
fn a_secret_may_be_in_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.to_str().expect("a path").to_owned()
    };
    let url = file("url", "postgres://me:hunter2@db:5432/prices\n");
    let token = file("token", "0123456789abcdef0123456789abcdef\n");
    let given = format!(
        "REDIS_URL=redis://127.0.0.1:6379/0 DATABASE_URL_FILE={url} PRICETIME_ADMIN_TOKEN_FILE={token} POSTGRES_PASSWORD="
    );
    let (settings, _) = read(&given, "").unwrap_or_else(|problems| panic!("{problems:?}"));
    assert!(settings.admin_token.is_some_and(|given| given.expose() == "0123456789abcdef0123456789abcdef"));
    assert!(
        matches!(&settings.storage, Storage::Full { database_url, .. } if database_url.expose().contains("hunter2"))
    );
    assert!(settings.effective.iter().all(|setting| !setting.to_string().contains("hunter2")));

    let (empty, two) = (file("empty", " \n"), file("two", "hunter2\nhunter2\n"));
    for (setting, expected) in [
        (format!("ADMIN_TOKEN_FILE={empty}"), "which does not hold one line"),
        (format!("ADMIN_TOKEN_FILE={two}"), "which does not hold one line"),
        ("ADMIN_TOKEN_FILE=/nowhere/token".to_owned(), "/nowhere/token, which cannot be read"),
        (format!("ADMIN_TOKEN_FILE={token} ADMIN_TOKEN={}", "x".repeat(32)), "is given, and ADMIN_TOKEN too"),
        (format!("PRICETIME_PORT_FILE={token}"), "is no setting of this service"),
    ] {
        bad_setting(&setting, expected);
    }
    bad(FULL, &format!("PORT_FILE={token}"), &["in .env is no setting of this service"]);
}
