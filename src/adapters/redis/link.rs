//! One connection to Redis that many callers share, and that is opened anew when it broke. It is served on the thread that
//! opened it: a caller on another one wakes that, and is woken by it.
//!
//! Invariant: a command is sent at most once. The library's own `ConnectionManager` never repeats a command either, but
//! its errors do not tell "could not connect", after which a command is surely not taken, from "broke after sending".

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, IntoConnectionInfo, Pipeline, ProtocolVersion,
    PushInfo, PushKind, RedisError, RedisResult,
};
use tokio::sync::Mutex;

/// A server on the same network answers a connect in milliseconds; one that does not is gone.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// Commands that wait in the client before senders are held back: at the library's 50, callers queue up in front of a
/// connection that could take them all with one write.
const BUFFERED_COMMANDS: usize = 4096;

/// A command that got no result.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum LinkError {
    /// It was never sent.
    #[error("{0}")]
    NotSent(String),
    /// Redis answered with an error: it did not do it.
    #[error("Redis refused: {0}")]
    Refused(RedisError),
    /// It was sent, and no answer came.
    #[error("{0}")]
    NoAnswer(String),
}

/// A shared connection with its own response timeout.
pub(super) struct Link {
    client: Client,
    address: String,
    response_timeout: Duration,
    connection: Mutex<Option<Live>>,
    /// The last attempt to connect, if it failed.
    failure: std::sync::Mutex<Option<Failure>>,
}

/// An attempt to connect that failed.
#[derive(Clone)]
struct Failure {
    ended: Instant,
    took: Duration,
    error: LinkError,
}

#[derive(Clone)]
struct Live {
    connection: MultiplexedConnection,
    /// Set by the library's reader when the server hangs up, so that the next command is not lost on a dead connection.
    broken: Arc<AtomicBool>,
}

impl Link {
    /// A link that connects when it is first used.
    pub(super) fn new(url: &str, response_timeout: Duration) -> RedisResult<Link> {
        let info = url.into_connection_info()?;
        let address = info.addr().to_string();
        let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let tcp = TcpSettings::default().set_nodelay(true);
        let client = Client::open(info.set_redis_settings(redis).set_tcp_settings(tcp))?;
        Ok(Link {
            client,
            address,
            response_timeout,
            connection: Mutex::default(),
            failure: std::sync::Mutex::default(),
        })
    }

    /// Host and port, without any secret.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Sends one command, once.
    pub(super) async fn send<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, LinkError> {
        let mut live = self.live().await?;
        let result = command.query_async(&mut live.connection).await;
        self.settle(result, &live)
    }

    /// Sends many commands at once, once.
    pub(super) async fn send_all<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, LinkError> {
        let mut live = self.live().await?;
        let result = pipeline.query_async(&mut live.connection).await;
        self.settle(result, &live)
    }

    /// The open connection, or a new one. Callers wait here for the first attempt and share what comes of it. Once it has
    /// failed, only one of them at a time tries again, after a pause as long as the attempt took: a server that refuses at
    /// once is tried at once, one that lets everybody wait holds up few. The others are told at once.
    async fn live(&self) -> Result<Live, LinkError> {
        let came = Instant::now();
        let mut connection = match self.connection.try_lock() {
            Ok(connection) => connection,
            Err(_) => match self.last_failure() {
                Some(failure) => return Err(failure.error),
                None => self.connection.lock().await,
            },
        };
        if let Some(live) = connection.as_ref().filter(|live| !live.broken.load(Ordering::Acquire)) {
            return Ok(live.clone());
        }
        if let Some(failure) = self.last_failure()
            && (came < failure.ended || failure.ended.elapsed() < failure.took)
        {
            return Err(failure.error);
        }
        *connection = None;
        let began = Instant::now();
        match self.connect().await {
            Ok(live) => {
                *self.failure() = None;
                *connection = Some(live.clone());
                Ok(live)
            }
            Err(error) => {
                let error = LinkError::NotSent(format!("cannot connect to Redis at {}: {error}", self.address));
                let failure = Failure { ended: Instant::now(), took: began.elapsed(), error: error.clone() };
                *self.failure() = Some(failure);
                Err(error)
            }
        }
    }

    /// Whether the next command would go out at once. An answer alone does not say so: it may have come late, over a connection
    /// that was given up meanwhile.
    pub(super) fn is_live(&self) -> bool {
        let connection = self.connection.try_lock();
        let live = connection.as_ref().ok().and_then(|connection| connection.as_ref());
        live.is_some_and(|live| !live.broken.load(Ordering::Acquire))
    }

    fn last_failure(&self) -> Option<Failure> {
        self.failure().clone()
    }

    fn failure(&self) -> MutexGuard<'_, Option<Failure>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connect(&self) -> RedisResult<Live> {
        let broken = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&broken);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(self.response_timeout))
            .set_pipeline_buffer_size(BUFFERED_COMMANDS)
            .set_push_sender(move |push: PushInfo| {
                if push.kind == PushKind::Disconnection {
                    told.store(true, Ordering::Release);
                }
                Ok::<(), redis::aio::SendError>(())
            });
        let connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(Live { connection, broken })
    }

    /// Sorts a result; a connection that failed to answer is not used again, not even when it only was slow: what comes
    /// next would wait behind it.
    fn settle<T>(&self, result: RedisResult<T>, live: &Live) -> Result<T, LinkError> {
        result.map_err(|error| match error.kind() {
            ErrorKind::Server(_) | ErrorKind::Extension => LinkError::Refused(error),
            _ => {
                live.broken.store(true, Ordering::Release);
                LinkError::NoAnswer(format!("Redis at {}: {error}", self.address))
            }
        })
    }
}
