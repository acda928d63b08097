//! A TCP proxy between the service and a server, that delays, resets, swallows, and cuts in the middle of a commit.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::Error;

const BUFFER: usize = 64 * 1024;
/// A statement that was let through on its own is executed within this; its answer is never seen.
const EXECUTED_WITHIN: Duration = Duration::from_millis(20);

/// What is done to the bytes.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Weather {
    /// Nothing.
    Fair,
    /// Every piece comes later by this much.
    Slow(Duration),
    /// Connections stand and no byte arrives, in either direction; nobody is told.
    Silent,
    /// Every connection is reset, and so are new ones.
    Resetting,
    /// The first connection that sends this text is cut; for one text only, then the weather is fair for others.
    Cutting {
        /// What the client sends.
        text: &'static str,
        /// Whether the server still gets it: then it is done, and its answer is lost.
        delivered: bool,
    },
}

/// A proxy on a port of its own.
pub struct Proxy {
    port: u16,
    weather: watch::Sender<Weather>,
    hits: Arc<AtomicU64>,
}

impl Proxy {
    /// A proxy in front of the server on `target` of 127.0.0.1.
    pub fn start(runtime: &Handle, target: u16) -> Result<Proxy, Error> {
        let port = testbed::free_port()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, port)));
        let listener = listener.map_err(Error::io(format!("listen on port {port}")))?;
        let (weather, seen) = watch::channel(Weather::Fair);
        let hits = Arc::new(AtomicU64::new(0));
        runtime.spawn(accept(listener, target, seen, Arc::clone(&hits)));
        Ok(Proxy { port, weather, hits })
    }

    /// Where clients connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes the weather, for connections that are open as well.
    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    /// Pieces or connections that bad weather has hit.
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }
}

async fn accept(listener: TcpListener, target: u16, weather: watch::Receiver<Weather>, hits: Arc<AtomicU64>) {
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        let (weather, hits) = (weather.clone(), Arc::clone(&hits));
        tokio::spawn(async move {
            // A server that is not there refuses; the client sees its connection closed.
            let _ = serve(client, target, weather, hits).await;
        });
    }
}

async fn serve(
    client: TcpStream,
    target: u16,
    weather: watch::Receiver<Weather>,
    hits: Arc<AtomicU64>,
) -> io::Result<()> {
    let mut storm = weather.clone();
    let server = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, target))).await;
    let Ok(server) = server else {
        client.set_zero_linger()?;
        return Ok(());
    };
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    // A reset tells at once what a close would tell only to whoever reads.
    client.set_zero_linger()?;
    server.set_zero_linger()?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let up = pump(from_client, to_server, weather.clone(), Arc::clone(&hits), true);
    let down = pump(from_server, to_client, weather, Arc::clone(&hits), false);
    let reset = storm.wait_for(|weather| *weather == Weather::Resetting);
    tokio::select! {
        _ = up => {}
        _ = down => {}
        _ = reset => { hits.fetch_add(1, Ordering::Relaxed); }
    }
    Ok(())
}

/// Carries bytes one way until either end closes or the weather ends the connection.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
    hits: Arc<AtomicU64>,
    is_up: bool,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        let now = *weather.borrow_and_update();
        match now {
            Weather::Fair | Weather::Resetting => {}
            Weather::Slow(delay) => {
                hits.fetch_add(1, Ordering::Relaxed);
                sleep(delay).await;
            }
            Weather::Silent => {
                hits.fetch_add(1, Ordering::Relaxed);
                let _ = weather.wait_for(|weather| *weather != Weather::Silent).await;
            }
            Weather::Cutting { text, delivered } if is_up && contains(&buffer[..count], text) => {
                hits.fetch_add(1, Ordering::Relaxed);
                if delivered {
                    to.write_all(&buffer[..count]).await?;
                    sleep(EXECUTED_WITHIN).await;
                }
                return Ok(());
            }
            Weather::Cutting { .. } => {}
        }
        to.write_all(&buffer[..count]).await?;
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
