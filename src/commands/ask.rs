//! Asks the service that runs on HOST and PORT.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::{Client, Response, StatusCode};
use serde_json::Value;

use crate::config::Settings;

/// It answers from memory; one that takes longer is in trouble.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// What the running service answers on `path`; none when there is no service.
pub async fn ask(settings: &Settings, path: &str) -> Option<(StatusCode, Value)> {
    let answer = send(settings, path).await?;
    let status = answer.status();
    Some((status, answer.json().await.unwrap_or(Value::Null)))
}

/// The text that it answers.
pub async fn ask_text(settings: &Settings, path: &str) -> Option<String> {
    send(settings, path).await?.text().await.ok()
}

async fn send(settings: &Settings, path: &str) -> Option<Response> {
    let client = Client::builder().timeout(ANSWER_WITHIN).no_proxy().build().ok()?;
    let mut request = client.get(format!("{}{path}", base_url(settings)));
    if let Some(token) = &settings.admin_token {
        request = request.bearer_auth(token.expose());
    }
    request.send().await.ok()
}

/// Where the service is asked.
pub fn base_url(settings: &Settings) -> String {
    url_of(settings.listen)
}

/// The address of a service that listens there: one that listens everywhere is asked on the loopback address.
pub fn url_of(mut address: SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    format!("http://{address}")
}
