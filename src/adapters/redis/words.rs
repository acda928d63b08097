//! A projection's write as words for the script.
//!
//! What goes to one book or one list of trades is collected into one command: Redis takes a hundred members at once in
//! little more time than one. Hashes of the same fields are collected, too, so that their names are sent once.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::Write;

use matching::ledger::{OrderRecord, Place, TradeRecord};
use matching::{OrderId, Side, Symbol};

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
        self.texts.push(TEXT);
        let length_at = self.texts.len();
        self.texts.extend([0; 4]);
        let begin = self.texts.len();
        // Writing to memory cannot fail.
        let _ = write!(self.texts, "{word}");
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
        while let Some(word) = texts.next() {
            let mut count = || texts.next().and_then(|count| count.parse::<usize>().ok()).unwrap_or_default();
            if word != "hashes" {
                let count = word.parse().unwrap_or_default();
                lines.push(texts.by_ref().take(count).collect::<Vec<_>>().join(" "));
                continue;
            }
            let (hashes, names) = (count(), count());
            let names: Vec<String> = texts.by_ref().take(names).collect();
            for _ in 0..hashes {
                let key = texts.next().unwrap_or_default();
                let fields = names.iter().zip(texts.by_ref()).map(|(name, value)| format!(" {name} {value}"));
                lines.push(format!("HSET {key}{}", fields.collect::<String>()));
            }
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

/// Tells the fields of an order that are written, one after the other.
type Fields = fn(&DebugOrder, &mut dyn FnMut(&'static str, &dyn Display));

/// Hashes of the same fields.
#[derive(Default)]
struct Hashes {
    count: usize,
    /// Of each its key and values.
    words: Words,
}

/// A write that is being put together.
pub(super) struct Writing<'a> {
    keys: &'a Keys,
    words: Words,
    hashes: BTreeMap<Vec<&'static str>, Hashes>,
    /// For each target the words of its commands, none of them too long.
    collected: BTreeMap<Target, Vec<Words>>,
}

impl Writing<'_> {
    pub(super) fn new(keys: &Keys) -> Writing<'_> {
        Writing { keys, words: Words::default(), hashes: BTreeMap::new(), collected: BTreeMap::new() }
    }

    /// How many words there are, about.
    pub(super) fn len(&self) -> usize {
        let hashes: usize = self.hashes.values().map(|hashes| hashes.words.len()).sum();
        self.words.len() + hashes + self.collected.values().flatten().map(Words::len).sum::<usize>()
    }

    /// The whole hash of an order. No field ever goes away again, so those that are there need not be deleted first.
    pub(super) fn order(&mut self, order: &OrderRecord) {
        self.hash(order, DebugOrder::each_field);
    }

    /// What trades change of the hash of an order that is there.
    pub(super) fn traded(&mut self, order: &OrderRecord) {
        self.hash(order, DebugOrder::each_traded_field);
    }

    fn hash(&mut self, order: &OrderRecord, fields: Fields) {
        let shown = DebugOrder::from(order);
        let mut names = Vec::with_capacity(20);
        fields(&shown, &mut |name, _| names.push(name));
        let hashes = self.hashes.entry(names).or_default();
        hashes.count += 1;
        hashes.words.push(self.keys.order(order.order_id));
        fields(&shown, &mut |_, value| hashes.words.push(value));
    }

    /// Puts an order into its place in the book, if it has one.
    pub(super) fn enter_book(&mut self, order: &OrderRecord) {
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
        self.words.command(&["DEL", &self.keys.order(order.order_id)]);
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
            self.words.command(&["SET", &self.keys.order_id(), &order_id.to_string()]);
        }
    }

    /// All words; trades that go come last, since a trade of this very run may be among them. They go in about the order
    /// they came, so the search from the head is short.
    pub(super) fn finish(mut self, dropped_trades: &[TradeRecord]) -> Words {
        for (names, hashes) in &self.hashes {
            self.words.push("hashes");
            self.words.push(hashes.count);
            self.words.push(names.len());
            names.iter().for_each(|name| self.words.push(name));
            self.words.append(&hashes.words);
        }
        for (target, commands) in &self.collected {
            let (command, key) = match target {
                Target::Into(symbol, side) => ("ZADD", self.keys.book(*symbol, *side)),
                Target::OutOf(symbol, side) => ("ZREM", self.keys.book(*symbol, *side)),
                Target::Trades(symbol) => ("RPUSH", self.keys.trades(*symbol)),
            };
            for members in commands {
                self.words.push(2 + members.len());
                self.words.push(command);
                self.words.push(&key);
                self.words.append(members);
            }
        }
        for trade in dropped_trades {
            let key = self.keys.trades(trade.symbol);
            self.words.command(&["LREM", &key, "1", &DebugTrade::from(trade).to_string()]);
        }
        self.words
    }
}
