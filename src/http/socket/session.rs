//! One socket: a loop over what its client sends, what the feed sends, and the clock.
//!
//! Invariant: a client gets every message of its channels in order, or is told its last cursors and closed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason};
use actors::Feed;
use actors::feed::{Channel, FeedMessage, Inbox, Outbox, SessionId, Subscribed};
use futures_util::StreamExt;
use matching::{OrderId, Seq};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep_until, timeout};

use super::Hello;
use super::operation::{self, Reply};
use super::request::{self, Op, Request, Source, Wanted};
use super::rest::Rest;
use crate::http::Api;
use crate::http::access::Caller;
use crate::http::access::authorize::{by_token, forbidden, unauthorized};
use crate::http::access::limits::Counts;
use crate::http::event_tail::EventTail;
use crate::http::problem::{Code, Problem};
use crate::http::recent::{WrittenRow, array};
use crate::keys::Scope;

/// How long a client may take to make room for one message.
const SENT_WITHIN: Duration = Duration::from_secs(5);
/// How often a client is asked for a sign of life, and after how long without one it is gone.
const PING: Duration = Duration::from_secs(15);
const SILENCE: Duration = Duration::from_secs(45);
/// A client that shows no credential within this time only holds a connection.
const AUTH_WITHIN: Duration = Duration::from_secs(10);
/// Operations of one socket that may be under way.
const UNDER_WAY: usize = 64;
/// The orders that are remembered for when the socket closes: the last ones.
const REMEMBERED: usize = 10_000;
/// Channels that one socket may follow: each holds its name here and in the feed.
const FOLLOWED: usize = 1_000;
/// Rows of one message of the channel of events: some messages wait for a client that does not read, each in memory of its
/// own.
const EVENT_ROWS: usize = 10;

/// Why a session ends.
enum End {
    /// The client went away or asked for it.
    Gone,
    /// It does not read what it is sent.
    Slow,
    /// It sent what no client may.
    Wrong,
    /// The service stops.
    Stopping,
    /// It has not shown a credential, or that has ended: the key, or the session.
    Unknown,
}

/// A session.
pub struct Session {
    api: web::Data<Api>,
    caller: Caller,
    handle: actix_ws::Session,
    feed: Feed,
    id: SessionId,
    outbox: Outbox,
    /// The last message of each channel.
    cursors: BTreeMap<Source, Seq>,
    /// Messages up to these rows are in a snapshot that was sent already.
    shown: BTreeMap<Channel, Seq>,
    events: Option<EventTail>,
    rest: Rest,
    cancel_on_disconnect: bool,
    placed: Vec<OrderId>,
}

/// The last message of a socket that the service closes.
#[derive(Serialize)]
struct Closing {
    #[serde(rename = "type")]
    kind: &'static str,
    code: &'static str,
    cursors: BTreeMap<String, u64>,
}

impl Session {
    /// A session that begins.
    pub fn new(
        api: web::Data<Api>,
        caller: Caller,
        handle: actix_ws::Session,
        feed: Feed,
        id: SessionId,
        outbox: Outbox,
        cancel_on_disconnect: bool,
    ) -> Session {
        Session {
            api,
            caller,
            handle,
            feed,
            id,
            outbox,
            cursors: BTreeMap::new(),
            shown: BTreeMap::new(),
            events: None,
            rest: Rest::default(),
            cancel_on_disconnect,
            placed: Vec::new(),
        }
    }

