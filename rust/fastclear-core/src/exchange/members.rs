//! Who has which account: names that the operator gave, in the order of opening.

use std::collections::{BTreeMap, BTreeSet};

use super::command::Name;
use crate::settlement::accounts::FIRST_MEMBER;

/// The members of an exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    names: Vec<Name>,
    accounts: BTreeMap<Name, u64>,
}

impl Members {
    /// Names in the order of their accounts, the first at [`FIRST_MEMBER`].
    pub fn names(&self) -> &[Name] {
        &self.names
    }

    /// The name of an account.
    pub fn name(&self, account: u64) -> Option<&Name> {
        self.names.get(usize::try_from(account.checked_sub(FIRST_MEMBER)?).ok()?)
    }

    /// Whether this is the account of a member.
    pub fn has(&self, account: u64) -> bool {
        account.checked_sub(FIRST_MEMBER).is_some_and(|place| place < self.names.len() as u64)
    }

    /// The first of `fresh` that is open already or stands there twice.
    pub(super) fn taken<'a>(&self, fresh: &'a [Name]) -> Option<&'a Name> {
        let mut seen = BTreeSet::new();
        fresh.iter().find(|&name| self.accounts.contains_key(name) || !seen.insert(name))
    }

    /// Adds members that are not there yet.
    pub(super) fn add(&mut self, fresh: &[Name]) {
        for name in fresh {
            self.accounts.insert(name.clone(), FIRST_MEMBER + self.names.len() as u64);
            self.names.push(name.clone());
        }
    }
}
