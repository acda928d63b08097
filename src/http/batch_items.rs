//! The items of a batch as they are sent.

use journal::encoding::MAX_COMMANDS_PER_ENTRY;
use matching::{Command, OrderId};
use serde::Deserialize;
use utoipa::openapi::schema::{AllOfBuilder, ArrayBuilder, ObjectBuilder, OneOfBuilder, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::access::Caller;
use super::fields::{self, Field, optional, required};
use super::order_request::{self, FIELD_COUNT, OrderRequest, order_id};
use super::problem::{Code, Problem};
use super::{Engine, amend, cancel};

/// The field of a batch.
const FIELDS: [&str; 1] = ["items"];
/// The fields of an item that places an order: what it does, what it is linked with, and an order's.
const PLACE_FIELDS: [&str; 2 + FIELD_COUNT] = place_fields();
/// The fields of an item that cancels an order, by id or by name.
const CANCEL_FIELDS: [&str; 6] = ["op", "order_id", "symbol", "account", "client_order_id", "reason"];
/// The fields of an item that amends an order.
const AMEND_FIELDS: [&str; 5] = ["op", "order_id", "price", "quantity", "if_seq"];

const fn place_fields() -> [&'static str; 2 + FIELD_COUNT] {
    let mut fields = ["op"; 2 + FIELD_COUNT];
    fields[1] = "linked_item";
    let mut index = 0;
    while index < FIELD_COUNT {
        fields[2 + index] = order_request::FIELDS[index];
        index += 1;
    }
    fields
}

/// What an item does.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Op {
    /// Places an order.
    Place,
    /// Cancels one.
    Cancel,
    /// Amends one.
    Amend,
}

/// The values of `op`.
const OPS: [(&str, Op); 3] = [("place", Op::Place), ("cancel", Op::Cancel), ("amend", Op::Amend)];

/// An item as it was sent, looked at as far as its batch must know.
pub struct Operation<'a> {
    text: &'a str,
    /// What it does; none where it does not say.
    pub op: Option<Op>,
    /// Whether it names an order by a client_order_id.
    pub is_named: bool,
}

/// A good item.
pub struct Item {
    /// What it does.
    pub op: Op,
    /// Its command.
    pub command: Command,
    /// The order that it is about, where that has an id.
    pub order_id: Option<OrderId>,
}

impl Item {
    /// Whether it places an order that must not be placed twice by sending it again.
    pub fn is_unnamed_order(&self) -> bool {
        matches!(&self.command, Command::NewOrder(new) if new.order.client_order_id.is_none())
    }
}

/// What is looked at first.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, default)]
    op: Option<std::borrow::Cow<'a, str>>,
    #[serde(default)]
    client_order_id: Option<serde::de::IgnoredAny>,
}

/// The items of a batch.
pub fn read_items(body: &[u8]) -> Result<Vec<Operation<'_>>, Problem> {
    let [items] = fields::read(body, &FIELDS)?;
    let items = required(items, FIELDS[0])?.elements()?;
    if items.is_empty() || items.len() > MAX_COMMANDS_PER_ENTRY {
        let detail = format!("the batch has {} items; send 1 to {MAX_COMMANDS_PER_ENTRY}", items.len());
        return Err(Problem::new(Code::InvalidBatch, detail).field(FIELDS[0]));
    }
    Ok(items.into_iter().map(Operation::new).collect())
}

