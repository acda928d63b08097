//! Stories: what is asked on the left, what comes of it on the right, in the text form that `docs/orders.md` explains. Each
//! is told to the whole engine, to the naive book beside it, and once more as events that are only folded.

use std::collections::BTreeMap;

use matching::book::BookEvent;
use matching::command::{
    AdvanceTime, AmendOrder, BlockAccount, CancelByKey, CancelOrder, ListInstrument, MassCancel, NewOrder,
    SetCancelAfter, SetPhase, UnblockAccount, UpdateInstrument,
};
use matching::naive::NaiveBook;
use matching::{
    Book, Changes, Command, Engine, Event, Instrument, InstrumentSpec, Micros, Order, OrderId, OrderType, Phase,
    PhaseStep, Router, SelfTradePrevention, Seq, Sequenced, Side, Symbol, TimeInForce,
};

use crate::support::{command_id, order_id, symbol};

/// The market of all stories.
const MARKET: &str = "BTC_USDT";

/// What a story differs in from what it says; none if it is true. Answers it as it should be told.
pub fn retold(story: &str) -> String {
    let mut teller = Teller::new();
    let mut told = String::new();
    for line in story.lines() {
        let plain = line.split('#').next().unwrap_or_default().trim();
        let comment = line.find('#').map_or("", |at| &line[at..]);
        let command = plain.split("->").next().unwrap_or_default().trim();
        let mut answer = match command.split_whitespace().next() {
            None => String::new(),
            Some("book") => format!("book -> {}", teller.picture()),
            Some("order") => {
                let id = command.split_whitespace().nth(1).expect("an order's id");
                format!("{command} -> {}", teller.state(number(id)))
            }
            Some(_) => match teller.apply(command).join(", ") {
                outcome if outcome.is_empty() => command.to_owned(),
                outcome => format!("{command} -> {outcome}"),
            },
        };
        if !comment.is_empty() {
            answer = format!("{answer}  {comment}").trim_start().to_owned();
        }
        told.push_str(answer.trim_end());
        told.push('\n');
    }
    told
}

/// One story on all engines at once.
struct Teller {
    engine: Engine,
    folded: Engine,
    router: Router,
    naive: NaiveBook,
    instrument: Instrument,
    seq: Seq,
    time: u64,
    /// Other commands' ids.
    commands: u64,
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}

fn market() -> Symbol {
    symbol(MARKET)
}

fn micros(time: u64) -> Micros {
    Micros::new(time).expect("a time")
}

impl Teller {
    fn new() -> Teller {
        let mut spec =
            InstrumentSpec { price_decimals: 0, quantity_decimals: 0, ..Instrument::finest(market()).into() };
        (spec.tick, spec.lot) = ("1".parse().expect("a tick"), "1".parse().expect("a lot"));
        let instrument = Instrument::try_from(spec).expect("an instrument");
        let mut teller = Teller {
            engine: Engine::new(1_000),
            folded: Engine::new(1_000),
            router: Router::new(),
            naive: NaiveBook::new(instrument),
            instrument,
            seq: Seq::ZERO,
            time: 0,
            commands: 0,
        };
        teller.run(Command::ListInstrument(ListInstrument { command_id: None, instrument }));
        teller
    }

    fn run(&mut self, value: Command) -> Vec<Event> {
        self.seq = self.seq.next();
        let command = Sequenced { seq: self.seq, time: micros(self.time), value };
        let mut events = Vec::new();
        self.engine.apply(&command, &mut events);
        self.folded.fold(command.seq, command.time, &events, &mut Changes::default());
        assert_eq!(self.folded.state_hash(), self.engine.state_hash(), "folding {events:#?}");
        self.compare(&command, &events);
        events
    }

    /// The naive book says the same, and stands as the fast one does.
    fn compare(&mut self, command: &Sequenced<Command>, events: &[Event]) {
        let (mut expected, mut routed, mut said) = (Vec::new(), Vec::new(), Vec::new());
        self.router.route(command, &mut expected, &mut routed);
        for (symbol, book_command) in routed {
            self.naive.apply(command.seq, book_command, &mut said);
            expected.extend(said.drain(..).map(|event: BookEvent| self.router.publish(command.seq, symbol, event)));
        }
        assert_eq!(events, expected, "the naive book says otherwise");
        let book: &Book = self.engine.book(market()).expect("a book");
        assert_eq!(book.hash(), self.naive.hash(), "the naive book stands otherwise");
    }