    /// Serves the socket to its end.
    pub async fn run(mut self, messages: AggregatedMessageStream, inbox: Inbox) {
        let end = match self.serve(messages, inbox).await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        self.feed.unsubscribe(self.id, None);
        self.api.sockets.leave();
        let (told, reason) = match end {
            End::Gone => (None, None),
            End::Slow => (Some("SLOW_READER"), Some(CloseCode::Policy)),
            End::Wrong => (None, Some(CloseCode::Invalid)),
            End::Stopping => (Some("STOPPING"), Some(CloseCode::Away)),
            End::Unknown => (Some(Code::Unauthorized.as_str()), Some(CloseCode::Policy)),
        };
        if matches!(end, End::Slow) {
            self.api.sockets.slow.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        if let Some(code) = told {
            let cursors = self.cursors.iter().map(|(source, seq)| (source.to_string(), seq.get())).collect();
            // It may be gone, or not read this either.
            let _ = self.send(&Closing { kind: "closing", code, cursors }).await;
        }
        let reason = reason.map(|code| CloseReason { code, description: told.map(str::to_owned) });
        let _ = timeout(SENT_WITHIN, self.handle.clone().close(reason)).await;
        if self.cancel_on_disconnect {
            operation::cancel_all(&self.api, &self.caller, &self.placed).await;
        }
    }

    async fn serve(
        &mut self,
        mut messages: AggregatedMessageStream,
        mut inbox: Inbox,
    ) -> Result<std::convert::Infallible, End> {
        let seq = self.feed.published.borrow().get();
        self.send(&Hello { kind: "hello", seq, cancel_on_disconnect: self.cancel_on_disconnect }).await?;
        let mut stopping = self.api.stopping();
        let (replies, mut replied) = mpsc::channel::<Reply>(UNDER_WAY);
        let mut under_way = 0;
        let mut pings = interval(PING);
        let mut heard = Instant::now();
        let stranger_until = heard + AUTH_WITHIN;
        let mut ended = Box::pin(self.ended());
        loop {
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => return Err(End::Stopping),
                () = &mut ended => return Err(End::Unknown),
                () = sleep_until(stranger_until), if self.caller.is_stranger() => return Err(End::Unknown),
                Some(reply) = replied.recv() => {
                    under_way -= 1;
                    self.placed(&reply);
                    self.send_text(reply.text).await?;
                }
                message = messages.next(), if under_way < UNDER_WAY => {
                    heard = Instant::now();
                    match message {
                        Some(Ok(AggregatedMessage::Text(text))) => {
                            let was_stranger = self.caller.is_stranger();
                            if let Some(batch) = self.request(&text).await? {
                                under_way += 1;
                                operation::start(self.api.clone(), self.caller.clone(), batch, replies.clone());
                            }
                            if was_stranger && !self.caller.is_stranger() {
                                ended = Box::pin(self.ended());
                            }
                        }
                        Some(Ok(AggregatedMessage::Ping(data))) => {
                            let pong = timeout(SENT_WITHIN, self.handle.pong(&data)).await;
                            pong.map_err(|_| End::Slow)?.map_err(|_| End::Gone)?;
                        }
                        Some(Ok(AggregatedMessage::Pong(_))) => {}
                        Some(Ok(AggregatedMessage::Binary(_)) | Err(_)) => return Err(End::Wrong),
                        Some(Ok(AggregatedMessage::Close(_))) | None => return Err(End::Gone),
                    }
                }
                message = inbox.next(), if !self.rest.lasts() => {
                    self.send_message(&*message.ok_or(End::Slow)?).await?;
                    self.rest(&inbox);
                }
                rows = next_events(&mut self.events), if !self.rest.lasts() => {
                    self.send_events(rows).await?;
                    self.rest(&inbox);
                }
                () = self.rest.over(), if self.rest.lasts() => {}
                _ = pings.tick() => {
                    if heard.elapsed() > SILENCE {
                        return Err(End::Gone);
                    }
                    let ping = timeout(SENT_WITHIN, self.handle.ping(b"")).await;
                    ping.map_err(|_| End::Slow)?.map_err(|_| End::Gone)?;
                }
            }
        }
    }

    /// Returns once the credential that this socket has shown so far does not hold any more.
    fn ended(&self) -> impl Future<Output = ()> + use<> {
        let (caller, keyring) = (self.caller.clone(), Arc::clone(&self.api.gate.keyring));
        async move { caller.until_ended(&keyring).await }
    }

