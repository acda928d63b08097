//! Orders and trades for ever: a read model of the log.

use async_trait::async_trait;
use journal::{History, HistoryError, HistoryWrite, PastOrder};
use matching::ledger::{OrderRecord, TradeRecord};
use matching::{Micros, OrderId, Seq, Side, Symbol, TradeId};
use sqlx::postgres::PgPool;
use sqlx::{FromRow, PgConnection};

use super::PARTITION;
use super::connect::Postgres;
use crate::adapters::rows::{number, signed};

/// How `record` is encoded.
const FORMAT: i16 = 1;

const POSITION: &str = "SELECT seq FROM history_position WHERE partition = $1";
const MOVE: &str = "UPDATE history_position SET seq = $3 WHERE partition = $1 AND seq = $2";
// The rows of an order go as one text, since an array of arrays would have to be a rectangle.
const ORDERS: &str = "INSERT INTO history_order (partition, order_id, symbol, account, status, seq, format, record, rows) \
    SELECT $1, order_id, symbol, account, status, seq, $2, record, string_to_array(rows, ',')::bigint[] \
    FROM unnest($3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::bytea[], $9::text[]) \
    AS o (order_id, symbol, account, status, seq, record, rows) ON CONFLICT DO NOTHING";
const TRADES: &str = "INSERT INTO history_trade (partition, symbol, trade_id, seq, time, price, quantity, maker_order_id, \
    taker_order_id, taker_side) \
    SELECT $1, t.* FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], \
    $8::bigint[], $9::bigint[], $10::text[]) AS t ON CONFLICT DO NOTHING";
const ORDER: &str = "SELECT format, record, rows FROM history_order WHERE partition = $1 AND order_id = $2";
const TRADES_BELOW: &str = "SELECT trade_id, seq, time, price, quantity, maker_order_id, taker_order_id, taker_side \
    FROM history_trade WHERE partition = $1 AND symbol = $2 AND trade_id < $3 ORDER BY trade_id DESC LIMIT $4";

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

#[derive(FromRow)]
struct TradeRow {
    trade_id: i64,
    seq: i64,
    time: i64,
    price: String,
    quantity: String,
    maker_order_id: i64,
    taker_order_id: i64,
    taker_side: String,
}

impl TradeRow {
    fn read(self, symbol: Symbol) -> Option<TradeRecord> {
        let sides = [Side::Buy, Side::Sell];
        Some(TradeRecord {
            trade_id: TradeId::new(number(self.trade_id)?)?,
            symbol,
            price: self.price.parse().ok()?,
            quantity: self.quantity.parse().ok()?,
            maker_order_id: OrderId::new(number(self.maker_order_id)?)?,
            taker_order_id: OrderId::new(number(self.taker_order_id)?)?,
            taker_side: sides.into_iter().find(|side| side.as_str() == self.taker_side)?,
            time: Micros::new(number(self.time)?)?,
            seq: Seq::new(number(self.seq)?)?,
        })
    }
}

#[async_trait]
impl History for PostgresHistory {
    async fn position(&self) -> Result<Seq, HistoryError> {
        let seq = sqlx::query_scalar::<_, i64>(POSITION).bind(PARTITION).fetch_one(&self.pool).await.map_err(failed)?;
        number(seq).and_then(Seq::new).ok_or_else(|| altered("its position is below 0"))
    }

    async fn write(&self, write: &HistoryWrite) -> Result<bool, HistoryError> {
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let moved = sqlx::query(MOVE).bind(PARTITION).bind(signed(write.from.get())).bind(signed(write.to.get()));
        if moved.execute(&mut *transaction).await.map_err(failed)?.rows_affected() != 1 {
            return Ok(false);
        }
        insert_orders(&mut transaction, &write.orders).await?;
        insert_trades(&mut transaction, &write.trades).await?;
        transaction.commit().await.map_err(failed)?;
        Ok(true)
    }