    fn apply(&mut self, line: &str) -> Vec<String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        self.commands += 1;
        let (command_id, received_at) = (command_id(self.commands), Micros::ZERO);
        let after = |word: &str| words.iter().position(|other| *other == word).map(|at| words[at + 1]);
        let account = || after("by").map(|name| name.parse().expect("an account"));
        let side = words.iter().find_map(|word| side_of(word));
        let reason_text = after("saying").map(str::to_owned);
        let command = match (words[0], words.get(1).copied()) {
            ("cancel", Some("all")) => Command::MassCancel(MassCancel {
                command_id,
                account: account(),
                symbol: Some(market()),
                side,
                received_at,
            }),
            ("cancel", Some("everywhere")) => {
                Command::MassCancel(MassCancel { command_id, account: account(), symbol: None, side, received_at })
            }
            ("cancel", Some("key")) => Command::CancelByKey(CancelByKey {
                command_id,
                symbol: market(),
                account: account(),
                client_order_id: words[2].parse().expect("a name"),
                reason_text,
                received_at,
            }),
            ("cancel", Some(id)) => Command::CancelOrder(CancelOrder {
                command_id,
                order_id: order_id(number(id)),
                reason_text,
                received_at,
            }),
            ("amend", Some(id)) => Command::AmendOrder(AmendOrder {
                command_id,
                order_id: order_id(number(id)),
                price: after("@").map(|price| price.parse().expect("a price")),
                quantity: after("to").map(|quantity| quantity.parse().expect("a quantity")),
                if_seq: after("if").map(|seq| Seq::new(number(seq)).expect("a row")),
                received_at,
            }),
            ("cancel-after", Some(name)) => {
                let (account, timeout) = (name.parse().expect("an account"), number(words[2]));
                Command::SetCancelAfter(SetCancelAfter { command_id, account, timeout, received_at })
            }
            ("block", Some(name)) => {
                Command::BlockAccount(BlockAccount { command_id, account: name.parse().expect("a name"), received_at })
            }
            ("unblock", Some(name)) => {
                let account = name.parse().expect("a name");
                Command::UnblockAccount(UnblockAccount { command_id, account, received_at })
            }
            ("phase", Some(phase)) => {
                let then = words[2..].chunks(4).filter(|step| step.len() == 4).map(step_of).collect();
                Command::SetPhase(SetPhase {
                    command_id: Some(command_id),
                    symbol: market(),
                    phase: phase_of(phase),
                    then,
                })
            }
            ("rules", _) => {
                self.instrument = self.rules(&words[1..]);
                Command::UpdateInstrument(UpdateInstrument { command_id, instrument: self.instrument })
            }
            ("time", Some(time)) => {
                self.time = number(time);
                Command::AdvanceTime(AdvanceTime {})
            }
            (id, Some("buy" | "sell")) => self.order(number(id), &words),
            _ => panic!("{line:?} is no command"),
        };
        self.run(command).iter().filter_map(tell).collect()
    }

    fn order(&self, id: u64, words: &[&str]) -> Command {
        let after = |word: &str| words.iter().position(|other| *other == word).map(|at| words[at + 1]);
        let decimal = |word: &str| after(word).map(|text| text.parse().unwrap_or_else(|_| panic!("{text:?}")));
        let has = |word: &str| words.contains(&word);
        let limited = has("@");
        let order_type = match (has("market"), has("stop"), has("take"), has("trail")) {
            (true, ..) => OrderType::Market,
            (_, true, ..) if limited => OrderType::StopLimit,
            (_, true, ..) => OrderType::Stop,
            (_, _, true, _) if limited => OrderType::TakeProfitLimit,
            (_, _, true, _) => OrderType::TakeProfit,
            (.., true) => OrderType::TrailingStop,
            _ => OrderType::Limit,
        };
        let side = side_of(words[1]).expect("a side");
        let order = Order {
            price: decimal("@"),
            quantity: if has("for") { None } else { Some(words[2].parse().expect("a quantity")) },
            quote_quantity: decimal("for"),
            time_in_force: [
                ("ioc", TimeInForce::Ioc),
                ("fok", TimeInForce::Fok),
                ("gtd", TimeInForce::Gtd),
                ("day", TimeInForce::Day),
            ]
            .into_iter()
            .find(|(word, _)| has(word))
            .map_or(TimeInForce::Gtc, |(_, time_in_force)| time_in_force),
            expire_at: after("gtd").map(|time| micros(number(time))),
            post_only: has("post"),
            stop_price: decimal("stop").or(decimal("take")),
            trailing_delta: decimal("trail"),
            display_quantity: decimal("show"),
            min_quantity: decimal("min"),
            self_trade_prevention: match after("stp") {
                None => SelfTradePrevention::None,
                Some("taker") => SelfTradePrevention::ExpireTaker,
                Some("maker") => SelfTradePrevention::ExpireMaker,
                Some("both") => SelfTradePrevention::ExpireBoth,
                Some("decrement") => SelfTradePrevention::Decrement,
                Some(other) => panic!("{other:?} prevents nothing"),
            },
            linked_order_id: after("with").map(|id| order_id(number(id))),
            account: after("by").map(|name| name.parse().expect("an account")),
            client_order_id: after("key").map(|name| name.parse().expect("a name")),
            metadata: after("noting").map(|text| text.to_owned().try_into().expect("short words")),
            ..Order::bare(order_id(id), market(), side, order_type, Micros::ZERO)
        };
        let deadline = after("until").map(|time| micros(number(time)));
        Command::NewOrder(NewOrder { order, deadline, stale: has("late") })
    }

    fn rules(&self, words: &[&str]) -> Instrument {
        let mut spec = InstrumentSpec::from(self.instrument);
        for word in words {
            let (name, value) = word.split_once('=').unwrap_or_else(|| panic!("{word:?} is no rule"));
            let decimal = || value.parse().expect("a number");
            let some = || (value != "none").then(decimal);
            let count = (value != "none").then(|| value.parse().expect("a number"));
            match name {
                "tick" => spec.tick = decimal(),
                "lot" => spec.lot = decimal(),
                "min" => spec.min_quantity = some(),
                "max" => spec.max_quantity = some(),
                "min-notional" => spec.min_notional = some(),
                "max-notional" => spec.max_notional = some(),
                "band" => spec.price_band = count,
                "open" => spec.max_open_orders = count,
                other => panic!("{other:?} is no rule"),
            }
        }
        Instrument::try_from(spec).expect("an instrument")
    }

    /// Bids, a bar, asks, each `id:remaining@price`, best first; then those that wait, oldest first.
    fn picture(&self) -> String {
        let book = self.engine.book(market()).expect("a book");
        let side = |side| {
            let orders = book.orders(side).map(|order| {
                let hidden = order.displayed != order.remaining;
                let shown = if hidden { format!("({})", order.displayed.units()) } else { String::new() };
                format!("{}:{}{shown}@{}", order.order_id, order.remaining.units(), order.price.units())
            });
            orders.collect::<Vec<_>>().join(" ")
        };
        let records: BTreeMap<_, OrderId> = self
            .engine
            .ledger()
            .orders()
            .filter(|order| order.status == matching::ledger::OrderStatus::Untriggered)
            .map(|order| (order.priority, order.order_id))
            .collect();
        let waiting: Vec<String> = records.values().map(OrderId::to_string).collect();
        let waiting = if waiting.is_empty() { String::new() } else { format!(" ? {}", waiting.join(" ")) };
        format!("{} | {}{waiting}", side(Side::Buy), side(Side::Sell)).trim().to_owned()
    }

    /// An order as readers see it.
    fn state(&self, id: u64) -> String {
        let Some(order) = self.engine.ledger().order(order_id(id)) else { return "unknown".to_owned() };
        let average = order.average_price().map(|price| format!(" @ {price}")).unwrap_or_default();
        let reason = order.reason_code.map(|reason| format!(" {}", reason.code())).unwrap_or_default();
        format!("{} {} of {}{average}{reason}", order.status.as_str(), order.filled(), order.quantity())
    }
}

