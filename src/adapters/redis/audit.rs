//! Reads the whole projection for comparison: which keys there are, and groups of them at one row.

use std::collections::BTreeMap;
use std::time::Duration;

use journal::{ProjectionError, ProjectionState};
use matching::ledger::{OrderRecord, TradeRecord};
use matching::{Ledger, OrderId, Side, Symbol};
use redis::{Cmd, Value, cmd};

use super::durability::RedisError;
use super::keys::{self, Keys};
use super::link::Link;
use super::projection::{POSITION_FIELDS, failed, state_of};
use crate::views::{DebugOrder, DebugTrade};

/// A group of keys is read at once; nobody waits longer for a Redis that is in trouble.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Keys that SCAN looks at per call.
const SCAN_COUNT: usize = 1_000;

/// A key's value as text, the same for what is expected and for what is there: a hash as sorted `field=value`, a sorted
/// set as members and scores, a list as its elements.
pub type Shown = Vec<String>;

/// Reads the projection.
pub struct RedisAudit {
    keys: Keys,
    link: Link,
}

impl RedisAudit {
    /// Connects; an address that cannot be used or a server that does not answer is an error.
    pub async fn connect(url: &str) -> Result<RedisAudit, RedisError> {
        let link = Link::new(url, ANSWER_WITHIN).map_err(RedisError::url)?;
        link.send::<Value>(&cmd("PING")).await.map_err(RedisError::unreachable)?;
        Ok(RedisAudit { keys: Keys::new(), link })
    }

    /// What the projection says of itself.
    pub async fn state(&self) -> Result<ProjectionState, ProjectionError> {
        self.link.send(&self.position()).await.map(state_of).map_err(failed)
    }

    /// Every key of the projection but its position.
    pub async fn keys(&self) -> Result<Vec<String>, ProjectionError> {
        let mut all = Vec::new();
        for pattern in self.keys.projected() {
            let mut cursor = String::from("0");
            loop {
                let mut scan = cmd("SCAN");
                scan.arg(&cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(SCAN_COUNT);
                let (next, found): (String, Vec<String>) = self.link.send(&scan).await.map_err(failed)?;
                all.extend(found);
                if next == "0" {
                    break;
                }
                cursor = next;
            }
        }
        // SCAN may give a key twice.
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    /// The values of these keys and the row that they belong to, in one transaction; an absent key has no value.
    pub async fn read(&self, keys: &[String]) -> Result<(ProjectionState, Vec<Shown>), ProjectionError> {
        let mut read = redis::pipe();
        read.atomic().add_command(self.position());
        for key in keys {
            read.add_command(self.read_one(key));
        }
        let mut answers = self.link.send_all::<Vec<Value>>(&read).await.map_err(failed)?.into_iter();
        let position = redis::from_redis_value(answers.next().unwrap_or(Value::Nil)).map_err(failed)?;
        let values = keys.iter().zip(answers).map(|(key, answer)| self.shown(key, answer)).collect::<Result<_, _>>()?;
        Ok((state_of(position), values))
    }

    fn position(&self) -> Cmd {
        let mut get = cmd("HMGET");
        get.arg(self.keys.projection()).arg(&POSITION_FIELDS);
        get
    }

    fn read_one(&self, key: &str) -> Cmd {
        match self.kind(key) {
            Kind::Text => cmd("MGET").arg(key).to_owned(),
            Kind::Hash => cmd("HGETALL").arg(key).to_owned(),
            Kind::SortedSet => cmd("ZRANGE").arg(key).arg(0).arg(-1).arg("WITHSCORES").to_owned(),
            Kind::List => cmd("LRANGE").arg(key).arg(0).arg(-1).to_owned(),
        }
    }

    fn shown(&self, key: &str, answer: Value) -> Result<Shown, ProjectionError> {
        let mut texts = Shown::new();
        flatten(answer, &mut texts)?;
        Ok(match self.kind(key) {
            Kind::Hash => sorted(texts.chunks_exact(2).map(|field| format!("{}={}", field[0], field[1]))),
            Kind::Text | Kind::SortedSet | Kind::List => texts,
        })
    }

    /// What a key of the projection is, by its name.
    fn kind(&self, key: &str) -> Kind {
        let [_, books, trades] = self.keys.projected().map(|pattern| pattern.trim_end_matches('*').to_owned());
        match key {
            key if key == self.keys.order_id() => Kind::Text,
            key if key.starts_with(&books) => Kind::SortedSet,
            key if key.starts_with(&trades) => Kind::List,
            _ => Kind::Hash,
        }
    }

    /// The key of an order.
    pub fn order_key(&self, order_id: OrderId) -> String {
        self.keys.order(order_id)
    }

    /// What an order's key must show.
    pub fn order(order: &OrderRecord) -> Shown {
        sorted(DebugOrder::from(order).fields().into_iter().map(|(name, value)| format!("{name}={value}")))
    }

    /// What all other keys must show: books, trades and the greatest order id. Keys that must be absent are not in it.
    pub fn markets(&self, ledger: &Ledger) -> Result<BTreeMap<String, Shown>, ProjectionError> {
        let mut books: BTreeMap<(Symbol, Side), Vec<&OrderRecord>> = BTreeMap::new();
        for order in ledger.orders().filter(|order| order.place().is_some()) {
            books.entry((order.symbol, order.side)).or_default().push(order);
        }
        let mut shown = BTreeMap::new();
        for ((symbol, side), mut orders) in books {
            orders.sort_by_key(|order| {
                let price = order.price_units().unwrap_or_default();
                (if side == Side::Buy { u64::MAX - price } else { price }, order.priority)
            });
            let members = orders.iter().filter_map(|order| {
                let score = keys::score(side, order.price_units()?);
                Some([keys::member(order.priority?, order.order_id), score])
            });
            shown.insert(self.keys.book(symbol, side), members.flatten().collect());
        }
        let mut trades: BTreeMap<Symbol, Vec<&TradeRecord>> = BTreeMap::new();
        for trade in ledger.trades() {
            trades.entry(trade.symbol).or_default().push(trade);
        }
        for (symbol, trades) in trades {
            let list = trades.into_iter().map(|trade| DebugTrade::from(trade).to_string()).collect();
            shown.insert(self.keys.trades(symbol), list);
        }
        if let Some(order_id) = ledger.greatest_order_id() {
            shown.insert(self.keys.order_id(), vec![order_id.to_string()]);
        }
        Ok(shown)
    }
}

enum Kind {
    Text,
    Hash,
    SortedSet,
    List,
}

/// The texts of an answer, whether it is nested as RESP3 has it or flat.
fn flatten(answer: Value, texts: &mut Shown) -> Result<(), ProjectionError> {
    match answer {
        Value::Nil => {}
        Value::Array(items) => items.into_iter().try_for_each(|item| flatten(item, texts))?,
        Value::Map(pairs) => {
            pairs.into_iter().flat_map(<[Value; 2]>::from).try_for_each(|item| flatten(item, texts))?
        }
        // A score is a whole number below 2^53.
        Value::Double(score) => texts.push(format!("{score:.0}")),
        text => texts.push(redis::from_redis_value(text).map_err(failed)?),
    }
    Ok(())
}

fn sorted(texts: impl Iterator<Item = String>) -> Shown {
    let mut texts: Shown = texts.collect();
    texts.sort_unstable();
    texts
}
