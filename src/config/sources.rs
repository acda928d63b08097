//! Where settings come from, which of several names wins, and which names nobody knows.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::table::{self, Default, Kind, SETTINGS, Setting};
use super::{Invalid, Problem, Warning, files};

/// The prefix of the service's own names.
const PREFIX: &str = "PRICETIME_";
/// Families of names that the original's `.env` holds for other programs.
const FOREIGN: [&str; 4] = ["DJANGO_", "COMPOSE_", "POSTGRES_", "REDIS_"];

/// Where a value is from.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The process's environment.
    Environment,
    /// The file `.env`.
    Dotenv,
    /// The table.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Origin::Environment => "environment",
            Origin::Dotenv => ".env",
            Origin::Default => "default",
        })
    }
}

/// What holds for a setting, as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// The setting.
    pub name: &'static str,
    /// Its value; redacted where it is a secret, empty where there is none.
    pub value: String,
    /// Where it is from.
    pub origin: Origin,
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={} ({})", self.name, self.value, self.origin)
    }
}

#[derive(Clone)]
struct Given {
    value: String,
    origin: Origin,
}

/// Hands out values by the table and collects what is wrong with them.
#[derive(Default)]
pub(super) struct Reader {
    /// Values by the setting's own name.
    given: BTreeMap<&'static str, Given>,
    /// Defaults that are not the table's.
    defaults: BTreeMap<&'static str, &'static str>,
    warnings: Vec<Warning>,
    problems: Vec<Problem>,
}

impl Reader {
    pub(super) fn new(
        environment: impl IntoIterator<Item = (String, String)>,
        dotenv: impl IntoIterator<Item = (String, String)>,
    ) -> Reader {
        let mut reader = Reader::default();
        let mut variables: BTreeMap<String, Given> = BTreeMap::new();
        for (name, value) in dotenv {
            reader.check_name(&name, true);
            variables.insert(name, Given { value, origin: Origin::Dotenv });
        }
        for (name, value) in environment {
            reader.check_name(&name, false);
            variables.insert(name, Given { value, origin: Origin::Environment });
        }
        variables.retain(|_, given| !given.value.trim().is_empty());
        for setting in SETTINGS {
            let own = [format!("{PREFIX}{}", setting.name), setting.name.to_owned()];
            let names = own.iter().map(String::as_str).chain(setting.aliases.iter().copied());
            if let Some(given) = names.filter_map(|name| variables.get(name)).next() {
                let value = given.value.trim().to_owned();
                reader.given.insert(setting.name, Given { value, origin: given.origin });
            }
            reader.read_file(setting, &variables);
        }
        reader
    }

    /// Takes a secret from its file, if one is named.
    fn read_file(&mut self, setting: &'static Setting, variables: &BTreeMap<String, Given>) {
        let mut names = files::names_of(setting).flat_map(|name| [format!("{PREFIX}{name}"), name]);
        let Some((name, file)) = names.find_map(|name| variables.get(&name).map(|file| (name, file))) else { return };
        if self.is_given(setting.name) {
            let wrong = format!("is given, and {} too", setting.name);
            return self.problem(&name, &wrong, "give one of them");
        }
        match files::read(Path::new(file.value.trim())) {
            Ok(value) => {
                self.given.insert(setting.name, Given { value, origin: file.origin });
            }
            Err((wrong, remedy)) => self.problem(&name, &wrong, &remedy),
        }
    }

    /// A name that is nobody's is a mistake where names are surely meant for this service: in `.env`, and with the prefix.
    fn check_name(&mut self, name: &str, in_dotenv: bool) {
        #[cfg(feature = "planted")]
        if name == crate::planted::VARIABLE && !in_dotenv {
            return;
        }
        let known = match name.strip_prefix(PREFIX) {
            Some(bare) => SETTINGS.iter().any(|setting| setting.name == bare) || files::is_name(bare),
            None => !in_dotenv || table::named(name).is_some() || files::is_name(name),
        };
        if known {
            return;
        }
        if FOREIGN.iter().any(|family| name.starts_with(family)) {
            return self.warn(&format!("{name} in .env is not used by this service"));
        }
        let place = if in_dotenv { "in .env is" } else { "is" };
        self.problem(name, &format!("{place} no setting of this service"), "correct its name or remove it");
    }

    pub(super) fn warn(&mut self, text: &str) {
        self.warnings.push(Warning(text.to_owned()));
    }

    pub(super) fn problem(&mut self, name: &str, wrong: &str, remedy: &str) {
        self.problems.push(Problem { name: name.to_owned(), wrong: wrong.to_owned(), remedy: remedy.to_owned() });
    }

