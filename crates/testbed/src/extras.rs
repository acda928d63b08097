//! What a server is run with beside its usual settings.

/// Arguments and variables for a server that is to behave unusually.
#[derive(Debug, Clone, Default)]
pub struct Extras {
    /// Added behind the usual arguments, over which they win.
    pub arguments: Vec<String>,
    /// Added to its environment.
    pub environment: Vec<(String, String)>,
}