impl<'a> Operation<'a> {
    /// What cannot be looked at is found to be wrong when it is checked.
    fn new(text: &'a str) -> Operation<'a> {
        let head = serde_json::from_str(text).unwrap_or(Head { op: None, client_order_id: None });
        let op = head.op.and_then(|op| OPS.iter().find(|(name, _)| *name == op).map(|(_, op)| *op));
        Operation { text, op, is_named: head.client_order_id.is_some() }
    }

    /// Checks everything that the item alone shows, and makes it a command. `placed`: the orders of the items before it.
    /// `caller`: whose account it must be.
    pub fn check(
        &self,
        engine: &Engine,
        caller: &Caller,
        auto_list: bool,
        placed: &[Option<OrderId>],
    ) -> Result<Item, Problem> {
        let body = self.text.as_bytes();
        match self.op {
            Some(Op::Place) => {
                let [_, linked_item, order @ ..] = fields::read(body, &PLACE_FIELDS)?;
                let mut new = OrderRequest::of(order)?.check(engine, caller, auto_list, None)?;
                if let Some(field) = optional(linked_item) {
                    order_request::link(&mut new, linked(field, placed)?)?;
                }
                let order_id = Some(new.order.order_id);
                Ok(Item { op: Op::Place, command: Command::NewOrder(new), order_id })
            }
            Some(Op::Cancel) => {
                let [_, id, symbol, account, client_order_id, reason] = fields::read(body, &CANCEL_FIELDS)?;
                let Some(id) = optional(id) else {
                    let command = cancel::by_name(engine, caller, [symbol, account, client_order_id, reason])?;
                    return Ok(Item { op: Op::Cancel, command, order_id: None });
                };
                if let Some(field) = [symbol, account, client_order_id].into_iter().find_map(optional) {
                    let detail = format!("a cancel by order_id has no {}; leave it out", field.name());
                    return Err(Problem::new(Code::Incoherent, detail).field(field.name()));
                }
                let order_id = order_id(id)?;
                let command = cancel::by_id(engine, order_id, cancel::reason_text(reason)?)?;
                Ok(Item { op: Op::Cancel, command, order_id: Some(order_id) })
            }
            Some(Op::Amend) => {
                let [_, id, price, quantity, if_seq] = fields::read(body, &AMEND_FIELDS)?;
                let order_id = order_id(required(id, "order_id")?)?;
                let command = amend::command(engine, order_id, [price, quantity, if_seq])?;
                Ok(Item { op: Op::Amend, command, order_id: Some(order_id) })
            }
            None => {
                let detail = "an item is an object whose op is place, cancel or amend";
                Err(Problem::new(Code::InvalidValue, detail).field("op"))
            }
        }
    }
}

/// The order of the item that another one is linked with.
fn linked(field: Field<'_>, placed: &[Option<OrderId>]) -> Result<OrderId, Problem> {
    let index = field.whole()?;
    let order_id = usize::try_from(index).ok().and_then(|index| placed.get(index).copied().flatten());
    order_id.ok_or_else(|| {
        let detail = format!("linked_item is {index}, which is no good order before this item; items count from 0");
        Problem::new(Code::InvalidLink, detail).field(field.name())
    })
}

/// Many commands.
#[derive(Debug)]
pub struct BatchRequest;

impl PartialSchema for BatchRequest {
    fn schema() -> RefOr<Schema> {
        let word =
            |word: &str| ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).enum_values(Some([word]));
        let whole =
            |text: &str| ObjectBuilder::new().schema_type(SchemaType::new(Type::Integer)).description(Some(text));
        let place = ObjectBuilder::new()
            .property("op", word("place"))
            .property(
                "linked_item",
                whole("One cancels the other: the index of an order that the batch places before."),
            )
            .required("op");
        let cancel = ObjectBuilder::new()
            .property("op", word("cancel"))
            .property("order_id", whole("The order."))
            .property("reason", ObjectBuilder::new().schema_type(SchemaType::new(Type::String)))
            .required("op")
            .required("order_id");
        let named = ObjectBuilder::new().property("op", word("cancel")).required("op");
        let amend = ObjectBuilder::new()
            .property("op", word("amend"))
            .property("order_id", whole("The order."))
            .required("op")
            .required("order_id");
        let with = |name: &str, more: ObjectBuilder| {
            Schema::AllOf(AllOfBuilder::new().item(Ref::from_schema_name(name)).item(more).build())
        };
        let item = OneOfBuilder::new()
            .item(with("PlaceOrder", place))
            .item(cancel)
            .item(with("CancelNamed", named))
            .item(with("Amend", amend));
        let items = ArrayBuilder::new().items(item).min_items(Some(1)).max_items(Some(MAX_COMMANDS_PER_ENTRY));
        ObjectBuilder::new()
            .description(Some("Many commands, executed in their order."))
            .property("items", items)
            .required("items")
            .examples([serde_json::json!({"items": [
                {"op": "place", "symbol": "BTC_USDT", "side": "BUY", "price": "100", "quantity": "1"},
                {"op": "cancel", "order_id": 7},
                {"op": "amend", "order_id": 8, "quantity": "2"}
            ]})])
            .into()
    }
}

impl ToSchema for BatchRequest {}
