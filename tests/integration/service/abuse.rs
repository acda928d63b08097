//! What nobody should send: bytes that are no HTTP and no frames, JSON without end, lines for the log, requests that take
//! for ever. Whatever comes, the service answers or hangs up, lives on, says no 5xx but 503 and 504, and does not grow.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::Value;

use crate::service::support::{Mode, Stack};

/// Another one makes other bytes; it is printed.
const SEED: u64 = 20_261_125;
/// An answer to nonsense is quick; a hang-up may wait for more to come.
const ANSWER_WITHIN: Duration = Duration::from_millis(300);
/// What the process may grow by: buffers and caches, no pile of what was sent.
const GROWTH_KB: u64 = 96 * 1_024;

/// Random numbers that depend on the seed alone.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 27)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 33).expect("31 bits") % end
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most)).map(|_| self.next().to_be_bytes()[0]).collect()
    }

    /// A good text, made bad: bytes changed, left out, doubled, or cut off.
    fn spoilt(&mut self, good: &[u8]) -> Vec<u8> {
        let mut bytes = good.to_vec();
        for _ in 0..=self.below(6) {
            let at = self.below(bytes.len().max(1)).min(bytes.len().saturating_sub(1));
            match self.below(5) {
                0 => bytes[at] = self.next().to_be_bytes()[0],
                1 => drop(bytes.remove(at)),
                2 => {
                    let piece = bytes[at..].to_vec();
                    bytes.extend_from_slice(&piece);
                }
                3 => {
                    let piece = self.bytes(40);
                    bytes.splice(at..at, piece);
                }
                _ => bytes.truncate(at.max(1)),
            }
            if bytes.is_empty() {
                return vec![0];
            }
        }
        bytes
    }
}

/// Sends bytes and reads what comes; nothing, if it hangs up or waits for more.
fn exchange(port: u16, pieces: &[&[u8]]) -> Vec<u8> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    socket.set_read_timeout(Some(ANSWER_WITHIN)).expect("a time");
    for piece in pieces {
        // It may hang up in between.
        let _ = socket.write_all(piece);
    }
    let _ = socket.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    answer
}

/// The statuses of all answers among these bytes.
fn statuses(answer: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(answer);
    text.split("HTTP/1.1 ").skip(1).filter_map(|rest| rest.get(..3)?.parse().ok()).collect()
}

#[track_caller]
fn none_is_a_failure(sent: &[u8], answer: &[u8]) {
    for status in statuses(answer) {
        assert!(status < 500 || [503, 504].contains(&status), "{status} to {:?}", String::from_utf8_lossy(sent));
    }
}

/// Holds that every refusal is a problem with the headers that keep browsers honest; or has no body at all, where there was
/// no request that could have got one.
#[track_caller]
fn refusals_have_their_form(sent: &[u8], answer: &[u8]) -> usize {
    let text = String::from_utf8_lossy(answer).to_ascii_lowercase();
    let heads = text.split("http/1.1 ").skip(1).filter_map(|rest| rest.split("\r\n\r\n").next());
    let heads: Vec<&str> = heads.collect();
    let refusals: Vec<&str> = heads.iter().copied().filter(|head| head.starts_with('4')).collect();
    for head in &refusals {
        let has = |lines: &[&str]| lines.iter().all(|line| head.lines().any(|found| found == *line));
        let problem = has(&["content-type: application/problem+json", "x-content-type-options: nosniff"]);
        let is_last = heads.last() == Some(head);
        let no_request = ["400", "408", "431"].iter().any(|status| head.starts_with(status));
        let bare = no_request && is_last && has(&["content-length: 0"]);
        assert!(problem || bare, "{head} to {:?}", String::from_utf8_lossy(sent));
    }
    refusals.len()
}

/// Memory of the process, in KB.
fn resident(stack: &Stack) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", stack.service.pid())).expect("the process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").trim().parse().expect("a number")
}

