//! Those of one class who wait. On the busiest night the line is full and every request comes here: nothing takes longer than
//! the logarithm of how many wait.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::queue::User;

/// See the module. There is an entry for nobody who does not wait, so its size is bounded by theirs.
#[derive(Debug)]
pub(super) struct Line<W> {
    users: HashMap<User, Own<W>>,
    /// Everybody in `users`, once, by their turns.
    turns: BTreeMap<Turn, User>,
    /// Everybody in `users`, once: how many places they have, and their turns.
    by_places: BTreeSet<(usize, Turn)>,
    next_turn: Turn,
    waiting: usize,
}

/// Whoever has the smallest goes first.
type Turn = u64;

/// What one user has in a line; never no place.
#[derive(Debug)]
struct Own<W> {
    turn: Turn,
    /// By their numbers; the oldest is the first.
    places: BTreeMap<u64, W>,
}

impl<W> Own<W> {
    fn rank(&self) -> (usize, Turn) {
        (self.places.len(), self.turn)
    }
}

impl<W> Line<W> {
    /// Nobody waits.
    pub(super) fn new() -> Self {
        Self {
            users: HashMap::new(),
            turns: BTreeMap::new(),
            by_places: BTreeSet::new(),
            next_turn: 0,
            waiting: 0,
        }
    }

    /// How many places there are.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many a user has.
    pub(super) fn places(&self, user: &User) -> usize {
        self.users.get(user).map_or(0, |own| own.places.len())
    }

    /// One more place.
    pub(super) fn push(&mut self, user: User, number: u64, waiter: W) {
        let own = self.users.entry(user).or_insert_with(|| Own {
            turn: last_turn(&mut self.turns, &mut self.next_turn, user),
            places: BTreeMap::new(),
        });
        self.by_places.remove(&own.rank());
        own.places.insert(number, waiter);
        self.by_places.insert(own.rank());
        self.waiting += 1;
    }

    /// The oldest place of whoever's turn it is; their next turn comes after everybody else's.
    pub(super) fn pop(&mut self) -> Option<W> {
        let (_, user) = self.turns.first_key_value()?;
        let user = *user;
        let waiter = self.take(user, BTreeMap::pop_first)?;
        if let Some(own) = self.users.get_mut(&user) {
            self.by_places.remove(&own.rank());
            self.turns.remove(&own.turn);
            own.turn = last_turn(&mut self.turns, &mut self.next_turn, user);
            self.by_places.insert(own.rank());
        }
        Some(waiter)
    }

    /// The places of whoever has most.
    pub(super) fn most_places(&self) -> usize {
        self.by_places.last().map_or(0, |(places, _)| *places)
    }

    /// Their newest place; of several with as many, whose turn is the last.
    pub(super) fn pop_newest_of_most(&mut self) -> Option<W> {
        let (_, turn) = self.by_places.last()?;
        let user = *self.turns.get(turn)?;
        self.take(user, BTreeMap::pop_last)
    }

    /// Takes this place away, if it is still there.
    pub(super) fn remove(&mut self, user: User, number: u64) -> bool {
        self.take(user, |places| places.remove_entry(&number))
            .is_some()
    }

    /// Takes one place away from a user.
    fn take(
        &mut self,
        user: User,
        place: impl FnOnce(&mut BTreeMap<u64, W>) -> Option<(u64, W)>,
    ) -> Option<W> {
        let own = self.users.get_mut(&user)?;
        let before = own.rank();
        let (_, waiter) = place(&mut own.places)?;
        self.waiting -= 1;
        self.by_places.remove(&before);
        if own.places.is_empty() {
            self.turns.remove(&own.turn);
            self.users.remove(&user);
        } else {
            self.by_places.insert(own.rank());
        }
        Some(waiter)
    }
}

/// A turn after everybody else's.
fn last_turn(turns: &mut BTreeMap<Turn, User>, next: &mut Turn, user: User) -> Turn {
    let turn = *next;
    *next += 1;
    turns.insert(turn, user);
    turn
}

#[cfg(test)]
impl<W> Line<W> {
    /// How many users there are, where all that is known of them agrees.
    pub(super) fn users(&self) -> Option<usize> {
        let ranks: BTreeSet<_> = self.users.values().map(Own::rank).collect();
        let turns: BTreeMap<_, _> = self
            .users
            .iter()
            .map(|(user, own)| (own.turn, *user))
            .collect();
        let places: usize = self.users.values().map(|own| own.places.len()).sum();
        let agrees = ranks == self.by_places && turns == self.turns && places == self.waiting;
        agrees.then_some(self.users.len())
    }
}
