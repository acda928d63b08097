//! Orders and trades for ever: a read model of the log.

use std::collections::BTreeMap;

use async_trait::async_trait;
use journal::{History, HistoryError, HistoryWrite, PastOrder};
use matching::ledger::{OrderRecord, TradeRecord};
use matching::{OrderId, Seq, Symbol, TradeId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::PgConnection;
use sqlx::postgres::{PgArguments, PgPool};
use sqlx::query::Query;

use super::PARTITION;
use super::commit::is_duplicate;
use super::connect::Postgres;
use crate::adapters::rows::{number, signed};

/// How orders and trades are encoded.
const FORMAT: i16 = 1;
/// As many trades as stay below the size from which PostgreSQL moves a value out of its row.
const TRADES_PER_RUN: usize = 40;

const POSITION: &str = "SELECT seq FROM history_position WHERE partition = $1";
const MOVE: &str = "UPDATE history_position SET seq = $3 WHERE partition = $1 AND seq = $2";

/// The statements that insert rows.
struct Inserts {
    orders: &'static str,
    trades: &'static str,
}

macro_rules! inserts {
    ($end:literal) => {
        Inserts {
            orders: concat!(
                "INSERT INTO history_order (partition, order_id, format, record) \
                SELECT $1, unnest($3::bigint[]), $2, unnest($4::bytea[])",
                $end
            ),
            trades: concat!(
                "INSERT INTO history_trade (partition, symbol, first_id, format, trades) \
                SELECT $1, unnest($3::text[]), unnest($4::bigint[]), $2, unnest($5::bytea[])",
                $end
            ),
        }
    };
}

/// Rows of which none is there before, as it always is while the position moves with them.
const NEW: Inserts = inserts!("");
/// Rows of which some may be there, where somebody set the position back; it takes PostgreSQL twice as long.
const MISSING: Inserts = inserts!(" ON CONFLICT DO NOTHING");

const ORDER: &str = "SELECT format, record FROM history_order WHERE partition = $1 AND order_id = $2";
// The last run that begins below a number: runs do not overlap.
const TRADES_BELOW: &str = "SELECT format, trades FROM history_trade \
    WHERE partition = $1 AND symbol = $2 AND first_id < $3 ORDER BY first_id DESC LIMIT 1";

/// The history in PostgreSQL.
pub struct PostgresHistory {
    pool: PgPool,
}

impl PostgresHistory {
    /// The history in this database. Connects to nothing yet.
    pub fn new(postgres: &Postgres) -> PostgresHistory {
        PostgresHistory { pool: postgres.helpers() }
    }
}

#[async_trait]
impl History for PostgresHistory {
    async fn position(&self) -> Result<Seq, HistoryError> {
        let seq = sqlx::query_scalar::<_, i64>(POSITION).bind(PARTITION).fetch_one(&self.pool).await.map_err(failed)?;
        number(seq).and_then(Seq::new).ok_or_else(|| altered("its position is below 0"))
    }

    async fn write(&self, write: &HistoryWrite) -> Result<bool, HistoryError> {
        for inserts in [NEW, MISSING] {
            let mut transaction = self.pool.begin().await.map_err(failed)?;
            let moved = sqlx::query(MOVE).bind(PARTITION).bind(signed(write.from.get())).bind(signed(write.to.get()));
            if moved.execute(&mut *transaction).await.map_err(failed)?.rows_affected() != 1 {
                return Ok(false);
            }
            if insert_orders(&mut transaction, inserts.orders, &write.orders).await?
                && insert_trades(&mut transaction, inserts.trades, &write.trades).await?
            {
                transaction.commit().await.map_err(failed)?;
                return Ok(true);
            }
        }
        Err(altered("rows could be inserted neither as new nor beside others"))
    }

    async fn order(&self, order_id: OrderId) -> Result<Option<PastOrder>, HistoryError> {
        let row = sqlx::query_as::<_, (i16, Vec<u8>)>(ORDER).bind(PARTITION).bind(signed(order_id.get()));
        let Some((format, record)) = row.fetch_optional(&self.pool).await.map_err(failed)? else {
            return Ok(None);
        };
        let (order, rows): (OrderRecord, Vec<Seq>) = decode(format, &record, || format!("order {order_id}"))?;
        Ok(Some(PastOrder { order, rows }))
    }

    async fn trades(&self, symbol: Symbol, end: TradeId, limit: usize) -> Result<Vec<TradeRecord>, HistoryError> {
        let (mut found, mut end) = (Vec::new(), end);
        while found.len() < limit {
            let run = sqlx::query_as::<_, (i16, Vec<u8>)>(TRADES_BELOW).bind(PARTITION).bind(symbol.as_str());
            let run = run.bind(signed(end.get())).fetch_optional(&self.pool).await.map_err(failed)?;
            let Some((format, run)) = run else { break };
            let run: Vec<TradeRecord> = decode(format, &run, || format!("the trades of {symbol} below {end}"))?;
            found.extend(run.into_iter().rev().filter(|trade| trade.trade_id < end).take(limit - found.len()));
            let Some(last) = found.last() else { break };
            end = last.trade_id;
        }
        Ok(found)
    }
}

/// Inserts rows; false when some are there.
async fn insert(
    connection: &mut PgConnection,
    rows: Query<'_, sqlx::Postgres, PgArguments>,
) -> Result<bool, HistoryError> {
    match rows.execute(connection).await {
        Ok(_) => Ok(true),
        Err(error) if is_duplicate(&error) => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

async fn insert_orders(
    connection: &mut PgConnection,
    statement: &'static str,
    orders: &[PastOrder],
) -> Result<bool, HistoryError> {
    if orders.is_empty() {
        return Ok(true);
    }
    let records = orders.iter().map(|past| encode(&(&past.order, &past.rows))).collect::<Result<Vec<_>, _>>()?;
    let rows = sqlx::query(statement)
        .bind(PARTITION)
        .bind(FORMAT)
        .bind(orders.iter().map(|past| signed(past.order.order_id.get())).collect::<Vec<_>>())
        .bind(records);
    insert(connection, rows).await
}

async fn insert_trades(
    connection: &mut PgConnection,
    statement: &'static str,
    trades: &[TradeRecord],
) -> Result<bool, HistoryError> {
    let mut runs: BTreeMap<Symbol, Vec<&TradeRecord>> = BTreeMap::new();
    for trade in trades {
        runs.entry(trade.symbol).or_default().push(trade);
    }
    let runs: Vec<_> = runs.values().flat_map(|run| run.chunks(TRADES_PER_RUN)).collect();
    if runs.is_empty() {
        return Ok(true);
    }
    let rows = sqlx::query(statement)
        .bind(PARTITION)
        .bind(FORMAT)
        .bind(runs.iter().map(|run| run[0].symbol.to_string()).collect::<Vec<_>>())
        .bind(runs.iter().map(|run| signed(run[0].trade_id.get())).collect::<Vec<_>>())
        .bind(runs.iter().map(encode).collect::<Result<Vec<_>, _>>()?);
    insert(connection, rows).await
}

fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, HistoryError> {
    postcard::to_allocvec(value).map_err(|error| altered(&error.to_string()))
}

fn decode<T: DeserializeOwned>(format: i16, bytes: &[u8], what: impl Fn() -> String) -> Result<T, HistoryError> {
    if format != FORMAT {
        return Err(altered(&format!("{} has format {format}, and this release reads {FORMAT}", what())));
    }
    postcard::from_bytes(bytes).map_err(|error| altered(&format!("{}: {error}", what())))
}

fn failed(error: sqlx::Error) -> HistoryError {
    HistoryError(error.to_string())
}

fn altered(what: &str) -> HistoryError {
    HistoryError(format!("what is stored is not what was written: {what}"))
}
