//! The names of all keys in Redis. They carry no prefix for partition 0; any other partition's begin with `{pN}:`, so
//! that all of its keys share a slot of Redis Cluster.

use matching::{OrderId, Seq, Side, Symbol, SymbolSeq};

/// The keys of one partition.
#[derive(Debug, Clone)]
pub struct Keys {
    prefix: String,
}

impl Keys {
    /// The keys of partition 0, the only one today.
    pub fn new() -> Keys {
        Keys::of_partition(0)
    }

    fn of_partition(partition: u8) -> Keys {
        let prefix = if partition == 0 { String::new() } else { format!("{{p{partition}}}:") };
        Keys { prefix }
    }

    /// The stream of commands.
    pub fn queue(&self) -> String {
        format!("{}matching:queue", self.prefix)
    }

    /// The position of the projection: a hash.
    pub fn projection(&self) -> String {
        format!("{}projection:seq", self.prefix)
    }

    /// The greatest order id.
    pub fn order_id(&self) -> String {
        format!("{}order:id:seq", self.prefix)
    }

    /// An order: a hash.
    pub fn order(&self, order_id: OrderId) -> String {
        format!("{}order:{order_id}", self.prefix)
    }

    /// One side of a book: a sorted set.
    pub fn book(&self, symbol: Symbol, side: Side) -> String {
        let side = match side {
            Side::Buy => "bids",
            Side::Sell => "asks",
        };
        format!("{}book:{symbol}:{side}", self.prefix)
    }

    /// The trades of a market: a list.
    pub fn trades(&self, symbol: Symbol) -> String {
        format!("{}trades:{symbol}", self.prefix)
    }

    /// Patterns that together match every key of the projection but its position, and none of the queue.
    pub fn projected(&self) -> [String; 3] {
        ["order:*", "book:*", "trades:*"].map(|pattern| format!("{}{pattern}", self.prefix))
    }
}

impl Default for Keys {
    fn default() -> Keys {
        Keys::new()
    }
}

/// The score of an order in its side of the book: the lowest is the best.
pub fn score(side: Side, price_units: u64) -> String {
    match side {
        Side::Buy => format!("-{price_units}"),
        Side::Sell => price_units.to_string(),
    }
}

/// The member of an order in its side of the book. Redis sorts members of equal score as text, so the priority has
/// all of its 20 digits.
pub fn member(priority: SymbolSeq, order_id: OrderId) -> String {
    format!("{:020}:{order_id}", priority.get())
}

/// What the projection's position says while everything is being replaced.
pub fn rebuilding(epoch: journal::Epoch) -> String {
    format!("rebuilding:{epoch}")
}

/// A position as the projection's `seq` field has it.
pub fn position(seq: Seq) -> String {
    seq.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partition_0_has_the_plain_names_and_any_other_shares_a_slot() {
        let symbol: Symbol = "BTC_USDT".parse().expect("a symbol");
        let order = OrderId::new(7).expect("an id");
        assert_eq!(Keys::new().order(order), "order:7");
        assert_eq!(Keys::new().book(symbol, Side::Buy), "book:BTC_USDT:bids");
        assert_eq!(Keys::of_partition(3).book(symbol, Side::Sell), "{p3}:book:BTC_USDT:asks");
        assert_eq!(Keys::of_partition(3).queue(), "{p3}:matching:queue");
    }

    #[test]
    fn the_older_order_sorts_first_as_text() {
        let at = |priority| member(SymbolSeq::new(priority).expect("a number"), OrderId::new(1).expect("an id"));
        assert!(at(9) < at(10));
        assert_eq!(at(10), "00000000000000000010:1");
    }
}
