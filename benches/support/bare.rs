//! The yardstick: an actix-web handler that parses an order and answers.

use std::net::TcpStream;
use std::process::{Child, Command};
use std::time::Duration;

use actix_web::{App, HttpResponse, HttpServer, web};
use serde::Deserialize;
use testbed::{free_port, wait_until};

use super::wrk::Script;

#[derive(Deserialize)]
struct BareOrder {
    symbol: String,
    side: String,
    price: f64,
    quantity: f64,
}

/// The port to serve on, where this program was started to be the bare handler.
pub fn asked_for() -> Option<u16> {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--bare");
    arguments.nth(1).map(|port| port.parse().expect("a port"))
}

/// Serves until it is killed.
#[actix_web::main]
pub async fn serve(port: u16) -> std::io::Result<()> {
    let order = |order: web::Json<BareOrder>| async move {
        std::hint::black_box((&order.symbol, &order.side, order.price, order.quantity));
        HttpResponse::Accepted().json(serde_json::json!({"status": "ENQUEUED", "order_id": 1, "ack": "queued"}))
    };
    let app = move || App::new().route("/api/orders/", web::post().to(order));
    HttpServer::new(app).workers(2).bind(("127.0.0.1", port))?.run().await
}

/// Ends the bare handler when the measurement ends, however it ends.
struct Bare(Child);

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Requests a second.
pub fn measure(script: &Script, loaded: Duration) -> f64 {
    let port = free_port().expect("a port");
    let this = std::env::current_exe().expect("this program");
    let child = Command::new(this).args(["--bare", &port.to_string()]).spawn().expect("the bare handler");
    let _bare = Bare(child);
    wait_until(Duration::from_secs(10), "the bare handler", || TcpStream::connect(("127.0.0.1", port)).is_ok())
        .expect("the bare handler");
    script.run(&format!("http://127.0.0.1:{port}"), loaded)
}
