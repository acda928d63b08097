//! A projection's write as words for the script.
//!
//! What goes to one book or one list of trades is collected into one command: Redis takes a hundred members at once in
//! little more time than one. Hashes of the same fields are collected, too, so that their names are sent once.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use matching::ledger::{OrderRecord, TradeRecord};
use matching::{OrderId, Side, Symbol};
use redis::Cmd;

use super::keys::{self, Keys};
use crate::views::{DebugOrder, DebugTrade};

/// Words of one command: the script can unpack some 8,000.
const WORDS_PER_COMMAND: usize = 1_000;

/// Words without end, in one piece of memory.
#[derive(Default)]
pub(super) struct Words {
    text: String,
    ends: Vec<usize>,
}

impl Words {
    fn push(&mut self, word: impl Display) {
        // Writing to a string cannot fail.
        let _ = fmt::Write::write_fmt(&mut self.text, format_args!("{word}"));
        self.ends.push(self.text.len());
    }

    fn str(&mut self, word: &str) {
        self.text.push_str(word);
        self.ends.push(self.text.len());
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, end)| &self.text[begin..*end])
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// How many bytes they are.
    pub(super) fn bytes(&self) -> usize {
        self.text.len()
    }

    /// A command of its own.
    pub(super) fn command(&mut self, words: &[&str]) {
        self.push(words.len());
        words.iter().for_each(|word| self.str(word));
    }

    /// Adds the words to a call of the script.
    pub(super) fn append_to(&self, call: &mut Cmd) {
        for word in self.iter() {
            call.arg(word);
        }
    }
}

/// What is collected into one command.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    /// The side of a book, into which orders come.
    Into(Symbol, Side),
    /// The side of a book, which orders leave.
    OutOf(Symbol, Side),
    /// The trades of a market.
    Trades(Symbol),
}

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
    collected: BTreeMap<Target, Words>,
}

impl Writing<'_> {
    pub(super) fn new(keys: &Keys) -> Writing<'_> {
        Writing { keys, words: Words::default(), hashes: BTreeMap::new(), collected: BTreeMap::new() }
    }

    /// How many words there are, about.
    pub(super) fn len(&self) -> usize {
        let hashes: usize = self.hashes.values().map(|hashes| hashes.words.len()).sum();
        self.words.len() + hashes + self.collected.values().map(Words::len).sum::<usize>()
    }

    /// The whole hash of an order. No field ever goes away again, so those that are there need not be deleted first.
    pub(super) fn order(&mut self, order: &OrderRecord) {
        self.hash(order, DebugOrder::each_field);
    }

    /// What trades change of the hash of an order that is there.
    pub(super) fn traded(&mut self, order: &OrderRecord) {
        self.hash(order, DebugOrder::each_traded_field);
    }

    fn hash(&mut self, order: &OrderRecord, fields: fn(&DebugOrder, &mut dyn FnMut(&'static str, &dyn Display))) {
        let shown = DebugOrder::from(order);
        let mut names = Vec::with_capacity(20);
        fields(&shown, &mut |name, _| names.push(name));
        let hashes = self.hashes.entry(names).or_default();
        hashes.count += 1;
        hashes.words.push(self.keys.order(order.order_id));
        fields(&shown, &mut |_, value| hashes.words.push(value));
    }

    /// Puts an open order into its side of the book.
    pub(super) fn enter_book(&mut self, order: &OrderRecord) {
        if let Some(priority) = order.priority {
            let members = self.collected.entry(Target::Into(order.symbol, order.side)).or_default();
            members.push(keys::score(order.side, order.price_units()));
            members.push(keys::member(priority, order.order_id));
        }
    }

    /// Takes an order out of its side of the book, if it is there.
    pub(super) fn leave_book(&mut self, order: &OrderRecord) {
        if let Some(priority) = order.priority {
            let members = self.collected.entry(Target::OutOf(order.symbol, order.side)).or_default();
            members.push(keys::member(priority, order.order_id));
        }
    }

    /// An order goes with its place in the book, which it still has if it closed and was dropped in one run.
    pub(super) fn drop_order(&mut self, order: &OrderRecord) {
        self.leave_book(order);
        self.words.command(&["DEL", &self.keys.order(order.order_id)]);
    }

    pub(super) fn trade(&mut self, trade: &TradeRecord) {
        self.collected.entry(Target::Trades(trade.symbol)).or_default().push(DebugTrade::from(trade));
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
            self.words.str("hashes");
            self.words.push(hashes.count);
            self.words.push(names.len());
            names.iter().for_each(|name| self.words.str(name));
            hashes.words.iter().for_each(|word| self.words.str(word));
        }
        for (target, collected) in &self.collected {
            let (command, key) = match target {
                Target::Into(symbol, side) => ("ZADD", self.keys.book(*symbol, *side)),
                Target::OutOf(symbol, side) => ("ZREM", self.keys.book(*symbol, *side)),
                Target::Trades(symbol) => ("RPUSH", self.keys.trades(*symbol)),
            };
            let mut words = collected.iter();
            let mut left = collected.len();
            while left > 0 {
                let count = left.min(WORDS_PER_COMMAND);
                self.words.push(2 + count);
                self.words.str(command);
                self.words.str(&key);
                words.by_ref().take(count).for_each(|word| self.words.str(word));
                left -= count;
            }
        }
        for trade in dropped_trades {
            let key = self.keys.trades(trade.symbol);
            self.words.command(&["LREM", &key, "1", &DebugTrade::from(trade).to_string()]);
        }
        self.words
    }
}
