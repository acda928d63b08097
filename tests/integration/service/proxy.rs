//! The least of a TCP proxy: passes everything, nothing, or everything but the answer to an XADD.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Debug, Copy, Clone, PartialEq, Eq)]
#[repr(u8)]
pub enum Way {
    Pass,
    /// Connections are taken, and nothing goes through them.
    Blackhole,
    /// The connection is cut instead of giving the answer to an XADD.
    CutAnswers,
}

/// A proxy to a port of this machine; it ends with the test's runtime.
pub struct Proxy {
    pub port: u16,
    way: Arc<AtomicU8>,
    /// Counts changes of the way: connections of before are closed by one.
    change: watch::Sender<u64>,
}

impl Proxy {
    pub async fn to(target: u16) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (way, change) = (Arc::new(AtomicU8::new(Way::Pass as u8)), watch::Sender::new(0));
        let (shared, changes) = (Arc::clone(&way), change.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (way, mut changed) = (Arc::clone(&shared), changes.subscribe());
                tokio::spawn(async move {
                    tokio::select! {
                        _ = changed.changed() => {}
                        _ = carry(client, target, way) => {}
                    }
                });
            }
        });
        Proxy { port, way, change }
    }

    /// From now on; a connection of before that nothing went through any more is closed by the change back.
    pub fn set(&self, way: Way) {
        self.way.store(way as u8, Ordering::SeqCst);
        if way == Way::Pass {
            self.change.send_modify(|count| *count += 1);
        }
    }
}

async fn carry(mut client: TcpStream, target: u16, way: Arc<AtomicU8>) -> std::io::Result<()> {
    let is = |wanted: Way| way.load(Ordering::SeqCst) == wanted as u8;
    let mut server = TcpStream::connect(("127.0.0.1", target)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut there, mut back) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let mut added = false;
    loop {
        tokio::select! {
            read = client.read(&mut there) => {
                let bytes = &there[..read?];
                if bytes.is_empty() {
                    return Ok(());
                }
                if !is(Way::Blackhole) {
                    added |= is(Way::CutAnswers) && bytes.windows(4).any(|word| word == b"XADD");
                    server.write_all(bytes).await?;
                }
            }
            read = server.read(&mut back) => {
                let bytes = &back[..read?];
                if bytes.is_empty() || added {
                    return Ok(());
                }
                if !is(Way::Blackhole) {
                    client.write_all(bytes).await?;
                }
            }
        }
    }
}
