//! Signed requests: the client shows that it has the secret, and never sends it. docs/security.md describes the form.
//!
//! `Authorization: PT-HMAC-SHA256 key=<id>, timestamp=<microseconds since 1970>, signature=<hexadecimal>`, where the
//! signature is the HMAC-SHA256 under the key's secret of [`canonical`].

use hmac::Mac;
use sha2::{Digest, Sha256};

use super::{hex, hmac, same};

/// What the header begins with, and the canonical text.
pub const SCHEME: &str = "PT-HMAC-SHA256";
/// How far a signature's time may be from the service's clock, in microseconds: half a minute, more than clocks that are
/// set by the network differ, and a request takes.
pub const WINDOW: u64 = 30_000_000;

/// What is signed.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// Path and query, exactly as they are sent.
    pub target: &'a str,
    /// What the header Idempotency-Key holds; empty if it is not sent.
    pub idempotency_key: &'a str,
    /// The body.
    pub body: &'a [u8],
}

/// The header's parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The key's id.
    pub key: String,
    /// When it was made.
    pub timestamp: u64,
    /// The signature, in hexadecimal.
    pub signature: String,
}

impl Signature {
    /// Reads what is behind the scheme; none if it is not of that form.
    pub fn read(text: &str) -> Option<Signature> {
        let (mut key, mut timestamp, mut signature) = (None, None, None);
        for part in text.split(',') {
            let (name, value) = part.trim().split_once('=')?;
            let place = match name {
                "key" => &mut key,
                "timestamp" => &mut timestamp,
                "signature" => &mut signature,
                _ => return None,
            };
            if place.replace(value).is_some() {
                return None;
            }
        }
        let digits = timestamp.filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))?;
        Some(Signature { key: key?.to_owned(), timestamp: digits.parse().ok()?, signature: signature?.to_owned() })
    }

    /// Whether its time is one that may be shown now, to a service that serves since `since`: what was signed before may
    /// have been shown to another process, which remembers what this one does not.
    pub fn is_timely(&self, now: u64, since: u64) -> bool {
        self.timestamp.abs_diff(now) <= WINDOW && self.timestamp >= since
    }

    /// Whether it is the signature of this request under this secret.
    pub fn fits(&self, secret: &[u8], signed: Signed<'_>) -> bool {
        same(self.signature.as_bytes(), sign(secret, self.timestamp, signed).as_bytes())
    }
}

/// The signature of a request, in hexadecimal.
pub fn sign(secret: &[u8], timestamp: u64, signed: Signed<'_>) -> String {
    let mut mac = hmac(secret);
    mac.update(canonical(timestamp, signed).as_bytes());
    hex(&mac.finalize().into_bytes())
}

/// The text that is signed: six lines, each ended by a line feed but the last.
fn canonical(timestamp: u64, signed: Signed<'_>) -> String {
    let Signed { method, target, idempotency_key, body } = signed;
    let body = hex(&Sha256::digest(body));
    format!("{SCHEME}\n{timestamp}\n{method}\n{target}\n{idempotency_key}\n{body}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNED: Signed<'static> =
        Signed { method: "POST", target: "/api/orders/?ack=committed", idempotency_key: "a-1", body: b"{}" };

    /// What docs/security.md shows, so that other languages can be checked with it.
    #[test]
    fn the_example_is_signed_as_the_page_shows_it() {
        let page = include_str!("../../docs/security.md");
        let body = br#"{"symbol":"BTC_USDT","side":"BUY","price":"100","quantity":"1"}"#;
        let signed = Signed { method: "POST", target: "/api/orders/?ack=committed", idempotency_key: "", body };
        let (secret, timestamp) = ("0123456789abcdef".repeat(4), 1_732_880_000_123_456);
        assert!(page.contains(&canonical(timestamp, signed)), "{}", canonical(timestamp, signed));
        let signature = sign(secret.as_bytes(), timestamp, signed);
        assert!(page.contains(&signature), "{signature}");
    }

    #[test]
    fn every_part_is_signed() {
        let secret = b"secret";
        let made = Signature { key: "k".into(), timestamp: 7, signature: sign(secret, 7, SIGNED) };
        assert!(made.fits(secret, SIGNED) && !made.fits(b"other", SIGNED));
        for other in [
            Signed { method: "PUT", ..SIGNED },
            Signed { target: "/api/orders/", ..SIGNED },
            Signed { idempotency_key: "", ..SIGNED },
            Signed { body: b"{ }", ..SIGNED },
            Signed { idempotency_key: "a-1\n", ..SIGNED },
        ] {
            assert!(!made.fits(secret, other), "{other:?}");
        }
        assert!(!Signature { timestamp: 8, ..made.clone() }.fits(secret, SIGNED));
        assert!(!Signature { signature: made.signature.to_uppercase(), ..made }.fits(secret, SIGNED));
    }

    #[test]
    fn the_header_is_read_or_refused() {
        let read = Signature::read("key=a, timestamp=12,signature=5ec").expect("a signature");
        assert_eq!(read, Signature { key: "a".into(), timestamp: 12, signature: "5ec".into() });
        for wrong in [
            "",
            "key=a",
            "key=a,timestamp=1",
            "key=a,timestamp=+1,signature=b",
            "key=a,timestamp=,signature=b",
            "key=a,timestamp=99999999999999999999,signature=b",
            "key=a,key=b,timestamp=1,signature=b",
            "key=a,timestamp=1,signature=b,more=c",
        ] {
            assert_eq!(Signature::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_signature_is_shown_soon_and_to_the_process_that_serves() {
        let at = |timestamp| Signature { key: String::new(), timestamp, signature: String::new() };
        let now = 10 * WINDOW;
        for (timestamp, since, timely) in [
            (now, 0, true),
            (now - WINDOW, 0, true),
            (now + WINDOW, 0, true),
            (now - WINDOW - 1, 0, false),
            (now + WINDOW + 1, 0, false),
            (u64::MAX, 0, false),
            (now - 1, now, false),
            (now, now, true),
        ] {
            assert_eq!(at(timestamp).is_timely(now, since), timely, "{timestamp} {since}");
        }
    }
}
