//! Keys, as an operator makes and revokes them, and what a service without DEBUG does not do.

use std::process::Command;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::service::black_box::run_with;
use crate::service::support::{BINARY, Mode, SECRET_KEY, Stack, client, on_both};

/// A running service looks every second.
const KNOWN_WITHIN: Duration = Duration::from_secs(10);
const ADMIN_TOKEN: &str = "0123456789abcdef0123456789abcdef";

on_both! {
    keys_are_made_used_and_revoked_beside_the_service
    keys_let_in_whom_they_should
}

/// Waits until a key's answers have this status.
async fn until(stack: &Stack, token: &str, status: StatusCode) {
    let (client, began) = (client(Some(token)), Instant::now());
    loop {
        let answer = client.get(stack.url("/api/symbols/")).send().await.expect("an answer");
        if answer.status() == status {
            return;
        }
        assert!(began.elapsed() < KNOWN_WITHIN, "still {} instead of {status}", answer.status());
        sleep(Duration::from_millis(50)).await;
    }
}

fn made(stack: &Stack, arguments: &[&str]) -> (String, String) {
    let said: Value = serde_json::from_str(&stack.tool(&[arguments, &["--json"]].concat()).well()).expect("JSON");
    let text = |name: &str| said[name].as_str().expect("a text").to_owned();
    (text("id"), text("token"))
}

async fn keys_are_made_used_and_revoked_beside_the_service(mode: Mode) {
    let mut stack = Stack::with_settings(mode, &[("DEBUG", "false")]);
    let (id, token) = made(&stack, &["keys", "make", "a reader", "--scopes", "read", "--days", "1"]);
    until(&stack, &token, StatusCode::OK).await;
    let place = client(Some(&token)).post(stack.url("/api/orders/")).json(&json!({})).send().await.expect("an answer");
    assert_eq!(place.status(), StatusCode::FORBIDDEN);

    let (_, second) = made(&stack, &["keys", "rotate", &id]);
    assert_ne!(token, second);
    until(&stack, &second, StatusCode::OK).await;
    until(&stack, &token, StatusCode::UNAUTHORIZED).await;

    // A stream of events that is open ends with its key.
    let events = client(Some(&second)).get(stack.url("/api/events/")).header("Accept", "text/event-stream");
    let mut events = events.timeout(KNOWN_WITHIN * 2).send().await.expect("a stream");
    stack.tool(&["keys", "revoke", &id]).well();
    until(&stack, &second, StatusCode::UNAUTHORIZED).await;
    let mut said = String::new();
    while let Some(chunk) = events.chunk().await.expect("the stream's end") {
        said.push_str(&String::from_utf8_lossy(&chunk));
    }
    assert!(said.ends_with("data: {\"code\":\"UNAUTHORIZED\"}\n\n"), "{said}");
    stack.tool(&["keys", "revoke", &id]).failed(2, "there is no key");
    stack.tool(&["keys", "rotate", "unknown"]).failed(2, "there is no key");
    stack.tool(&["keys", "make", "x", "--scopes", "fly"]).failed(2, "is no scope");
    stack.tool(&["keys", "make", "x", "--scopes", "admin", "--account", "a"]).failed(2, "cannot be bound");

    let listed = stack.tool(&["keys", "list", "--json"]).well();
    let listed: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let states: Vec<(&str, &str)> =
        listed.iter().filter_map(|key| Some((key["name"].as_str()?, key["state"].as_str()?))).collect();
    assert_eq!(states, [("tests", "active"), ("a reader", "revoked")]);
    let shown = stack.tool(&["keys", "list"]).well();
    for secret in [&token, &second, SECRET_KEY] {
        let secret = secret.rsplit('_').next().expect("a secret");
        assert!(!shown.contains(secret) && !stack.service.log().contains(secret), "a secret is shown");
    }
    // What was revoked stays so, and what was made stays too.
    stack.service.restart().expect("a restart");
    until(&stack, &second, StatusCode::UNAUTHORIZED).await;
    let own = stack.service.key().expect("a key").to_owned();
    until(&stack, &own, StatusCode::OK).await;
}