    /// Does what a client asks; an operation is only begun.
    async fn request(&mut self, text: &str) -> Result<Option<Request>, End> {
        let request = match request::read(text) {
            Ok(request) => request,
            Err(problem) => {
                self.send_text(operation::refusal(None, &problem)).await?;
                return Ok(None);
            }
        };
        let id = request.id;
        if let Err(problem) = self.may(request.op) {
            self.send_text(operation::refusal(id, &problem)).await?;
            return Ok(None);
        }
        match request.op {
            Op::Auth => match self.authenticate(request.token.as_deref()) {
                Ok(()) => self.send_text(operation::done(id)).await?,
                Err(problem) => {
                    self.send_text(operation::refusal(id, &problem)).await?;
                    if self.caller.is_stranger() {
                        return Err(End::Unknown);
                    }
                }
            },
            Op::Ping => self.send_text(operation::done(id)).await?,
            Op::Subscribe => self.subscribe(id, &request.channels).await?,
            Op::Unsubscribe => match self.unsubscribe(&request.channels) {
                Ok(()) => self.send_text(operation::done(id)).await?,
                Err(problem) => self.send_text(operation::refusal(id, &problem)).await?,
            },
            Op::Batch => return Ok(Some(request)),
        }
        Ok(None)
    }

    /// Whether the client has shown a credential for this.
    fn may(&self, op: Op) -> Result<(), Problem> {
        let scope = match op {
            Op::Auth => return Ok(()),
            Op::Ping | Op::Subscribe | Op::Unsubscribe => Scope::Read,
            Op::Batch => Scope::Trade,
        };
        match (self.caller.may(scope), self.caller.is_stranger(), op) {
            (true, ..) | (_, false, Op::Ping) => Ok(()),
            (false, true, _) => {
                let detail = "show a credential first: {\"op\":\"auth\",\"token\":\"…\"}";
                Err(Problem::new(Code::Unauthorized, detail))
            }
            (false, false, _) => Err(forbidden(scope)),
        }
    }

    /// Takes a credential. With DEBUG none is looked at; who is known already does not become another.
    fn authenticate(&mut self, token: Option<&str>) -> Result<(), Problem> {
        let token =
            token.ok_or_else(|| Problem::new(Code::MissingField, "token is missing; send it").field("token"))?;
        if self.api.gate.is_debug() {
            return Ok(());
        }
        if !self.caller.is_stranger() {
            return Err(Problem::new(Code::Incoherent, "this socket has shown its credential already").field("op"));
        }
        self.caller = by_token(&self.api.gate, token).ok_or_else(unauthorized)?;
        Ok(())
    }

    /// Whether the client may follow this.
    fn sees(&self, source: &Source) -> Result<(), Problem> {
        match source {
            Source::Events => self.caller.sees_all(),
            Source::Channel(Channel::Orders(account)) => self.caller.acts_for(Some(account.clone())).map(drop),
            Source::Channel(_) => Ok(()),
        }
    }

    /// Subscribes to each channel; the reply comes first, then what was missed or the snapshots.
    async fn subscribe(&mut self, id: Option<u64>, wanted: &[Wanted]) -> Result<(), End> {
        let mut sources = Vec::new();
        for wanted in wanted {
            let source = wanted.read().and_then(|source| self.sees(&source.0).map(|()| source));
            match source {
                Ok(source) => sources.push(source),
                Err(problem) => return self.send_text(operation::refusal(id, &problem)).await,
            }
        }
        let new = sources.iter().filter(|(source, _)| !self.cursors.contains_key(source)).count();
        let room = if self.cursors.len() + new > FOLLOWED {
            let detail = format!("a socket follows at most {FOLLOWED} channels; open another one for more");
            Err(Problem::new(Code::InvalidParameter, detail).field("channels"))
        } else {
            self.api.gate.limits.take(&self.caller, Counts::Read, sources.len()).map(drop)
        };
        if let Err(problem) = room {
            return self.send_text(operation::refusal(id, &problem)).await;
        }
        self.send_text(operation::done(id)).await?;
        for (source, after) in sources {
            let subscribed = match source {
                Source::Events => self.subscribe_events(after),
                Source::Channel(channel) => self.subscribe_channel(channel, after).await?,
            };
            if let Err(problem) = subscribed {
                self.send_text(operation::refusal(id, &problem)).await?;
            }
        }
        Ok(())
    }

    fn subscribe_events(&mut self, after: Option<Seq>) -> Result<(), Problem> {
        let engine = self.api.engine()?;
        let after = after.unwrap_or_else(|| *self.feed.published.borrow());
        self.events = Some(EventTail::new(engine, after)?);
        self.cursors.insert(Source::Events, after);
        Ok(())
    }

