//! The line in front of the slots: classes one after the other, and within a class each user in turn. Knows no time: who
//! has waited too long leaves by [`Queue::cancel`].

use std::net::IpAddr;

use super::line::Line;
use super::priority::{CLASSES, Class};

/// Whose request it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum User {
    /// Whoever is logged in: a mobile carrier puts thousands of customers behind one address.
    Account(u64),
    /// Whoever has this address.
    Address(IpAddr),
    /// Somebody on a socket file of whom nobody says more.
    #[default]
    Unknown,
}

/// How many may go at once, and how many may wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Requests at once.
    pub(super) slots: usize,
    /// The part of the slots that each class may have, in percent.
    pub(super) percent: [u8; CLASSES],
    /// Requests that may wait.
    pub(super) waiting_max: usize,
}

impl Bounds {
    /// The slots that a class may have; never none, or nobody of it would ever be served.
    fn of(&self, class: Class) -> usize {
        (self.slots * usize::from(self.percent[class as usize]) / 100).max(1)
    }
}

/// No place is left in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoPlace;

/// A place in the line: what it takes to leave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) class: Class,
    user: User,
    number: u64,
}

/// Slots in use, and everybody who waits; `W` is how somebody who waits is told.
#[derive(Debug)]
pub(super) struct Queue<W> {
    in_use: [usize; CLASSES],
    lines: [Line<W>; CLASSES],
    next_number: u64,
}

impl<W> Queue<W> {
    pub(super) fn new() -> Self {
        Self {
            in_use: [0; CLASSES],
            lines: std::array::from_fn(|_| Line::new()),
            next_number: 0,
        }
    }

    /// Requests that have a slot.
    pub(super) fn in_use(&self) -> usize {
        self.in_use.iter().sum()
    }

    /// Requests of a class that wait.
    pub(super) fn waiting(&self, class: Class) -> usize {
        self.lines[class as usize].waiting()
    }

    fn waiting_in_all(&self) -> usize {
        self.lines.iter().map(Line::waiting).sum()
    }

    /// Takes a slot at once, if there is one. Whoever waits could not have it: they are served as soon as they can be.
    pub(super) fn take(&mut self, class: Class, bounds: &Bounds) -> bool {
        let fits = self.in_use() < bounds.slots && self.in_use[class as usize] < bounds.of(class);
        self.in_use[class as usize] += usize::from(fits);
        fits
    }

    /// Gives a slot back; [`Queue::next`] says who gets it.
    pub(super) fn give_back(&mut self, class: Class) {
        let in_use = &mut self.in_use[class as usize];
        *in_use = in_use.saturating_sub(1);
    }

    /// Whose turn it is, if there is a slot: it is taken.
    pub(super) fn next(&mut self, bounds: &Bounds) -> Option<(Class, W)> {
        for class in Class::ALL {
            if self.waiting(class) > 0 && self.take(class, bounds) {
                let waiter = self.lines[class as usize].pop()?;
                return Some((class, waiter));
            }
        }
        None
    }

    /// Joins the line. When it is full, whoever has the most places of the last class gives one up, as long as that is a
    /// later class or he has more places than the newcomer.
    pub(super) fn join(
        &mut self,
        class: Class,
        user: User,
        waiter: W,
        bounds: &Bounds,
    ) -> Result<(Place, Option<W>), NoPlace> {
        let displaced = if self.waiting_in_all() < bounds.waiting_max {
            None
        } else {
            Some(self.displace(class, &user).ok_or(NoPlace)?)
        };
        let number = self.next_number;
        self.next_number += 1;
        self.lines[class as usize].push(user, number, waiter);
        let place = Place {
            class,
            user,
            number,
        };
        Ok((place, displaced))
    }

    fn displace(&mut self, class: Class, user: &User) -> Option<W> {
        let last = Class::ALL
            .into_iter()
            .rev()
            .find(|class| self.waiting(*class) > 0)?;
        if last < class {
            return None;
        }
        let line = &mut self.lines[last as usize];
        // Fewer than two more would only swap their places.
        let is_fair = last > class || line.most_places() >= line.places(user) + 2;
        is_fair.then(|| line.pop_newest_of_most()).flatten()
    }

