//! Which host names the service answers to.

/// The host names that requests may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedHosts {
    /// Every name.
    Any,
    /// These, in lower case; one that begins with a dot is also every name below it.
    Listed(Vec<String>),
}

impl AllowedHosts {
    /// Reads a comma separated list; what is wrong with it otherwise.
    pub fn parse(text: &str) -> Result<AllowedHosts, String> {
        let names: Vec<String> = text.split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
        if names.iter().any(|name| name == "*") {
            return Ok(AllowedHosts::Any);
        }
        match names.iter().find(|name| !is_name(name)) {
            Some(name) => Err(format!("has the entry {name:?}, which is no host name")),
            None => Ok(AllowedHosts::Listed(names)),
        }
    }

    /// Whether a Host header, with or without a port, names one of these.
    pub fn allow(&self, header: &str) -> bool {
        let AllowedHosts::Listed(names) = self else { return true };
        let host = without_port(header);
        let host = host.strip_suffix('.').unwrap_or(host);
        names.iter().any(|name| match name.strip_prefix('.') {
            Some(domain) => ends_with(host, name) || host.eq_ignore_ascii_case(domain),
            None => host.eq_ignore_ascii_case(name),
        })
    }
}

fn ends_with(host: &str, suffix: &str) -> bool {
    let start = host.len().checked_sub(suffix.len());
    start.and_then(|start| host.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

fn without_port(header: &str) -> &str {
    match header.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => header,
    }
}

fn is_name(name: &str) -> bool {
    let inner = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match inner {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !name.trim_matches('.').is_empty()
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_headers_are_compared_without_port_and_case() {
        let hosts = AllowedHosts::parse("localhost, [::1],.example.com").expect("hosts");
        for header in
            ["localhost", "LOCALHOST:8000", "[::1]:8000", "[::1]", "example.com", "a.b.example.com", "localhost."]
        {
            assert!(hosts.allow(header), "{header}");
        }
        for header in
            ["", "evil.test", "localhost.evil.test", "badexample.com", "127.0.0.1", "localhost:80:80", "[::2]", "é"]
        {
            assert!(!hosts.allow(header), "{header}");
        }
        assert!(AllowedHosts::Any.allow("evil.test"));
    }

    #[test]
    fn entries_are_names_and_not_addresses_with_ports() {
        for text in ["localhost:8000", "http://localhost", "", "a,,b", "[::1", "."] {
            assert!(AllowedHosts::parse(text).is_err(), "{text}");
        }
    }
}
