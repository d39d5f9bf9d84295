//! Laying one YAML value over another, and reaching into one by dotted path.

use serde_yaml::{Mapping, Value};

/// Lays `top` over `bottom`: maps merge key by key, everything else replaces. An empty file changes nothing.
pub(super) fn over(bottom: &mut Value, top: Value) {
    match (bottom, top) {
        (Value::Mapping(bottom), Value::Mapping(top)) => {
            for (key, value) in top {
                over(bottom.entry(key).or_insert(Value::Null), value);
            }
        }
        // A section without keys (`cache:`) is an empty mapping to a person, not a removal.
        (Value::Mapping(_), Value::Null) => {}
        (bottom, top) => *bottom = top,
    }
}

/// The value at a dotted path of mapping keys and sequence indices.
pub(super) fn get<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, key| match value {
        Value::Sequence(items) => items.get(key.parse::<usize>().ok()?),
        _ => value.get(key),
    })
}

/// Sets the value at a dotted path, making the mappings on the way; sequence items must exist.
pub(super) fn set(value: &mut Value, path: &str, new: Value) {
    let mut at = value;
    for key in path.split('.') {
        if let Value::Sequence(items) = at {
            let index = key.parse::<usize>().unwrap_or(usize::MAX);
            match items.get_mut(index) {
                Some(item) => at = item,
                None => return,
            }
            continue;
        }
        if !at.is_mapping() {
            *at = Value::Mapping(Mapping::new());
        }
        let Value::Mapping(mapping) = at else { return };
        at = mapping.entry(Value::from(key)).or_insert(Value::Null);
    }
    *at = new;
}
