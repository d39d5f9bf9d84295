//! What a quote was made from. An order is placed on it only while each of these is still what it was: the database looks
//! in the same step that places it, so that prices may come from memory and still no order is placed on an old one.

/// One thing that a quote was made from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ground {
    /// The shop's settings: mode, charges, zones.
    Shop,
    /// A product, by id.
    Product(String),
    /// A bundle or gift box, by id.
    Combo(String),
    /// A coupon, by code.
    Coupon(String),
}

/// Everything that a quote was made from, each with the version that was read; each once, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Basis(Vec<(Ground, i64)>);

impl Basis {
    /// Notes the version of a thing that was read.
    pub fn note(&mut self, ground: Ground, version: i64) {
        if let Err(place) = self.0.binary_search_by(|(one, _)| one.cmp(&ground)) {
            self.0.insert(place, (ground, version));
        }
    }

    /// Each thing with the version that was read.
    pub fn iter(&self) -> impl Iterator<Item = (&Ground, i64)> {
        self.0.iter().map(|(ground, version)| (ground, *version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_is_noted_once_in_order() {
        let mut basis = Basis::default();
        basis.note(Ground::Product("b".to_owned()), 2);
        basis.note(Ground::Product("a".to_owned()), 1);
        basis.note(Ground::Shop, 9);
        basis.note(Ground::Product("b".to_owned()), 3);
        let versions: Vec<_> = basis.iter().map(|(_, version)| version).collect();
        assert_eq!(versions, [9, 1, 2]);
        let products = ["a", "b"].map(|id| Ground::Product(id.to_owned()));
        assert!(basis.iter().map(|(ground, _)| ground).skip(1).eq(&products));
    }
}
