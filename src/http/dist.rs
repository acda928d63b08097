//! `ui/dist` in the binary: what the build of the pages made, with the compressed forms that it made of it.
//!
//! A file of `assets/` is named by its content, so browsers keep it for ever; of all others they ask each time whether it
//! is still what they have.

use actix_web::http::header::{self, AcceptEncoding, ContentEncoding, Encoding, EntityTag, Header, IfNoneMatch};
use actix_web::{HttpRequest, HttpResponse};
use rust_embed::{EmbeddedFile, RustEmbed};

/// What `make prepare` puts there; empty in a build without it.
#[derive(RustEmbed)]
#[folder = "ui/dist/"]
#[allow_missing = true]
struct Dist;

/// The compressed forms, best first, and how their files' names go on.
const COMPRESSED: [(ContentEncoding, &str); 2] = [(ContentEncoding::Brotli, ".br"), (ContentEncoding::Gzip, ".gz")];
const NAMED_BY_CONTENT: &str = "assets/";
const KEEP: &str = "public, max-age=31536000, immutable";
const ASK: &str = "no-cache";

/// What kinds of files there are.
const KINDS: [(&str, &str); 6] = [
    (".html", "text/html; charset=utf-8"),
    (".js", "text/javascript; charset=utf-8"),
    (".css", "text/css; charset=utf-8"),
    (".svg", "image/svg+xml"),
    (".woff2", "font/woff2"),
    (".txt", "text/plain; charset=utf-8"),
];

/// Whether the build has this file.
pub fn has(path: &str) -> bool {
    Dist::get(path).is_some()
}

/// The answer to a request for a file, under a content security policy; none when there is no such file.
pub fn file(request: &HttpRequest, path: &str, policy: &'static str) -> Option<HttpResponse> {
    let (_, kind) = KINDS.into_iter().find(|(ending, _)| path.ends_with(ending))?;
    let (file, encoding) = found(request, path)?;
    let tag = EntityTag::new_strong(blake3::Hash::from_bytes(file.metadata.sha256_hash()).to_hex()[..32].to_owned());
    let mut response = if is_known(request, &tag) { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .content_type(kind)
        .insert_header((header::CACHE_CONTROL, if path.starts_with(NAMED_BY_CONTENT) { KEEP } else { ASK }))
        .insert_header((header::CONTENT_SECURITY_POLICY, policy))
        .insert_header((header::ETAG, tag.clone()))
        .insert_header((header::VARY, "Accept-Encoding"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    if let Some(encoding) = encoding {
        response.insert_header((header::CONTENT_ENCODING, encoding.as_str()));
    }
    Some(if is_known(request, &tag) { response.finish() } else { response.body(file.data.into_owned()) })
}

/// A file in the best form that the client takes; no encoding: as it is.
fn found(request: &HttpRequest, path: &str) -> Option<(EmbeddedFile, Option<ContentEncoding>)> {
    let accepted = AcceptEncoding::parse(request).ok();
    for (encoding, ending) in COMPRESSED {
        let takes = |accepted: &AcceptEncoding| {
            accepted.negotiate([Encoding::Known(encoding)].iter()) == Some(Encoding::Known(encoding))
        };
        if accepted.as_ref().is_some_and(takes)
            && let Some(file) = Dist::get(&format!("{path}{ending}"))
        {
            return Some((file, Some(encoding)));
        }
    }
    Dist::get(path).map(|file| (file, None))
}

fn is_known(request: &HttpRequest, tag: &EntityTag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(known)) => known.iter().any(|known| known.weak_eq(tag)),
        Err(_) => false,
    }
}
