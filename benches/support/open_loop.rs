//! Orders at a fixed rate, whatever the service does: each has the time at which it is due, and its latency counts from
//! there, so an answer that comes late also makes those late that had to wait behind it (coordinated omission counted).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

/// Connections, each with a thread that sleeps until its next order is due: a timer wheel's milliseconds would be most of
/// what is measured.
const CONNECTIONS: u32 = 256;

/// Latencies, sorted.
pub struct Latencies(Vec<Duration>);

impl Latencies {
    /// The latency that this share of the orders kept to, in ms.
    pub fn quantile(&self, share: f64) -> f64 {
        let index = (self.0.len() as f64 * share) as usize;
        self.0[index.min(self.0.len() - 1)].as_secs_f64() * 1_000.0
    }
}

/// Sends `rate` orders a second; `body` makes the JSON of the order of a number.
pub fn send(port: u16, rate: f64, seconds: f64, body: impl Fn(u64) -> String + Sync) -> Latencies {
    let (interval, count) = (Duration::from_secs_f64(1.0 / rate), (rate * seconds) as u64);
    let began = Instant::now() + Duration::from_millis(50);
    let body = &body;
    let mut latencies: Vec<Duration> = thread::scope(|scope| {
        let connection = |index: u32| {
            scope.spawn(move || {
                let mut connection = Connection::open(port);
                let mine = (u64::from(index)..count).step_by(CONNECTIONS as usize);
                mine.map(|number| {
                    let due = began + interval.mul_f64(number as f64);
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    connection.place(&body(number));
                    due.elapsed()
                })
                .collect::<Vec<_>>()
            })
        };
        let connections: Vec<_> = (0..CONNECTIONS).map(connection).collect();
        connections.into_iter().flat_map(|connection| connection.join().expect("a connection")).collect()
    });
    latencies.sort_unstable();
    Latencies(latencies)
}

struct Connection {
    stream: BufReader<TcpStream>,
    line: String,
    body: Vec<u8>,
}

impl Connection {
    fn open(port: u16) -> Connection {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        Connection { stream: BufReader::new(stream), line: String::new(), body: Vec::new() }
    }

    /// Places an order and reads the whole answer; anything but 202 ends the benchmark.
    fn place(&mut self, body: &str) {
        let request = format!(
            "POST /api/orders/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).expect("a request");
        let mut length = 0;
        let mut status = String::new();
        loop {
            self.line.clear();
            self.stream.read_line(&mut self.line).expect("an answer");
            let line = self.line.trim_end();
            if line.is_empty() {
                break;
            }
            if status.is_empty() {
                status = line.to_owned();
            } else if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
        }
        self.body.resize(length, 0);
        self.stream.read_exact(&mut self.body).expect("a body");
        assert!(status.contains(" 202 "), "{status}: {}", String::from_utf8_lossy(&self.body));
    }
}