    /// Another default than the table's, where it depends on other settings; the setting's meaning says so.
    pub(super) fn set_default(&mut self, name: &'static str, value: &'static str) {
        self.defaults.insert(name, value);
    }

    pub(super) fn is_given(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// The value of a setting that has a default. None if it is invalid: then there is a problem more.
    pub(super) fn read<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, Invalid>) -> Option<T> {
        let value = self.value(declared(name));
        assert!(value.is_some(), "{name} is read as if it had a default");
        self.read_optional(name, parse)
    }

    /// The value of a setting that may be absent.
    pub(super) fn read_optional<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, Invalid>) -> Option<T> {
        let given = self.value(declared(name))?;
        match parse(&given.value) {
            Ok(value) => Some(value),
            Err((wrong, remedy)) => {
                // A value taken over from another setting is that one's problem.
                if self.is_given(name) {
                    self.problem(name, &wrong, &remedy);
                }
                None
            }
        }
    }

    /// The text of a setting that must be there; `remedy` says what to do when it is not.
    pub(super) fn require(&mut self, name: &str, remedy: &str) -> Option<String> {
        let given = self.value(declared(name));
        if given.is_none() {
            self.problem(name, "is not set", remedy);
        }
        given.map(|given| given.value)
    }

    fn value(&self, setting: &Setting) -> Option<Given> {
        let other = self.defaults.get(setting.name).map(|text| Default::Text(text));
        let default = || match other.unwrap_or(setting.default) {
            Default::Text(text) => Some(Given { value: text.to_owned(), origin: Origin::Default }),
            Default::Of(other) => {
                self.value(declared(other)).map(|given| Given { value: given.value, origin: Origin::Default })
            }
            Default::Unset => None,
        };
        self.given.get(setting.name).cloned().or_else(default)
    }

    pub(super) fn finish(self) -> (Vec<Effective>, Vec<Warning>, Vec<Problem>) {
        let effective = SETTINGS.iter().map(|setting| self.effective(setting)).collect();
        (effective, self.warnings, self.problems)
    }

    fn effective(&self, setting: &Setting) -> Effective {
        let Some(given) = self.value(setting) else {
            return Effective { name: setting.name, value: String::new(), origin: Origin::Default };
        };
        let url = setting.name.ends_with("_URL");
        let value = match setting.kind {
            Kind::Plain => given.value,
            Kind::Secret if url => super::Secret::url(given.value).to_string(),
            Kind::Secret => super::Secret::hidden(given.value).to_string(),
        };
        Effective { name: setting.name, value, origin: given.origin }
    }
}

/// # Panics
/// If a setting is read that the table does not declare: a mistake in this module that any start shows.
fn declared(name: &str) -> &'static Setting {
    let setting = SETTINGS.iter().find(|setting| setting.name == name);
    setting.unwrap_or_else(|| panic!("{name} is not in the table of settings"))
}

/// The process's environment. What is no UTF-8 is no name of ours; in a value of ours it becomes visibly wrong.
pub(super) fn environment() -> Vec<(String, String)> {
    let variables = std::env::vars_os();
    variables.map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())).collect()
}

/// The variables of a file in the format of `.env`; none if there is no such file. What cannot be read is a problem that
/// repeats nothing of the line, which may hold a secret.
pub(super) fn read_dotenv(path: &Path) -> (Vec<(String, String)>, Vec<Problem>) {
    let unreadable = |wrong: String| Problem {
        name: path.display().to_string(),
        wrong,
        remedy: "write one NAME=value a line, values with spaces or $ in single quotes".to_owned(),
    };
    let lines = match dotenvy::from_path_iter(path) {
        Ok(lines) => lines,
        Err(error) if error.not_found() => return (Vec::new(), Vec::new()),
        Err(_) => return (Vec::new(), vec![unreadable("cannot be opened".to_owned())]),
    };
    let (mut variables, mut problems): (Vec<(String, String)>, _) = (Vec::new(), Vec::new());
    for line in lines {
        match line {
            Ok(variable) => variables.push(variable),
            Err(dotenvy::Error::LineParse(..)) => {
                let after = variables.last().map_or("at its start".to_owned(), |(name, _)| format!("after {name}"));
                problems.push(unreadable(format!("has a line {after} that is no NAME=value")));
            }
            Err(_) => {
                problems.push(unreadable("cannot be read".to_owned()));
                break;
            }
        }
    }
    (variables, problems)
}
