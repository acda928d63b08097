//! What must not be served to others: settings that only DEBUG excuses. Tools do not mind them.

use super::{ADMIN_TOKEN_LENGTH, AllowedHosts, LIST_HOSTS, Problem, Secret, Settings};

/// Parts of secrets that templates come with.
const TEMPLATES: [&str; 5] = ["change-me", "changeme", "django-insecure", "your-secret", "example"];
/// 32 random hexadecimal digits have fewer different ones once in some ten million times.
const DIFFERENT: usize = 7;

impl Settings {
    /// What keeps a service without DEBUG from starting, each with its remedy. That no API key exists is found elsewhere:
    /// keys are no settings.
    pub fn openings(&self) -> Vec<Problem> {
        if self.debug {
            return Vec::new();
        }
        let mut problems = Vec::new();
        if self.allowed_hosts == AllowedHosts::Any {
            let (name, wrong) = ("ALLOWED_HOSTS".to_owned(), "is * without DEBUG".to_owned());
            problems.push(Problem { name, wrong, remedy: LIST_HOSTS.to_owned() });
        }
        problems.extend(self.secret_key_problem());
        if let Some(token) = &self.admin_token {
            let same = self.secret_key.as_ref() == Some(token);
            let wrong = if same { Some("is the same as SECRET_KEY".to_owned()) } else { weakness(token) };
            problems.extend(wrong.map(|wrong| problem("ADMIN_TOKEN", wrong)));
        }
        if self.demo && self.admin_token.is_none() {
            let wrong = "is not set, and the demonstration trades with it".to_owned();
            problems.push(problem("ADMIN_TOKEN", wrong));
        }
        problems
    }

    /// Why SECRET_KEY is none to make keys of.
    pub fn secret_key_problem(&self) -> Option<Problem> {
        let wrong = self.secret_key.as_ref().map_or_else(|| Some("is not set".to_owned()), weakness);
        wrong.map(|wrong| problem("SECRET_KEY", wrong))
    }
}

/// Why a secret is none.
fn weakness(secret: &Secret) -> Option<String> {
    let text = secret.expose();
    let lower = text.to_ascii_lowercase();
    let mut characters: Vec<char> = text.chars().collect();
    let length = characters.len();
    characters.sort_unstable();
    characters.dedup();
    if length < ADMIN_TOKEN_LENGTH {
        Some(format!("has {length} characters"))
    } else if TEMPLATES.iter().any(|template| lower.contains(template)) {
        Some("is the default of a template".to_owned())
    } else if characters.len() < DIFFERENT {
        Some("is not random".to_owned())
    } else {
        None
    }
}

fn problem(name: &str, wrong: String) -> Problem {
    let remedy = format!(
        "give {ADMIN_TOKEN_LENGTH} or more random letters and digits, for example from `openssl rand -hex 32`; or set \
         DEBUG=true where nobody else can connect"
    );
    Problem { name: name.to_owned(), wrong, remedy }
}
