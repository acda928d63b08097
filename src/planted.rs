//! Plants the bug that the environment names. Only in builds with the feature `planted`, which tests make: in any other,
//! the name is no setting and is refused as such.

use matching::planted::{self, Bug, ParseBugError};
use tracing::warn;

use crate::config::Problem;

/// The variable that names the bug.
pub const VARIABLE: &str = "PRICETIME_PLANT";

/// Plants what the environment names, if it names anything.
pub fn plant_from_environment() -> Result<(), Problem> {
    let Some(name) = std::env::var_os(VARIABLE).filter(|name| !name.is_empty()) else { return Ok(()) };
    let bug: Bug = name.to_string_lossy().parse().map_err(|error: ParseBugError| Problem {
        name: VARIABLE.to_owned(),
        wrong: "names no bug".to_owned(),
        remedy: error.to_string(),
    })?;
    warn!(%bug, "a bug is planted: this service breaks its promises");
    planted::plant(bug);
    Ok(())
}