    async fn subscribe_channel(&mut self, channel: Channel, after: Option<Seq>) -> Result<Result<(), Problem>, End> {
        let source = Source::Channel(channel.clone());
        self.shown.remove(&channel);
        let subscribed = self.feed.subscribe(self.id, self.outbox.clone(), channel.clone(), after).await;
        match subscribed.map_err(|_| End::Stopping)? {
            Subscribed::Slow => return Err(End::Slow),
            Subscribed::UnknownSymbol => {
                let detail = format!("the symbol of {channel} is not listed; /api/symbols/ lists all");
                return Ok(Err(Problem::new(Code::UnknownMarket, detail).field("channels")));
            }
            Subscribed::Resumed | Subscribed::Snapshot => {
                self.cursors.insert(source, after.unwrap_or(Seq::ZERO));
            }
            Subscribed::Nothing => {
                self.cursors.insert(source, Seq::ZERO);
                if let Channel::Orders(account) = &channel {
                    let snapshot = operation::open_orders(&self.api, account.clone()).await;
                    match snapshot {
                        Ok((seq, text)) => {
                            self.shown.insert(channel.clone(), seq);
                            self.cursors.insert(Source::Channel(channel), seq);
                            self.send_text(text).await?;
                        }
                        Err(problem) => return Ok(Err(problem)),
                    }
                }
            }
        }
        Ok(Ok(()))
    }

    fn unsubscribe(&mut self, channels: &[Wanted]) -> Result<(), Problem> {
        for wanted in channels {
            let (source, _) = wanted.read()?;
            self.cursors.remove(&source);
            match source {
                Source::Events => self.events = None,
                Source::Channel(channel) => {
                    self.shown.remove(&channel);
                    self.feed.unsubscribe(self.id, Some(channel));
                }
            }
        }
        Ok(())
    }

    /// Rests, once everything was sent that there was.
    fn rest(&mut self, inbox: &Inbox) {
        if inbox.is_empty() && !self.events.as_ref().is_some_and(EventTail::has_more) {
            self.rest.begin(&self.api.sockets.writes);
        }
    }

    /// Sends a message of a channel that the session still follows, unless a snapshot has told it already.
    async fn send_message(&mut self, message: &FeedMessage) -> Result<(), End> {
        let new = self.shown.get(&message.channel).is_none_or(|shown| message.seq > *shown);
        if new && let Some(cursor) = self.cursors.get_mut(&Source::Channel(message.channel.clone())) {
            *cursor = message.seq;
            self.send_text(message.text.to_string()).await?;
        }
        Ok(())
    }

    async fn send_events(&mut self, rows: Result<Vec<WrittenRow>, Problem>) -> Result<(), End> {
        match rows {
            Ok(rows) => {
                let Some(last) = rows.last().map(|row| row.seq) else { return Ok(()) };
                let prev = self.cursors.insert(Source::Events, last).unwrap_or(Seq::ZERO);
                let data = array(&rows);
                let head = r#"{"channel":"events","type":"update","#;
                self.send_text(format!(r#"{head}"seq":{last},"prev":{prev},"data":{data}}}"#)).await
            }
            Err(problem) => {
                self.events = None;
                self.cursors.remove(&Source::Events);
                self.send_text(operation::refusal(None, &problem)).await
            }
        }
    }

    /// Remembers orders for when the socket closes.
    fn placed(&mut self, reply: &Reply) {
        if self.cancel_on_disconnect {
            self.placed.extend(&reply.placed);
            let forgotten = self.placed.len().saturating_sub(REMEMBERED);
            self.placed.drain(..forgotten);
        }
    }

    async fn send(&mut self, message: &impl Serialize) -> Result<(), End> {
        // Nothing in a message can fail to be written as JSON.
        self.send_text(serde_json::to_string(message).unwrap_or_default()).await
    }

    async fn send_text(&mut self, text: String) -> Result<(), End> {
        let sent = timeout(SENT_WITHIN, self.handle.text(text)).await;
        sent.map_err(|_| End::Slow)?.map_err(|_| End::Gone)
    }
}

async fn next_events(events: &mut Option<EventTail>) -> Result<Vec<WrittenRow>, Problem> {
    match events {
        Some(events) => events.next(EVENT_ROWS).await,
        None => std::future::pending().await,
    }
}
