//! Values that must not end up in logs.

use std::fmt;

/// A value that is shown only in part, or not at all.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    value: String,
    shown: String,
}

impl Secret {
    /// A value of which nothing is shown.
    pub fn hidden(value: String) -> Secret {
        Secret { value, shown: "***".to_owned() }
    }

    /// An address: shown without its password and its parameters, which may hold another.
    pub fn url(value: String) -> Secret {
        let shown = redact(&value);
        Secret { value, shown }
    }

    /// The value itself, for the one place that uses it.
    pub fn expose(&self) -> &str {
        &self.value
    }
}

fn redact(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "***".to_owned() };
    let (rest, parameters) = match rest.split_once('?') {
        Some((rest, _)) => (rest, "?***"),
        None => (rest, ""),
    };
    let (user, address) = match rest.rsplit_once('@') {
        Some((user, address)) => (user, address),
        None => return format!("{scheme}://{rest}{parameters}"),
    };
    let user = user.split(':').next().unwrap_or_default();
    format!("{scheme}://{user}:***@{address}{parameters}")
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_never_shown() {
        let check = |url: &str, shown: &str| assert_eq!(format!("{:?}", Secret::url(url.to_owned())), shown);
        check("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0");
        check("redis://:hunter2@host:6379/0", "redis://:***@host:6379/0");
        check("postgres://me:hun@ter2@host/db?password=hunter2", "postgres://me:***@host/db?***");
        check("hunter2", "***");
        assert_eq!(Secret::hidden("hunter2".to_owned()).to_string(), "***");
    }
}
