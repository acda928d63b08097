//! `/api/admin/books/{symbol}/`: a book as it was.

use actix_web::{HttpRequest, HttpResponse, web};
use matching::{Seq, Symbol};

use super::AdminProblems;
use crate::exit::End;
use crate::http::endpoint::Endpoint;
use crate::http::fields::shortened;
use crate::http::order_queries::parsed;
use crate::http::problem::{Code, Problem};
use crate::http::{Api, query};
use crate::inspect::books::{LevelsThen, replay_to};

/// The resource.
pub fn endpoint() -> Endpoint {
    Endpoint::new(__path_book, book)
}

/// A book as it was
///
/// The book of a market after a row of the log, replayed from the newest snapshot before it. Needs DEBUG or the
/// administrator's credential.
#[utoipa::path(
    get,
    path = "/api/admin/books/{symbol}/",
    tag = "admin",
    operation_id = "admin_book",
    security(("admin" = [])),
    params(
        ("symbol" = String, Path, description = "The market.", example = "BTC_USDT"),
        ("at_seq" = Option<u64>, Query, description = "The row; the last one if not sent.")
    ),
    responses((status = 200, description = "The book.", body = LevelsThen), AdminProblems)
)]
pub async fn book(api: web::Data<Api>, request: HttpRequest, path: web::Path<String>) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    let [at_seq] = query::read(&request, ["at_seq"])?;
    let at_seq: Option<Seq> =
        parsed::<u64>(at_seq, "send a row's number")?.map(|seq| Seq::new(seq).unwrap_or(Seq::LAST));
    let unknown = |detail: String| Problem::new(Code::UnknownRow, detail);
    let symbol: Symbol = path.parse().map_err(|_| unknown(format!("{:?} is no symbol", shortened(&path))))?;
    let retain_closed = engine.bench.settings().retain_closed_orders;
    let levels = engine.bench.work(async move |records| {
        let seq = match at_seq {
            Some(seq) => seq,
            None => records.log.position().await?.position.seq,
        };
        let replay = replay_to(&records, seq, retain_closed).await?;
        LevelsThen::of(&replay, symbol).ok_or_else(|| End::Usage(format!("{symbol} is not listed at row {seq}")))
    });
    Ok(HttpResponse::Ok().json(levels.await?))
}