async fn keys_let_in_whom_they_should(mode: Mode) {
    let settings = [("DEBUG", "false"), ("ADMIN_TOKEN", ADMIN_TOKEN), ("RATE_LIMIT_READS", "100")];
    let stack = Stack::with_settings(mode, &settings);
    let (_, desk) = made(&stack, &["keys", "make", "desk", "--scopes", "trade,read", "--account", "desk"]);
    until(&stack, &desk, StatusCode::OK).await;
    let admin = stack.service.key().expect("a key");
    let environment = [("MATCHING_API_KEY", admin), ("DESK_KEY", &desk), ("ADMIN_TOKEN", ADMIN_TOKEN)];
    println!("{}", run_with("python", &["api_tests/access_check.py"], &stack.service.base_url(), &environment));
}

/// A change of the administrator's is logged with the key that made it; a look is not.
#[tokio::test(flavor = "multi_thread")]
async fn who_changes_what_stands_in_the_log() {
    let stack = Stack::with_settings(Mode::Embedded, &[("DEBUG", "false")]);
    let (id, token) = made(&stack, &["keys", "make", "an operator", "--scopes", "admin"]);
    until(&stack, &token, StatusCode::OK).await;
    let operator = client(Some(&token));
    operator.get(stack.url("/api/debug/hash/")).send().await.expect("an answer");
    let key = format!("caller=key {id}");
    assert!(!stack.service.log().contains(&key), "{}", stack.service.log());
    operator.post(stack.url("/api/accounts/desk/block/")).send().await.expect("an answer");
    let log = stack.service.log();
    let line = log.lines().find(|line| line.contains(&key)).expect(&log);
    assert!(line.contains("/api/accounts/desk/block/"), "{line}");
}

/// The role that the service works as may read keys, and neither make nor change them.
#[tokio::test(flavor = "multi_thread")]
async fn the_service_makes_no_keys() {
    let stack = Stack::on(Mode::Full);
    let may = |what: &str| stack.sql(&format!("SELECT has_table_privilege('pricetime_service', 'api_key', '{what}')"));
    assert_eq!(may("SELECT"), "t");
    for what in ["INSERT", "UPDATE", "DELETE", "TRUNCATE"] {
        assert_eq!(may(what), "f", "{what}");
    }
}

/// All that is wrong is said at once, with what to do about it, before anything is served.
#[test]
fn without_debug_nothing_is_left_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str], settings: &[(&str, &str)]| {
        let mut command = Command::new(BINARY);
        command.args(arguments).env_clear().env("PORT", "0").env("DEBUG", "false").current_dir(folder.path());
        let output = command.envs(settings.iter().copied()).output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let token = ("ADMIN_TOKEN", "changeme-changeme-changeme-changeme");
    for (settings, expected) in [
        (&[][..], &["SECRET_KEY is not set; give", "API keys are none that hold"][..]),
        (&[("SECRET_KEY", "change-me"), token], &["SECRET_KEY has 9", "ADMIN_TOKEN is the default"]),
        (
            &[("ALLOWED_HOSTS", "*"), ("SECRET_KEY", "change-me")],
            &["ALLOWED_HOSTS is * without DEBUG; list", "SECRET_KEY has 9", "API keys are"],
        ),
        (&[("SECRET_KEY", SECRET_KEY)], &["API keys are none that hold, and without DEBUG"]),
    ] {
        let (code, said) = run(&["serve"], settings);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(&format!("the configuration has {} problem(s)", expected.len())), "{said}");
        for expected in expected {
            assert!(said.contains(expected), "{expected} is not in {said}");
        }
    }
    let (code, said) = run(&["config", "check"], &[]);
    assert!(code == Some(2) && said.contains("SECRET_KEY is not set"), "{said}");
    let (code, said) = run(&["keys", "make", "first", "--scopes", "admin"], &[]);
    assert!(code == Some(2) && said.contains("SECRET_KEY is not set"), "{said}");
    // Tools that look at what is there do not mind.
    let (code, said) = run(&["keys", "list"], &[]);
    assert_eq!(code, Some(0), "{said}");
}
