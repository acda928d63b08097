//! Orders that are taken out: by id, many at once, because their time has come, or because of a linked order.

use crate::reason::Reason;
use crate::units::{CommandId, OrderId, SymbolSeq};

use super::Book;
use super::messages::{BookEvent, Selection};
use super::orders::{NONE, Slot};

impl Book {
    pub(super) fn cancel(
        &mut self,
        command_id: CommandId,
        order_id: OrderId,
        reason_text: Option<String>,
        out: &mut Vec<BookEvent>,
    ) {
        match self.orders.remove_id(order_id) {
            Some(slot) => {
                let (command_id, reason) = (Some(command_id), Reason::ByUser);
                self.emit(out, |book| BookEvent::Cancelled {
                    ended: book.ended(slot),
                    command_id,
                    reason,
                    reason_text,
                });
                self.take_away(slot);
            }
            None => self.emit(out, |_| BookEvent::CancelRejected { command_id, order_id }),
        }
    }

    /// Cancels the orders of a selection, oldest place first, those that wait among them.
    pub(super) fn cancel_all(
        &mut self,
        command_id: Option<CommandId>,
        selection: &Selection,
        reason: Reason,
        out: &mut Vec<BookEvent>,
    ) {
        let account = self.accounts.find(selection.account.as_ref());
        if selection.account.is_some() && account == NONE {
            return;
        }
        let is_selected = |slot: Slot| {
            let order = self.orders.get(slot);
            (account == NONE || order.account == account) && selection.side.is_none_or(|side| side == order.side)
        };
        let mut selected: Vec<(SymbolSeq, Slot)> = self
            .orders
            .slots()
            .filter(|slot| is_selected(*slot))
            .map(|slot| (self.orders.get(slot).priority, slot))
            .collect();
        selected.sort_unstable();
        for (_, slot) in selected {
            self.end(slot, out, |ended| BookEvent::Cancelled { ended, command_id, reason, reason_text: None });
        }
    }

    pub(super) fn expire(&mut self, order_id: OrderId, out: &mut Vec<BookEvent>) {
        // It may have closed in a row that the router had not heard of when it asked.
        if let Some(slot) = self.orders.find(order_id) {
            self.end(slot, out, |ended| BookEvent::Expired { ended, reason: Reason::Due });
        }
    }

    /// An order traded or was triggered: the other of the pair, if it was one, is taken away.
    pub(super) fn cancel_linked(&mut self, linked: Option<OrderId>, out: &mut Vec<BookEvent>) {
        let Some(linked) = linked else { return };
        let (slot, reason) = (self.orders.slot_of(linked), Reason::LinkedOrder);
        self.end(slot, out, |ended| BookEvent::Cancelled { ended, command_id: None, reason, reason_text: None });
    }
}
