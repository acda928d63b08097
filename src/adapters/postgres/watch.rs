//! Looks at what else goes on in the database: a long transaction keeps PostgreSQL from tidying the position row, and slows
//! every commit down (*measured*: fourfold in 18 s).

use std::time::Duration;

use journal::LogError;
use tokio::time::timeout;

use super::commit::failed;
use super::connect::{Postgres, no_answer};

/// A question that nobody waits for.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const SETTINGS: &str =
    "SET ROLE pricetime_service; SET default_transaction_read_only = on; SET statement_timeout = '4s'";
const OLDEST: &str = "SELECT oldest_transaction_age()";

/// Asks for the age of the oldest transaction.
#[derive(Clone)]
pub struct PostgresWatch {
    postgres: Postgres,
}

impl PostgresWatch {
    /// Watches this database. Connects to nothing yet; each look has a connection of its own, for they are rare.
    pub fn new(postgres: &Postgres) -> PostgresWatch {
        PostgresWatch { postgres: postgres.clone() }
    }

    /// The age of the oldest transaction but for this question's own.
    pub async fn oldest_transaction(&self) -> Result<Duration, LogError> {
        let asked = async {
            let mut connection = self.postgres.as_service(SETTINGS).await?;
            sqlx::query_scalar::<_, f64>(OLDEST).fetch_one(&mut connection).await
        };
        let answer = timeout(ANSWER_WITHIN, asked).await.unwrap_or_else(|_| Err(no_answer(ANSWER_WITHIN)));
        // A server's clock that is set back makes no transaction younger than now.
        Ok(Duration::from_secs_f64(answer.map_err(failed)?.max(0.0)))
    }
}
