//! The stream of commands. An order's id is the place of its command in the stream, so that each engine can name it.

use crate::engines::{Core, Engine};

/// What a book is asked.
#[derive(Debug, Clone, Copy)]
pub enum Command {
    /// Place a limit order that stays.
    Add { buys: bool, price: u64, quantity: u64 },
    /// Cancel what is left of the order that this command of the stream placed.
    Cancel { index: usize },
}

const MIDDLE: u64 = 100_000;

/// A generator whose numbers depend on its seed alone.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }

    /// How far from the middle an order rests: near it more often than far.
    fn distance(&mut self) -> u64 {
        let most = 1 + self.below(100);
        1 + self.below(most)
    }
}

/// So many commands behind those that fill the book, and how many these are.
pub fn stream(resting: usize, count: usize) -> (Vec<Command>, usize) {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut core = Core::<false>::new();
    let mut commands = Vec::with_capacity(resting + count);
    // Places of orders that may be open, and where in the list each is.
    let mut open: Vec<usize> = Vec::new();
    while commands.len() < resting + count {
        let (full, kind) = (commands.len() >= resting, random.below(100));
        let command = match kind {
            0..40 if full && !open.is_empty() => {
                let index = open.swap_remove(random.below(open.len() as u64) as usize);
                if !core.is_open(index) {
                    continue;
                }
                Command::Cancel { index }
            }
            40..50 if full => {
                let buys = random.below(2) == 0;
                let price = if buys { MIDDLE + 20 } else { MIDDLE - 20 };
                Command::Add { buys, price, quantity: 1 + random.below(100) }
            }
            0..50 if full => continue,
            _ => {
                let (buys, distance) = (random.below(2) == 0, random.distance());
                let price = if buys { MIDDLE - distance } else { MIDDLE + distance };
                Command::Add { buys, price, quantity: 1 + random.below(100) }
            }
        };
        core.apply(commands.len(), &command);
        if core.is_open(commands.len()) {
            open.push(commands.len());
        }
        commands.push(command);
    }
    (commands, resting)
}
