//! `/api/admin/`: the log, the books as they were, the snapshots and the health of the service, for the administrator.
//! Everything that takes long is done on the bench, one thing after the other.

mod bench;
mod books;
mod log;
mod snapshots;
mod stores;

pub use bench::Bench;

use matching::Seq;
use utoipa_actix_web::service_config::ServiceConfig;

use super::problem::{Code, Problem, problems};

problems! {
    /// What a question of the administrator's may be refused with.
    AdminProblems:
        UnknownField, InvalidParameter, HostNotAllowed, Unauthorized, UnknownRow, InternalError, Overloaded, NotCurrent,
        NotReady, Standby
}

/// All routes of the administrator's.
pub fn routes(config: &mut ServiceConfig) {
    config.configure(log::routes).service(books::endpoint()).configure(snapshots::routes).service(stores::endpoint());
}

/// A row's number in a path.
fn row_in_path(text: &str) -> Result<Seq, Problem> {
    let unknown = || Problem::new(Code::UnknownRow, format!("{:?} is no row's number", super::fields::shortened(text)));
    text.parse().ok().and_then(Seq::new).ok_or_else(unknown)
}
