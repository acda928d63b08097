//! What a route needs of its caller, as its documentation says it: the one declaration is `security(...)` beside the
//! handler. `()` is nothing; `"read"`, `"trade"` and `"admin"` are scopes, and the words behind one name what each request
//! is counted as, which of a question need not be said; `"socket"` is judged message by message.
//!
//! The published schema has the ways to show a credential in their place.

use serde_json::Value;
use utoipa::openapi::path::{HttpMethod, Operation, PathItem};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{OpenApi, RefOr};

use super::limits::Counts;
use super::sessions;
use crate::http::problem::{Code, responses};
use crate::keys::Scope;

/// What a route needs.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Need {
    /// Nothing: it tells nothing that is anybody's, or is there to log in.
    Open,
    /// A credential, now or in the first message.
    Socket,
    /// A credential with this scope.
    Scope {
        /// Which.
        scope: Scope,
        /// What a request is counted as; none: nothing, or by its handler.
        counts: Option<Counts>,
    },
}

impl Need {
    /// What an operation declares. One that declares nothing is the administrator's. Whatever `asks`, and does nothing, is
    /// counted as a question.
    pub fn of(operation: &Operation, asks: bool) -> Need {
        let question = asks.then_some(Counts::Read);
        let declared = serde_json::to_value(&operation.security).unwrap_or_default();
        let Value::Array(alternatives) = declared else { return Need::Scope { scope: Scope::Admin, counts: question } };
        let named = alternatives.iter().filter_map(Value::as_object).flatten();
        let needs = named.map(|(name, words)| Need::named(name, words, question));
        // Of several the strictest holds.
        needs.max_by_key(|need| need.strictness()).unwrap_or(Need::Open)
    }

    fn named(name: &str, words: &Value, question: Option<Counts>) -> Need {
        if name == "socket" {
            return Need::Socket;
        }
        let word = words.as_array().and_then(|words| words.first()).and_then(Value::as_str);
        let counts = word.map(|word| match word {
            "cancels" => Counts::Cancel,
            "reads" => Counts::Read,
            _ => Counts::Order,
        });
        Need::Scope { scope: name.parse().unwrap_or(Scope::Admin), counts: counts.or(question) }
    }

    fn strictness(self) -> u8 {
        match self {
            Need::Open => 0,
            Need::Socket => 1,
            Need::Scope { scope: Scope::Admin, .. } => 3,
            Need::Scope { .. } => 2,
        }
    }
}

/// The ways to show a credential, as the schema names them.
const WAYS: [&str; 3] = ["bearer", "signature", "session"];

/// Publishes what every operation needs: how to show a credential, with which scope, and how a bad one is answered. With
/// DEBUG none need be shown.
pub fn publish(openapi: &mut OpenApi, debug: bool) {
    for item in openapi.paths.paths.values_mut() {
        for (method, operation) in operations(item) {
            let need = Need::of(operation, asks(&method));
            operation.security = Some(requirements(need, debug));
            document(operation, &codes(need, &method));
        }
    }
    let components = openapi.components.get_or_insert_default();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
    let bearer =
        bearer.description(Some("The token of an API key, or the ADMIN_TOKEN. The words are the key's scopes."));
    components.add_security_scheme(WAYS[0], SecurityScheme::Http(bearer.build()));
    let signature = ApiKeyValue::with_description(
        "Authorization",
        "`PT-HMAC-SHA256 key=…, timestamp=…, signature=…`: the request signed with a key's secret; docs/security.md.",
    );
    components.add_security_scheme(WAYS[1], SecurityScheme::ApiKey(ApiKey::Header(signature)));
    let session = ApiKeyValue::with_description(
        sessions::COOKIE,
        "Of `/api/session/`. What changes something also sends its `csrf` in the header X-CSRF-Token.",
    );
    components.add_security_scheme(WAYS[2], SecurityScheme::ApiKey(ApiKey::Cookie(session)));
}