    async fn order(&self, order_id: OrderId) -> Result<Option<PastOrder>, HistoryError> {
        let row = sqlx::query_as::<_, (i16, Vec<u8>, Vec<i64>)>(ORDER).bind(PARTITION).bind(signed(order_id.get()));
        let Some((format, record, rows)) = row.fetch_optional(&self.pool).await.map_err(failed)? else {
            return Ok(None);
        };
        if format != FORMAT {
            return Err(altered(&format!("order {order_id} has format {format}, and this release reads {FORMAT}")));
        }
        let order: OrderRecord =
            postcard::from_bytes(&record).map_err(|error| altered(&format!("order {order_id}: {error}")))?;
        let rows = rows.into_iter().filter_map(|row| number(row).and_then(Seq::new)).collect();
        Ok(Some(PastOrder { order, rows }))
    }

    async fn trades(&self, symbol: Symbol, end: TradeId, limit: usize) -> Result<Vec<TradeRecord>, HistoryError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = sqlx::query_as::<_, TradeRow>(TRADES_BELOW).bind(PARTITION).bind(symbol.as_str());
        let rows = rows.bind(signed(end.get())).bind(limit).fetch_all(&self.pool).await.map_err(failed)?;
        let read = |row: TradeRow| row.read(symbol).ok_or_else(|| altered("a trade cannot be read"));
        rows.into_iter().map(read).collect()
    }
}

async fn insert_orders(connection: &mut PgConnection, orders: &[PastOrder]) -> Result<(), HistoryError> {
    if orders.is_empty() {
        return Ok(());
    }
    let encode = |past: &PastOrder| postcard::to_allocvec(&past.order).map_err(|error| altered(&error.to_string()));
    let joined = |past: &PastOrder| past.rows.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let insert = sqlx::query(ORDERS)
        .bind(PARTITION)
        .bind(FORMAT)
        .bind(orders.iter().map(|past| signed(past.order.order_id.get())).collect::<Vec<_>>())
        .bind(orders.iter().map(|past| past.order.symbol.to_string()).collect::<Vec<_>>())
        .bind(orders.iter().map(|past| past.order.account.clone().map(String::from)).collect::<Vec<_>>())
        .bind(orders.iter().map(|past| past.order.status.as_str()).collect::<Vec<_>>())
        .bind(orders.iter().map(|past| signed(past.order.seq.get())).collect::<Vec<_>>())
        .bind(orders.iter().map(encode).collect::<Result<Vec<_>, _>>()?)
        .bind(orders.iter().map(joined).collect::<Vec<_>>());
    insert.execute(connection).await.map(drop).map_err(failed)
}

async fn insert_trades(connection: &mut PgConnection, trades: &[TradeRecord]) -> Result<(), HistoryError> {
    if trades.is_empty() {
        return Ok(());
    }
    let insert = sqlx::query(TRADES)
        .bind(PARTITION)
        .bind(trades.iter().map(|trade| trade.symbol.to_string()).collect::<Vec<_>>())
        .bind(trades.iter().map(|trade| signed(trade.trade_id.get())).collect::<Vec<_>>())
        .bind(trades.iter().map(|trade| signed(trade.seq.get())).collect::<Vec<_>>())
        .bind(trades.iter().map(|trade| signed(trade.time.get())).collect::<Vec<_>>())
        .bind(trades.iter().map(|trade| trade.price.to_string()).collect::<Vec<_>>())
        .bind(trades.iter().map(|trade| trade.quantity.to_string()).collect::<Vec<_>>())
        .bind(trades.iter().map(|trade| signed(trade.maker_order_id.get())).collect::<Vec<_>>())
        .bind(trades.iter().map(|trade| signed(trade.taker_order_id.get())).collect::<Vec<_>>())
        .bind(trades.iter().map(|trade| trade.taker_side.as_str()).collect::<Vec<_>>());
    insert.execute(connection).await.map(drop).map_err(failed)
}

fn failed(error: sqlx::Error) -> HistoryError {
    HistoryError(error.to_string())
}

fn altered(what: &str) -> HistoryError {
    HistoryError(format!("what is stored is not what was written: {what}"))
}
