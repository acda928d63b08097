//! Numbers in short, and a generator of them.

use matching::units::ID_LIMIT;
use matching::{CommandId, OrderId, Price, Quantity, Symbol};

pub fn symbol(text: &str) -> Symbol {
    text.parse().expect("a symbol")
}

pub fn order_id(id: u64) -> OrderId {
    OrderId::new(id).expect("an id")
}

/// Ids of other commands count down from the top, out of the way of orders.
pub fn command_id(number: u64) -> CommandId {
    CommandId::new(ID_LIMIT - 1 - number).expect("an id")
}

pub fn price(units: u64) -> Price {
    Price::new(units).expect("a price")
}

pub fn quantity(units: u64) -> Quantity {
    Quantity::new(units).expect("a quantity")
}

/// A generator whose numbers depend on its seed alone.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        // xorshift64*: small, and good in its upper bits.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }
}
