//! The accounts that have orders in a book, by a small number that is quick to compare.

use rustc_hash::FxHashMap;

use crate::names::Account;

use super::orders::{NONE, index_of};

/// An account and how many orders it has.
#[derive(Debug, Clone)]
struct Holder {
    account: Account,
    open: u32,
}

/// The accounts with orders.
#[derive(Debug, Clone, Default)]
pub(super) struct Accounts {
    holders: Vec<Option<Holder>>,
    free: Vec<u32>,
    by_name: FxHashMap<Account, u32>,
}

impl Accounts {
    /// The number of an account; [`NONE`] for nobody and for one without orders.
    pub(super) fn find(&self, account: Option<&Account>) -> u32 {
        account.and_then(|account| self.by_name.get(account).copied()).unwrap_or(NONE)
    }

    /// The account of a number.
    pub(super) fn name(&self, index: u32) -> Option<&Account> {
        self.holders.get(index as usize)?.as_ref().map(|holder| &holder.account)
    }

    /// How many orders an account has open.
    pub(super) fn open(&self, account: &Account) -> u32 {
        let holder = self.holders.get(self.find(Some(account)) as usize);
        holder.and_then(Option::as_ref).map_or(0, |holder| holder.open)
    }

    /// An account has one more order that is open, or on its way into the book.
    pub(super) fn add(&mut self, account: Option<&Account>) -> u32 {
        let Some(account) = account else { return NONE };
        if let Some(index) = self.by_name.get(account).copied() {
            if let Some(holder) = &mut self.holders[index as usize] {
                holder.open += 1;
            }
            return index;
        }
        let holder = Some(Holder { account: account.clone(), open: 1 });
        let index = match self.free.pop() {
            Some(index) => {
                self.holders[index as usize] = holder;
                index
            }
            None => {
                self.holders.push(holder);
                index_of(self.holders.len() - 1)
            }
        };
        self.by_name.insert(account.clone(), index);
        index
    }

    /// An account has one such order less.
    #[inline]
    pub(super) fn remove(&mut self, index: u32) {
        if index == NONE {
            return;
        }
        let place = &mut self.holders[index as usize];
        let Some(holder) = place else { panic!("account {index} has no open order") };
        holder.open -= 1;
        if holder.open == 0 {
            self.by_name.remove(&holder.account);
            *place = None;
            self.free.push(index);
        }
    }
}
