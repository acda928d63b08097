//! As much of a WebSocket client as the benchmark needs: one that costs next to nothing beside the service.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const TEXT: u8 = 1;
const PING: u8 = 9;
const PONG: u8 = 10;

/// A socket.
pub struct Socket {
    stream: BufReader<TcpStream>,
}

impl Socket {
    /// Opens `/api/ws/`.
    pub async fn open(port: u16) -> Socket {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
        let request = format!(
            "GET /api/ws/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("a request");
        let mut stream = BufReader::new(stream);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("an answer"));
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        Socket { stream }
    }

    /// Sends a request.
    pub async fn send(&mut self, request: &Value) {
        self.write(TEXT, request.to_string().as_bytes()).await.expect("a request");
    }

    /// A frame of a client is masked; a mask of zeros changes nothing.
    async fn write(&mut self, kind: u8, payload: &[u8]) -> std::io::Result<()> {
        let mut frame = vec![0x80 | kind];
        match u8::try_from(payload.len()) {
            Ok(length) if length < 126 => frame.push(0x80 | length),
            _ => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(payload.len()).expect("a short request").to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        self.stream.write_all(&frame).await
    }

    /// The next message; none when the socket is closed.
    pub async fn next(&mut self) -> Option<Value> {
        let text = self.text().await?;
        Some(serde_json::from_slice(&text).expect("JSON"))
    }

    /// Reads a message without looking at it; whether there was one.
    pub async fn skip(&mut self) -> bool {
        self.text().await.is_some()
    }

    async fn text(&mut self) -> Option<Vec<u8>> {
        loop {
            let kind = self.stream.read_u8().await.ok()? & 0x0f;
            let length = match self.stream.read_u8().await.ok()? {
                126 => u64::from(self.stream.read_u16().await.ok()?),
                127 => self.stream.read_u64().await.ok()?,
                length => u64::from(length),
            };
            let mut payload = vec![0; usize::try_from(length).ok()?];
            self.stream.read_exact(&mut payload).await.ok()?;
            match kind {
                TEXT => return Some(payload),
                PING => self.write(PONG, &payload).await.ok()?,
                _ => return None,
            }
        }
    }
}