/// Holds that the service lives, is ready and has not grown.
async fn is_unharmed(stack: &mut Stack, before: u64) {
    assert_eq!(stack.service.exited().expect("its state"), None, "{}", stack.service.log());
    assert_eq!(stack.readiness().await.0, 200);
    stack.place("BTC_USDT", "BUY", "1", "1").await;
    let log = std::fs::read_to_string(stack.service.log_path()).expect("the log");
    assert!(!log.contains("panicked"), "{}", stack.service.log());
    let after = resident(stack);
    assert!(after < before + GROWTH_KB, "it grew from {before} KB to {after} KB");
}

const ORDER: &str = r#"{"symbol":"BTC_USDT","side":"BUY","price":"1","quantity":"1"}"#;

fn post(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_http_do_no_harm() {
    println!("seed {SEED}");
    let mut stack = Stack::on(Mode::Embedded);
    let (port, mut random) = (stack.service.port(), Random(SEED));
    let good = [
        post("/api/orders/", ORDER),
        post("/api/orders/batch/", &format!(r#"{{"items":[{{"op":"place",{}]}}"#, &ORDER[1..])),
        post("/api/orders/1/cancel/", r#"{"reason":"x"}"#),
        "GET /api/orders/?account=a&limit=3 HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer pt_a_b\r\n\r\n".to_owned(),
        "GET /api/session/ HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: pricetime_session=x; a=b\r\n\r\n".to_owned(),
        "POST /api/orders/ HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n\
         5\r\n{\"sym\r\n0\r\n\r\n"
            .to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x05\0\0@\0".to_owned(),
    ];
    exchange(port, &[good[0].as_bytes()]);
    let (before, mut refusals) = (resident(&stack), 0);
    for round in 0..400 {
        let sent = match round % 4 {
            0 => random.bytes(600),
            _ => {
                let index = random.below(good.len());
                random.spoilt(good[index].as_bytes())
            }
        };
        let cut = random.below(sent.len().max(1));
        let answer = exchange(port, &[&sent[..cut], &sent[cut..]]);
        none_is_a_failure(&sent, &answer);
        refusals += refusals_have_their_form(&sent, &answer);
    }
    assert!(refusals > 100, "only {refusals} refusals were looked at");
    is_unharmed(&mut stack, before).await;
}

/// A frame of a client, masked with zeros: as long as one byte can say, or two, or eight.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | u8::try_from(length).expect("a byte")),
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_are_none_do_no_harm() {
    println!("seed {SEED}");
    let mut stack = Stack::on(Mode::Embedded);
    let (port, mut random) = (stack.service.port(), Random(SEED + 1));
    let upgrade = b"GET /api/ws/ HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let deep = "[".repeat(60_000);
    let texts = [
        r#"{"op":"subscribe","id":1,"channels":["book:BTC_USDT",{"channel":"events","after":0}]}"#.to_owned(),
        format!(r#"{{"op":"batch","id":2,"items":[{{"op":"place",{}]}}"#, &ORDER[1..]),
        r#"{"op":"auth","token":"pt_a_b"}"#.to_owned(),
        format!(r#"{{"op":"batch","id":3,"items":{deep}}}"#),
        format!(r#"{{"op":"ping","id":{}}}"#, "9".repeat(50_000)),
        deep.clone(),
    ];
    let opened = exchange(port, &[upgrade]);
    assert!(opened.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&opened));
    let before = resident(&stack);
    for round in 0..200 {
        let text = &texts[random.below(texts.len())];
        let good = frame(0x81, text.as_bytes());
        let sent = match round % 5 {
            0 => random.bytes(400),
            1 => frame(random.next().to_be_bytes()[0], text.as_bytes()),
            // Longer than a message may be, and never sent.
            2 => vec![0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, b'x'],
            3 => [frame(0x01, text.as_bytes()), random.spoilt(&frame(0x80, text.as_bytes()))].concat(),
            _ => random.spoilt(&good),
        };
        none_is_a_failure(&sent, &exchange(port, &[upgrade, &sent]));
    }
    is_unharmed(&mut stack, before).await;
}

/// Deep, wide, long: each is refused as what it is, quickly, on every route that takes a body.
#[tokio::test(flavor = "multi_thread")]
async fn json_without_end_is_refused() {
    let mut stack = Stack::on(Mode::Embedded);
    let before = resident(&stack);
    let wide: String = (0..20_000).map(|number| format!(r#""k{number}":1,"#)).collect();
    let with = |value: &str| ORDER.replace(r#""1"}"#, &format!("{value}}}"));
    let bodies = [
        "[".repeat(200_000),
        "{\"a\":".repeat(40_000),
        format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("{{{}\"end\":1}}", wide),
        with(&"[".repeat(100_000)),
        with(&format!("{}{}", "[".repeat(60_000), "]".repeat(60_000))),
        with(&"9".repeat(200_000)),
        with(&format!("1e{}", "9".repeat(100_000))),
        with(&format!("0.{}1", "0".repeat(200_000))),
        with(&format!("\"{}\"", "x".repeat(200_000))),
        with(&format!("\"{}\"", "\\u0000".repeat(30_000))),
        format!(r#"{{"items":[{}]}}"#, vec!["[]"; 60_000].join(",")),
        format!(r#"{{"items":{}}}"#, "[".repeat(100_000)),
        format!("{{\"symbol\":\"{}\"}}", "\u{1F4A9}".repeat(50_000)),
        "\u{FEFF}{}".to_owned(),
        "x".repeat(300_000),
    ];
    let routes = [
        ("POST", "/api/orders/"),
        ("POST", "/api/orders/batch/"),
        ("POST", "/api/orders/1/cancel/"),
        ("POST", "/api/orders/cancel/"),
        ("PATCH", "/api/orders/1/"),
        ("PUT", "/api/symbols/BTC_USDT/"),
        ("POST", "/api/symbols/BTC_USDT/phase/"),
        ("POST", "/api/accounts/a/cancel-after/"),
        ("PUT", "/api/consumers/a/position/"),
        ("POST", "/api/session/"),
    ];
    for (method, path) in routes {
        for body in &bodies {
            let request = stack.client.request(method.parse().expect("a method"), stack.url(path));
            let began = Instant::now();
            let answer = request.header("Content-Type", "application/json").body(body.clone()).send().await;
            let status = answer.expect("an answer").status();
            assert!(status.is_client_error(), "{status} to {method} {path} {body:.60}");
            assert!(began.elapsed() < Duration::from_secs(5), "{method} {path} {body:.60}");
        }
    }
    is_unharmed(&mut stack, before).await;
}

/// What a client says stands in the log as one text, never as lines or colours of its own.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_writes_lines_into_the_log() {
    for format in ["json", "pretty"] {
        let settings = [("LOG_FORMAT", format), ("RUST_LOG", "debug")];
        let stack = Stack::with_settings(Mode::Embedded, &settings);
        let port = stack.service.port();
        let escape = "\u{1b}[31mINJECTED";
        for request in [
            "GET /a%0aINJECTED%0d%0a%1b[31m HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".to_owned(),
            format!("GET /api/{escape} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"),
            format!("GET /api/orders/?account={escape} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"),
            format!(
                "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-Id: {escape}\r\nUser-Agent: {escape}\r\n\r\n"
            ),
            format!("GET /api/symbols/ HTTP/1.1\r\nHost: 127.0.0.1\nINJECTED: {escape}\r\n\r\n"),
            post("/api/orders/1/cancel/", "{\"reason\":\"\\n\\u001b[31mINJECTED\"}"),
            post("/api/orders/", &ORDER.replace("\"BUY\"", "\"\\nINJECTED\\u001b[31m\"")),
            post("/api/orders/", &ORDER.replace('}', ",\"account\":\"\\r\\nINJECTED\"}")),
            post("/api/orders/", &ORDER.replace('}', ",\"metadata\":\"\\nINJECTED\\u001b[31m\"}")),
        ] {
            none_is_a_failure(request.as_bytes(), &exchange(port, &[request.as_bytes()]));
        }
        stack.place("BTC_USDT", "BUY", "1", "1").await;
        let log = std::fs::read_to_string(stack.service.log_path()).expect("the log");
        assert!(log.lines().count() > 5, "{log}");
        for line in log.lines() {
            assert!(!line.chars().any(|c| c.is_control() && c != '\t'), "{line:?}");
            let whole = match format {
                "json" => serde_json::from_str::<Value>(line).is_ok(),
                _ => line.starts_with("20") && line.contains('Z'),
            };
            assert!(whole, "{line:?} was not written by the service");
        }
    }
}

/// A head or a body that comes byte by byte or not at all, and more sockets than may be.
#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_and_too_many_sockets_are_let_go() {
    let stack = Stack::with_settings(Mode::Embedded, &[("MAX_SOCKETS", "2")]);
    let port = stack.service.port();
    let slow = |head: &'static str, drop: &'static [u8]| {
        std::thread::spawn(move || {
            let mut socket = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
            socket.set_read_timeout(Some(Duration::from_millis(500))).expect("a time");
            let (began, mut answer, mut piece) = (Instant::now(), Vec::new(), [0; 1_024]);
            let _ = socket.write_all(head.as_bytes());
            while began.elapsed() < Duration::from_secs(40) {
                let _ = socket.write_all(drop);
                match socket.read(&mut piece) {
                    Ok(0) => return (began.elapsed(), statuses(&answer)),
                    Ok(read) => answer.extend_from_slice(&piece[..read]),
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    Err(_) => return (began.elapsed(), statuses(&answer)),
                }
            }
            (began.elapsed(), statuses(&answer))
        })
    };
    let head = slow("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ", b"a");
    let silent = slow("", b"");
    let body = slow(
        "POST /api/orders/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
        b" ",
    );
    let no_body = slow(
        "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n\
        POST /api/orders/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n",
        b"",
    );

    let upgrade = "GET /api/ws/ HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let open = || {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a time");
        socket.write_all(upgrade.as_bytes()).expect("sent");
        let mut start = [0; 12];
        socket.read_exact(&mut start).expect("an answer");
        (String::from_utf8_lossy(&start).into_owned(), socket)
    };
    let sockets = [open(), open(), open()];
    let answers: Vec<&str> = sockets.iter().map(|(answer, _)| answer.as_str()).collect();
    assert_eq!(answers, ["HTTP/1.1 101", "HTTP/1.1 101", "HTTP/1.1 503"]);
    drop(sockets);

    let (took, found) = head.join().expect("a client");
    assert!(took < Duration::from_secs(20) && found.iter().all(|status| *status == 408), "{took:?} {found:?}");
    let (took, found) = silent.join().expect("a client");
    assert!(took < Duration::from_secs(20) && found.iter().all(|status| *status == 408), "{took:?} {found:?}");
    let (took, found) = body.join().expect("a client");
    assert!(took < Duration::from_secs(30) && found == [408], "{took:?} {found:?}");
    let (took, found) = no_body.join().expect("a client");
    assert!(took < Duration::from_secs(30) && found == [200, 408], "{took:?} {found:?}");

    let many = (0..200).map(|number| format!("X-{number}: a\r\n")).collect::<String>();
    for headers in [many, format!("X: {}\r\n", "a".repeat(200_000))] {
        let request = format!("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n");
        let answer = statuses(&exchange(port, &[request.as_bytes()]));
        assert!(answer.iter().all(|status| (400..500).contains(status)), "{answer:?}");
    }
    assert_eq!(stack.client.get(stack.url("/healthz")).send().await.expect("an answer").status(), StatusCode::OK);
}
