//! Headers that every answer has, so that a browser makes no more of it than it is.

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Each unless the answer has its own.
static ALWAYS: [(HeaderName, HeaderValue); 6] = [
    // It is of the type that it says.
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    // No page shows it in a frame, also in browsers that do not know the policy below.
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    // It is data and no page; pages have a policy of their own.
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    // Where a link leads, nobody learns where it was.
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    // Other sites' pages cannot load it.
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    // Orders and accounts stay in no cache on the way.
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Adds them.
pub fn harden(headers: &mut HeaderMap) {
    for (name, value) in &ALWAYS {
        // Few answers have their own, so it is looked for by taking its place.
        if let Some(own) = headers.insert(name.clone(), value.clone()).next() {
            headers.insert(name.clone(), own);
        }
    }
}