fn side_of(word: &str) -> Option<Side> {
    match word {
        "buy" => Some(Side::Buy),
        "sell" => Some(Side::Sell),
        _ => None,
    }
}

fn phase_of(word: &str) -> Phase {
    Phase::ALL.into_iter().find(|phase| phase.as_str() == word).unwrap_or_else(|| panic!("{word:?} is no phase"))
}

/// `then PHASE at TIME`.
fn step_of(words: &[&str]) -> PhaseStep {
    PhaseStep { at: micros(number(words[3])), phase: phase_of(words[1]) }
}

/// An event in short; nothing for those that only say that what was asked is done.
fn tell(event: &Event) -> Option<String> {
    Some(match event {
        Event::OrderAccepted(_) | Event::InstrumentListed(_) | Event::InstrumentUpdated(_) => return None,
        Event::MassCancelled(_) | Event::TimeAdvanced(_) | Event::AccountUnblocked(_) => return None,
        Event::AccountBlocked(_) | Event::CancelAfterSet(_) => return None,
        Event::OrderRejected(event) => format!("{} rejected {}", event.order.order_id, event.reason_code.code()),
        Event::OrderRepeated(event) => {
            let how = if event.same_order { "repeats" } else { "differs from" };
            format!("{} {how} {}", event.order_id, event.first_order_id)
        }
        Event::OrderTriggered(event) => format!("{} triggered {}", event.order_id, event.price),
        Event::OrderAmended(event) => {
            let price = event.price.map(|price| format!(" @ {price}")).unwrap_or_default();
            format!("{} amended {} of {}{price}", event.order_id, event.remaining, event.quantity)
        }
        Event::OrderReduced(event) => format!("{} reduced {} of {}", event.order_id, event.remaining, event.quantity),
        Event::OrderReplenished(event) => format!("{} shows {}", event.order_id, event.displayed),
        Event::Trade(event) => {
            let back = event.improvement.map(|back| format!(" saves {back}")).unwrap_or_default();
            let (taker, maker) = (event.taker_order_id, event.maker_order_id);
            format!("{taker} takes {} of {maker} @ {}{back}", event.quantity, event.price)
        }
        Event::OrderFilled(event) => format!("{} filled{}", event.order_id, released(event.released)),
        Event::OrderCancelled(event) => {
            let (left, reason) = (event.remaining, event.reason_code.code());
            format!("{} cancelled {left} {reason}{}", event.order_id, released(event.released))
        }
        Event::OrderExpired(event) => {
            let (left, reason) = (event.remaining, event.reason_code.code());
            format!("{} expired {left} {reason}{}", event.order_id, released(event.released))
        }
        Event::CancelRejected(event) => format!("not cancelled {}", event.reason_code.code()),
        Event::AmendRejected(event) => format!("{} not amended {}", event.order_id, event.reason_code.code()),
        Event::CancelAfterFired(event) => format!("{} is late", event.account),
        Event::PhaseChanged(event) => format!("is {}", event.phase.as_str()),
        Event::AuctionIndicated(event) => match (event.price, event.imbalance_side) {
            (None, _) => "would trade nothing".to_owned(),
            (Some(price), None) => format!("would trade {} @ {price}", event.volume),
            (Some(price), Some(side)) => {
                format!(
                    "would trade {} @ {price}, {} {} over",
                    event.volume,
                    side.as_str().to_lowercase(),
                    event.imbalance
                )
            }
        },
        Event::CommandRejected(event) => format!("refused {}", event.reason_code.code()),
        Event::DuplicateRejected(event) => format!("duplicate {}", event.command_id),
        Event::ListingRejected(_) | Event::EntryRejected(_) => event.to_string(),
    })
}

fn released(amount: Option<matching::Amount>) -> String {
    amount.map(|amount| format!(" gives back {amount}")).unwrap_or_default()
}
