//! The log's ranges as an operator sees them: taken out whole, or filled again in an empty database.
//!
//! Taking a range out is the owner's business, not the service's: its role may not.

use std::time::Duration;

use async_trait::async_trait;
use journal::{LogError, Record, Shelf, Shelves, WriterPosition};
use matching::Seq;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor};
use tokio::sync::Mutex;
use tokio::time::sleep;

use super::PARTITION;
use super::commit::{bind_rows, failed};
use super::connect::Postgres;
use crate::adapters::rows::big;

/// A lock that is not had is given up soon: a commit of the service waits behind it.
const OWNER_SETTINGS: &str = "SET lock_timeout = '500ms'; SET statement_timeout = '60s'";
const SERVICE_SETTINGS: &str = "SET ROLE pricetime_service; SET synchronous_commit = on; SET statement_timeout = '60s'";
/// How often the lock is tried for, and how soon again.
const TRIES: u32 = 20;
const RETRY: Duration = Duration::from_millis(500);

const RANGES: &str = "SELECT child.oid::regclass::text, pg_get_expr(child.relpartbound, child.oid) \
    FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid WHERE inhparent = 'event_log'::regclass";
const PUT: &str = "INSERT INTO event_log (partition, seq, stream_position, symbol, kind, command, events, time, epoch, \
        engine_version, format, chain) \
    SELECT $1, unnest($2::bigint[]), unnest($3::text[]), unnest($4::text[]), unnest($5::text[]), unnest($6::text[]), \
        unnest($7::text[]), unnest($8::bigint[]), unnest($9::bigint[]), unnest($10::integer[]), unnest($11::smallint[]), \
        unnest($12::bytea[])";
const PLACE: &str = "UPDATE writer_position SET epoch = $2, seq = $3, stream_position = $4, chain = $5, id_ceiling = $6, \
    drained = false, backend_pid = NULL, backend_start = NULL WHERE partition = $1 AND epoch = 0 AND seq = 0";
/// Held by the session that fills an empty log, as long as it lives.
const FILL: &str = "SELECT pg_try_advisory_lock(hashtext('pricetime restore'))";

/// The ranges of `event_log`.
pub struct PostgresShelves {
    postgres: Postgres,
    /// The session that holds the lock of whoever fills the log.
    filling: Mutex<Option<PgConnection>>,
}

impl PostgresShelves {
    /// The ranges in this database. Connects to nothing yet.
    pub fn new(postgres: &Postgres) -> PostgresShelves {
        PostgresShelves { postgres: postgres.clone(), filling: Mutex::default() }
    }

    /// The ranges in this database, to be filled by nobody else: waits until what a killed restore was at is done. None if
    /// that takes too long, as with another restore that lives.
    pub async fn alone(postgres: &Postgres) -> Result<Option<PostgresShelves>, LogError> {
        let mut connection = postgres.as_service(SERVICE_SETTINGS).await.map_err(failed)?;
        for _ in 0..TRIES {
            if sqlx::query_scalar(FILL).fetch_one(&mut connection).await.map_err(failed)? {
                let filling = Mutex::new(Some(connection));
                return Ok(Some(PostgresShelves { postgres: postgres.clone(), filling }));
            }
            sleep(RETRY).await;
        }
        Ok(None)
    }

    /// The ranges with the names of their tables, oldest first.
    async fn ranges(&self, owner: &mut PgConnection) -> Result<Vec<(Shelf, String)>, LogError> {
        let rows = sqlx::query_as::<_, (String, String)>(RANGES).fetch_all(owner).await.map_err(failed)?;
        let mut ranges = Vec::new();
        for (table, bounds) in rows {
            let unknown = || LogError::Refused(format!("{table} has no bounds that this release knows: {bounds}"));
            ranges.push((bounds_of(&bounds).ok_or_else(unknown)?, table));
        }
        ranges.sort_by_key(|(shelf, _)| shelf.first);
        Ok(ranges)
    }
}