    /// Leaves the line; false when somebody has called this one already.
    pub(super) fn cancel(&mut self, place: &Place) -> bool {
        self.lines[place.class as usize].remove(place.user, place.number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bounds(slots: usize, waiting_max: usize) -> Bounds {
        Bounds {
            slots,
            percent: [100, 100, 100, 100],
            waiting_max,
        }
    }

    const ANN: User = User::Account(1);
    const BEN: User = User::Account(2);
    const GREEDY: User = User::Account(9);

    fn served<W>(queue: &mut Queue<W>, slots: usize) -> Vec<W> {
        let bounds = bounds(slots, 0);
        std::iter::from_fn(|| queue.next(&bounds).map(|(_, waiter)| waiter)).collect()
    }

    #[test]
    fn classes_go_one_after_the_other() {
        let (mut queue, bounds) = (Queue::new(), bounds(1, 10));
        assert!(queue.take(Class::Browse, &bounds));
        assert!(!queue.take(Class::Checkout, &bounds));
        for class in [Class::Export, Class::Browse, Class::Cart, Class::Checkout] {
            queue.join(class, ANN, class, &bounds).unwrap();
        }
        assert_eq!(served(&mut queue, 1), []);
        assert_eq!(served(&mut queue, 5), Class::ALL);
    }

    #[test]
    fn a_thousand_requests_of_one_delay_nobody_beyond_a_turn() {
        let (mut queue, bounds) = (Queue::new(), bounds(0, 2000));
        for number in 0..1000 {
            let name = format!("greedy {number}");
            queue.join(Class::Browse, GREEDY, name, &bounds).unwrap();
        }
        for (user, name) in [(ANN, "ann 0"), (BEN, "ben 0"), (ANN, "ann 1")] {
            let name = name.to_owned();
            queue.join(Class::Browse, user, name, &bounds).unwrap();
        }
        let order = served(&mut queue, 6);
        assert_eq!(
            order,
            [
                "greedy 0", "ann 0", "ben 0", "greedy 1", "ann 1", "greedy 2"
            ]
        );
    }

    #[test]
    fn a_full_line_takes_places_from_whoever_has_most() {
        let (mut queue, bounds) = (Queue::new(), bounds(0, 3));
        for name in ["first", "second", "third"] {
            queue.join(Class::Browse, GREEDY, name, &bounds).unwrap();
        }
        let again = queue.join(Class::Browse, GREEDY, "fourth", &bounds);
        assert_eq!(again.unwrap_err(), NoPlace);
        let (_, displaced) = queue.join(Class::Browse, ANN, "ann", &bounds).unwrap();
        assert_eq!(displaced, Some("third"));
        // Two, one and now one: nobody has two more than Ben would.
        let (_, displaced) = queue.join(Class::Browse, BEN, "ben", &bounds).unwrap();
        assert_eq!(displaced, Some("second"));
        let again = queue.join(Class::Browse, BEN, "ben again", &bounds);
        assert_eq!(again.unwrap_err(), NoPlace);
    }

    #[test]
    fn of_several_with_as_many_places_whoever_would_be_served_last_gives_one_up() {
        let (mut queue, bounds) = (Queue::new(), bounds(0, 4));
        for (user, name) in [
            (ANN, "ann 0"),
            (GREEDY, "greedy 0"),
            (GREEDY, "greedy 1"),
            (ANN, "ann 1"),
        ] {
            queue.join(Class::Browse, user, name, &bounds).unwrap();
        }
        let (_, displaced) = queue.join(Class::Browse, BEN, "ben", &bounds).unwrap();
        assert_eq!(displaced, Some("greedy 1"));
    }

    #[test]
    fn a_full_line_takes_places_from_the_last_class_first() {
        let (mut queue, bounds) = (Queue::new(), bounds(0, 2));
        queue.join(Class::Browse, ANN, "browse", &bounds).unwrap();
        queue.join(Class::Export, ANN, "export", &bounds).unwrap();
        let (_, displaced) = queue.join(Class::Checkout, ANN, "pay", &bounds).unwrap();
        assert_eq!(displaced, Some("export"));
        let refused = queue.join(Class::Export, BEN, "export", &bounds);
        assert_eq!(refused.unwrap_err(), NoPlace);
    }

    #[test]
    fn a_class_gets_no_more_than_its_part() {
        let mut bounds = bounds(10, 10);
        bounds.percent = [100, 100, 90, 10];
        let mut queue = Queue::<()>::new();
        let mut taken = |class| (0..20).filter(|_| queue.take(class, &bounds)).count();
        assert_eq!(taken(Class::Browse), 9);
        assert_eq!(taken(Class::Checkout), 1);
        let mut queue = Queue::<()>::new();
        let mut taken = |class| (0..20).filter(|_| queue.take(class, &bounds)).count();
        assert_eq!(taken(Class::Export), 1);
    }

    #[test]
    fn whoever_leaves_is_not_called() {
        let (mut queue, bounds) = (Queue::new(), bounds(0, 10));
        let (ann, _) = queue.join(Class::Cart, ANN, "ann", &bounds).unwrap();
        queue.join(Class::Cart, BEN, "ben", &bounds).unwrap();
        assert!(queue.cancel(&ann));
        assert!(!queue.cancel(&ann));
        assert_eq!(served(&mut queue, 5), ["ben"]);
    }

    proptest! {
        /// Whatever is done in whatever order, counts are right and nothing is left behind.
        #[test]
        fn the_counts_are_those_of_who_is_there(
            steps in prop::collection::vec((0_u8..4, 0_usize..4, 0_u64..3), 1..200)
        ) {
            let bounds = bounds(3, 5);
            let mut queue = Queue::new();
            let (mut running, mut waiting) = (Vec::new(), Vec::new());
            for (step, class, user) in steps {
                let class = Class::ALL[class];
                match step {
                    0 | 1 => if queue.take(class, &bounds) {
                        running.push(class);
                    } else if let Ok((place, displaced)) = queue.join(class, User::Account(user), queue.next_number, &bounds) {
                        waiting.retain(|one: &Place| Some(one.number) != displaced);
                        waiting.push(place);
                    },
                    2 => if let Some(class) = running.pop() {
                        queue.give_back(class);
                    },
                    _ => if let Some(place) = waiting.pop() {
                        prop_assert!(queue.cancel(&place));
                    },
                }
                while let Some((class, number)) = queue.next(&bounds) {
                    running.push(class);
                    waiting.retain(|place| place.number != number);
                }
                prop_assert_eq!(queue.in_use(), running.len());
                prop_assert_eq!(queue.waiting_in_all(), waiting.len());
                prop_assert!(running.len() <= 3 && waiting.len() <= 5);
                prop_assert!(waiting.is_empty() || running.len() == 3);
                for line in &queue.lines {
                    prop_assert!(line.users().is_some_and(|users| users <= line.waiting()), "{line:?}");
                }
            }
        }
    }
}
