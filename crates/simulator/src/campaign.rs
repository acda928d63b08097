//! The ledger of campaigns: one JSON object a line, in the repository, so that runs add up.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

/// What a campaign came to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Campaign {
    /// Seeds, or cycles.
    pub runs: u64,
    /// Commands that were acknowledged or answered for good.
    pub acknowledged: u64,
    /// Of these, those that are not in the log.
    pub lost: u64,
    /// Of these, those that were executed twice.
    pub twice: u64,
    /// Runs that broke a promise.
    pub failures: u64,
}

impl Campaign {
    /// The line of this campaign.
    pub fn line(&self, kind: &str, date: &str, commit: &str) -> String {
        let Campaign { runs, acknowledged, lost, twice, failures } = self;
        format!(
            "{{\"campaign\":\"{kind}\",\"date\":\"{date}\",\"commit\":\"{commit}\",\"runs\":{runs},\"acknowledged\":{acknowledged},\
             \"lost\":{lost},\"twice\":{twice},\"failures\":{failures}}}\n"
        )
    }

    /// Adds it to a ledger.
    pub fn record(&self, kind: &str, ledger: &Path) -> io::Result<()> {
        let date = output("date", &["-u", "+%Y-%m-%d"])?;
        let commit = output("git", &["describe", "--always", "--dirty"])?;
        let mut file = OpenOptions::new().create(true).append(true).open(ledger)?;
        file.write_all(self.line(kind, &date, &commit).as_bytes())
    }
}

fn output(program: &str, arguments: &[&str]) -> io::Result<String> {
    let output = Command::new(program).args(arguments).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_json_object() {
        let campaign = Campaign { runs: 3, acknowledged: 20, lost: 0, twice: 0, failures: 1 };
        let expected = "{\"campaign\":\"simulate\",\"date\":\"2026-01-02\",\"commit\":\"abc\",\"runs\":3,\"acknowledged\":20,\
                        \"lost\":0,\"twice\":0,\"failures\":1}\n";
        assert_eq!(campaign.line("simulate", "2026-01-02", "abc"), expected);
    }
}
