//! A projection's write as words for the script.
//!
//! What goes to one book or one list of trades is collected into one command: Redis takes a hundred members at once in
//! little more time than one. An order is written whole, as the image of its hash.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::Write;

use matching::ledger::{OrderRecord, Place, TradeRecord};
use matching::{OrderId, Side, Symbol};

use super::hash_image::HashImage;
use super::keys::{self, Keys};
use crate::views::{DebugOrder, DebugTrade};

/// Words of one command: the script can unpack some 8,000.
const WORDS_PER_COMMAND: usize = 1_000;

/// MessagePack's marks of a text and of an array, each before 32 bits of length.
const TEXT: u8 = 0xdb;
const ARRAY: u8 = 0xdd;

/// Words one after the other, as MessagePack has them: the script takes one argument apart in less time than Redis takes
/// in an argument for each word.
#[derive(Default)]
pub(super) struct Words {
    texts: Vec<u8>,
    count: usize,
}

impl Words {
    fn push(&mut self, word: impl Display) {
        self.word(|texts| {
            // Writing to memory cannot fail.
            let _ = write!(texts, "{word}");
        });
    }

    /// Adds the word that `write` writes at the end.
    fn word(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.texts.push(TEXT);
        let length_at = self.texts.len();
        self.texts.extend([0; 4]);
        let begin = self.texts.len();
        write(&mut self.texts);
        let length = length(self.texts.len() - begin);
        self.texts[length_at..begin].copy_from_slice(&length);
        self.count += 1;
    }

    fn append(&mut self, words: &Words) {
        self.texts.extend_from_slice(&words.texts);
        self.count += words.count;
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// A command of its own.
    pub(super) fn command(&mut self, words: &[&str]) {
        self.push(words.len());
        words.iter().for_each(|word| self.push(word));
    }

    /// The commands, one line each, for people.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut texts = self.texts();
        let mut lines = Vec::new();
        while let Some(count) = texts.next() {
            let count = count.parse().unwrap_or_default();
            lines.push(texts.by_ref().take(count).collect::<Vec<_>>().join(" "));
        }
        lines
    }

    /// The words as they were pushed.
    fn texts(&self) -> impl Iterator<Item = String> {
        let mut rest = self.texts.as_slice();
        std::iter::from_fn(move || {
            let (length, behind) = rest.get(1..)?.split_first_chunk::<4>()?;
            let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
            let (text, behind) = behind.split_at_checked(length)?;
            rest = behind;
            Some(String::from_utf8_lossy(text).into_owned())
        })
    }

    /// All of them as the script takes them.
    pub(super) fn packed(&self) -> Vec<u8> {
        let mut packed = Vec::with_capacity(self.texts.len() + 5);
        packed.push(ARRAY);
        packed.extend(length(self.count));
        packed.extend_from_slice(&self.texts);
        packed
    }
}

/// # Panics
/// If it is over 4 GB: a write is some megabytes at most.
fn length(length: usize) -> [u8; 4] {
    match u32::try_from(length) {
        Ok(length) => length.to_be_bytes(),
        Err(_) => panic!("{length} bytes or words in one write"),
    }
}

/// A write as the script takes it.
#[derive(Default)]
pub(super) struct Writes {
    /// Of each order its key and the image of its hash.
    pub(super) orders: Words,
    /// Of each command how many words it has, and the words.
    pub(super) commands: Words,
}

/// What is collected into one command, in the order in which they are done.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    /// The side of a book, which orders leave: before others come, or the same ones to other places.
    OutOf(Symbol, Side),
    /// The side of a book, into which orders come.
    Into(Symbol, Side),
    /// The trades of a market.
    Trades(Symbol),
}

/// A write that is being put together.
pub(super) struct Writing<'a> {
    keys: &'a Keys,
    orders: Words,
    commands: Words,
    /// For each target the words of its commands, none of them too long.
    collected: BTreeMap<Target, Vec<Words>>,
}

impl Writing<'_> {
    pub(super) fn new(keys: &Keys) -> Writing<'_> {
        Writing { keys, orders: Words::default(), commands: Words::default(), collected: BTreeMap::new() }
    }

    /// How many words there are, about.
    pub(super) fn len(&self) -> usize {
        self.commands.len() + self.orders.len() + self.collected.values().flatten().map(Words::len).sum::<usize>()
    }

    /// An order's hash, whatever is there, and its place in the book, if it has one.
    pub(super) fn order(&mut self, order: &OrderRecord) {
        self.orders.push(self.keys.order(order.order_id));
        let mut hash = HashImage::default();
        DebugOrder::from(order).each_field(&mut |name, value| hash.field(name, value));
        let image = hash.finish();
        self.orders.word(|texts| texts.extend(image));
        if let (Some(place), Some(price)) = (order.place(), order.price_units()) {
            let members = self.collect(Target::Into(place.symbol, place.side));
            members.push(keys::score(place.side, price));
            members.push(keys::member(place.priority, place.order_id));
        }
    }

    /// Empties a place that an order left, if it was filled before this run.
    pub(super) fn leave_book(&mut self, place: &Place) {
        self.collect(Target::OutOf(place.symbol, place.side)).push(keys::member(place.priority, place.order_id));
    }

    pub(super) fn drop_order(&mut self, order: &OrderRecord) {
        self.commands.command(&["DEL", &self.keys.order(order.order_id)]);
    }

    pub(super) fn trade(&mut self, trade: &TradeRecord) {
        self.collect(Target::Trades(trade.symbol)).push(DebugTrade::from(trade));
    }

    /// Where the next word for a target goes.
    fn collect(&mut self, target: Target) -> &mut Words {
        let commands = self.collected.entry(target).or_default();
        if commands.last().is_none_or(|last| last.len() >= WORDS_PER_COMMAND) {
            commands.push(Words::default());
        }
        let last = commands.len() - 1;
        &mut commands[last]
    }

    pub(super) fn greatest_order_id(&mut self, order_id: Option<OrderId>) {
        if let Some(order_id) = order_id {
            self.commands.command(&["SET", &self.keys.order_id(), &order_id.to_string()]);
        }
    }

    /// All words; trades that go come last, since a trade of this very run may be among them. They go in about the order
    /// they came, so the search from the head is short.
    pub(super) fn finish(mut self, dropped_trades: &[TradeRecord]) -> Writes {
        for (target, commands) in &self.collected {
            let (command, key) = match target {
                Target::Into(symbol, side) => ("ZADD", self.keys.book(*symbol, *side)),
                Target::OutOf(symbol, side) => ("ZREM", self.keys.book(*symbol, *side)),
                Target::Trades(symbol) => ("RPUSH", self.keys.trades(*symbol)),
            };
            for members in commands {
                self.commands.push(2 + members.len());
                self.commands.push(command);
                self.commands.push(&key);
                self.commands.append(members);
            }
        }
        for trade in dropped_trades {
            let key = self.keys.trades(trade.symbol);
            self.commands.command(&["LREM", &key, "1", &DebugTrade::from(trade).to_string()]);
        }
        Writes { orders: self.orders, commands: self.commands }
    }
}