/// The operations of a path.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (HttpMethod, &mut Operation)> {
    let all = [
        (HttpMethod::Get, &mut item.get),
        (HttpMethod::Put, &mut item.put),
        (HttpMethod::Post, &mut item.post),
        (HttpMethod::Delete, &mut item.delete),
        (HttpMethod::Patch, &mut item.patch),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Whether an operation of this method is a question.
pub fn asks(method: &HttpMethod) -> bool {
    matches!(method, HttpMethod::Get | HttpMethod::Head)
}

/// Every documented operation with what it needs: for tests that must not forget one.
#[cfg(test)]
pub fn declared_operations() -> Vec<(String, HttpMethod, Need)> {
    let mut openapi = crate::http::described();
    let paths = openapi.paths.paths.iter_mut();
    let operations =
        paths.flat_map(|(path, item)| operations(item).map(|found| (path.clone(), found)).collect::<Vec<_>>());
    let needs = operations.map(|(path, (method, operation))| {
        let need = Need::of(operation, asks(&method));
        (path, method, need)
    });
    needs.collect()
}

fn requirements(need: Need, debug: bool) -> Vec<SecurityRequirement> {
    let (scope, optional) = match need {
        Need::Open => return Vec::new(),
        Need::Socket => (Scope::Read, true),
        Need::Scope { scope, .. } => (scope, debug),
    };
    let nothing = optional.then(SecurityRequirement::default);
    nothing.into_iter().chain(WAYS.map(|way| SecurityRequirement::new(way, [scope.as_str()]))).collect()
}

/// What the gate may refuse a request with.
fn codes(need: Need, method: &HttpMethod) -> Vec<Code> {
    let changes = !asks(method);
    let mut codes = Vec::new();
    if need != Need::Open {
        codes.extend([Code::Unauthorized, Code::Overloaded, Code::NotReady, Code::Standby]);
    }
    if changes || need == Need::Socket {
        codes.push(Code::CrossSite);
    }
    if let Need::Scope { scope, counts } = need {
        codes.push(Code::Forbidden);
        if scope != Scope::Admin {
            codes.push(Code::WrongAccount);
        }
        if changes {
            codes.push(Code::CsrfToken);
            // A signed body is read before the request is let in.
            codes.extend([Code::MalformedJson, Code::RequestTimeout, Code::BodyTooLarge]);
        }
        if counts.is_some() {
            codes.push(Code::RateLimited);
        }
    }
    codes
}

/// Adds codes to an operation's answers.
fn document(operation: &mut Operation, codes: &[Code]) {
    for (status, response) in responses(codes) {
        let RefOr::T(new) = response else { continue };
        match operation.responses.responses.get_mut(&status) {
            Some(RefOr::T(known)) => {
                for (kind, content) in new.content {
                    match (known.content.get_mut(&kind), content) {
                        (Some(RefOr::T(known)), RefOr::T(new)) => known.examples.extend(new.examples),
                        (_, content) => drop(known.content.insert(kind, content)),
                    }
                }
                let meanings = new.description.split("\n\n").filter(|meaning| !known.description.contains(meaning));
                let meanings: Vec<&str> = std::iter::once(known.description.as_str()).chain(meanings).collect();
                known.description = meanings.join("\n\n");
            }
            _ => {
                operation.responses.responses.insert(status, RefOr::T(new));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use utoipa::openapi::path::OperationBuilder;

    use super::*;

    fn declared(requirements: Option<Vec<SecurityRequirement>>, asks: bool) -> Need {
        Need::of(&OperationBuilder::new().securities(requirements).build(), asks)
    }

    #[test]
    fn the_strictest_declaration_holds_and_none_is_the_administrators() {
        let nothing = SecurityRequirement::default;
        let named = |name: &str, words: &[&str]| SecurityRequirement::new(name, words.iter().copied());
        let scope = |scope, counts| Need::Scope { scope, counts };
        for (requirements, need) in [
            (None, scope(Scope::Admin, None)),
            (Some(vec![]), Need::Open),
            (Some(vec![nothing()]), Need::Open),
            (Some(vec![named("read", &["reads"])]), scope(Scope::Read, Some(Counts::Read))),
            (Some(vec![named("trade", &[])]), scope(Scope::Trade, None)),
            (Some(vec![named("trade", &["orders"])]), scope(Scope::Trade, Some(Counts::Order))),
            (Some(vec![named("trade", &["cancels"])]), scope(Scope::Trade, Some(Counts::Cancel))),
            (Some(vec![nothing(), named("admin", &[])]), scope(Scope::Admin, None)),
            (Some(vec![named("socket", &[])]), Need::Socket),
            (Some(vec![named("reed", &[])]), scope(Scope::Admin, None)),
        ] {
            assert_eq!(declared(requirements.clone(), false), need, "{:?}", serde_json::to_string(&requirements));
            // Nobody asks without being counted.
            let counted = match need {
                Need::Scope { scope, counts } => Need::Scope { scope, counts: counts.or(Some(Counts::Read)) },
                open => open,
            };
            assert_eq!(declared(requirements.clone(), true), counted, "{:?}", serde_json::to_string(&requirements));
        }
    }
}
