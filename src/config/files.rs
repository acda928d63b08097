//! Secrets from files, as orchestrators hand them in: `<NAME>_FILE` names a file that holds the value of the secret setting
//! `<NAME>`, so that it stands in no environment, which is inherited, listed and dumped.

use std::fs;
use std::path::Path;

use super::table::{Kind, SETTINGS, Setting};

/// What is behind a secret setting's name where its value is in a file.
const SUFFIX: &str = "_FILE";
/// A secret is a line; a longer file is not meant.
const LONGEST: u64 = 64 * 1_024;

/// The names under which a setting's file may be given.
pub(super) fn names_of(setting: &Setting) -> impl Iterator<Item = String> + use<'_> {
    let names = std::iter::once(setting.name).chain(setting.aliases.iter().copied());
    names.filter(|_| setting.kind == Kind::Secret).map(|name| format!("{name}{SUFFIX}"))
}

/// The secret setting whose file a name says, without the service's own prefix.
pub(super) fn is_name(name: &str) -> bool {
    SETTINGS.iter().any(|setting| names_of(setting).any(|file| file == name))
}

/// The line that a file holds; why not, and what to do.
pub(super) fn read(path: &Path) -> Result<String, (String, String)> {
    let shown = path.display();
    let remedy = || "name a file that this user may read and that holds one line".to_owned();
    let size = fs::metadata(path).map(|file| file.len());
    match size {
        Ok(size) if size > LONGEST => {
            return Err((format!("names {shown}, which is no secret but {size} bytes"), remedy()));
        }
        Ok(_) => {}
        Err(error) => return Err((format!("names {shown}, which cannot be read: {error}"), remedy())),
    }
    let text = fs::read_to_string(path)
        .map_err(|error| (format!("names {shown}, which cannot be read: {error}"), remedy()))?;
    let line = text.trim();
    if line.is_empty() || line.contains('\n') {
        return Err((format!("names {shown}, which does not hold one line"), remedy()));
    }
    Ok(line.to_owned())
}