/// The rows that a partition may hold, out of `FOR VALUES FROM ('0') TO ('10000000')`.
fn bounds_of(text: &str) -> Option<Shelf> {
    let mut numbers = text.split('\'').filter_map(|word| word.parse::<u64>().ok());
    let (from, to) = (numbers.next()?, numbers.next()?);
    // Row 0 is no row.
    Some(Shelf { first: Seq::new(from.max(1))?, last: Seq::new(to)?.previous()? })
}

#[async_trait]
impl Shelves for PostgresShelves {
    async fn shelves(&self, up_to: Seq) -> Result<Vec<Shelf>, LogError> {
        let mut owner = self.postgres.as_owner(OWNER_SETTINGS).await.map_err(failed)?;
        let ranges = self.ranges(&mut owner).await?;
        Ok(ranges.into_iter().map(|(shelf, _)| shelf).take_while(|shelf| shelf.last <= up_to).collect())
    }

    async fn remove(&self, shelf: Shelf) -> Result<(), LogError> {
        let mut owner = self.postgres.as_owner(OWNER_SETTINGS).await.map_err(failed)?;
        let ranges = self.ranges(&mut owner).await?;
        let Some((_, table)) = ranges.into_iter().find(|(found, _)| *found == shelf) else {
            return Err(LogError::Refused(format!("no range holds exactly rows {} to {}", shelf.first, shelf.last)));
        };
        let mut tries = 0;
        loop {
            tries += 1;
            match detach(&mut owner, &table).await {
                Err(LogError::Unknown(error)) if tries < TRIES => {
                    tracing::debug!(error, table, "the range was not detached; trying again");
                    sleep(RETRY).await;
                }
                detached => return detached,
            }
        }
    }

    async fn put(&self, rows: &[Record]) -> Result<(), LogError> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(()) };
        let mut filling = self.filling.lock().await;
        let connection = filling.as_mut().ok_or_else(not_alone)?;
        for seq in [first.seq, last.seq] {
            let room = sqlx::query("SELECT event_log_make_room($1)").bind(big(seq.get())?);
            room.execute(&mut *connection).await.map_err(failed)?;
        }
        bind_rows!(sqlx::query(PUT).bind(PARTITION), rows).execute(connection).await.map_err(failed)?;
        Ok(())
    }

    async fn place(&self, writer: WriterPosition) -> Result<bool, LogError> {
        let mut filling = self.filling.lock().await;
        let connection = filling.as_mut().ok_or_else(not_alone)?;
        let position = writer.position;
        let place = sqlx::query(PLACE).bind(PARTITION).bind(big(writer.epoch.0)?).bind(big(position.seq.get())?);
        let place = place.bind(position.stream_id.to_string()).bind(position.chain.as_bytes().to_vec());
        let placed = place.bind(big(writer.id_ceiling)?).execute(connection).await.map_err(failed)?;
        Ok(placed.rows_affected() == 1)
    }
}

fn not_alone() -> LogError {
    LogError::Refused("the log was not opened to be filled".to_owned())
}

/// Detaches a range and drops it, in one transaction. Its name is PostgreSQL's own, quoted where it must be.
async fn detach(owner: &mut PgConnection, table: &str) -> Result<(), LogError> {
    let mut transaction = owner.begin().await.map_err(failed)?;
    for statement in [format!("ALTER TABLE event_log DETACH PARTITION {table}"), format!("DROP TABLE {table}")] {
        transaction.execute(sqlx::AssertSqlSafe(statement)).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_of_a_range_are_read() {
        let check = |text: &str, rows: Option<(u64, u64)>| {
            assert_eq!(bounds_of(text).map(|shelf| (shelf.first.get(), shelf.last.get())), rows, "{text}");
        };
        check("FOR VALUES FROM ('0') TO ('10000000')", Some((1, 9_999_999)));
        check("FOR VALUES FROM ('10000000') TO ('20000000')", Some((10_000_000, 19_999_999)));
        check("FOR VALUES FROM (MINVALUE) TO ('5')", None);
        check("DEFAULT", None);
    }
}
