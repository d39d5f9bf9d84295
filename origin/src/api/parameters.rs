//! Query parameters: declared once in the route table, which both checks requests and writes the documentation.

use std::collections::BTreeMap;

use jiff::Timestamp;
use percent_encoding::percent_decode_str;

use super::error::{ApiError, FieldError, Place};

/// A parameter that a route takes.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name in the query.
    pub name: &'static str,
    /// What it may hold.
    pub kind: Kind,
    /// For the documentation.
    pub description: &'static str,
}

/// What a parameter may hold.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Text of at most so many characters.
    Text(usize),
    /// A whole number between two bounds, both inclusive.
    Integer(i64, i64),
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// Where a page begins, in lists in order of id or time.
pub(super) const CURSOR: Parameter = Parameter {
    name: "cursor",
    kind: Kind::Text(64),
    description: "next_cursor of the page before",
};
/// Where a page begins, in lists in order of number.
pub(super) const NUMBER_CURSOR: Parameter = Parameter {
    kind: Kind::Integer(1, i64::MAX),
    ..CURSOR
};
/// How long a page is.
pub(super) const LIMIT: Parameter = Parameter {
    name: "limit",
    kind: Kind::Integer(1, 100),
    description: "Items of a page",
};
/// From when.
pub(super) const FROM: Parameter = Parameter {
    name: "from",
    kind: Kind::Text(40),
    description: "Only those at or after this time (RFC 3339)",
};
/// Until when.
pub(super) const TO: Parameter = Parameter {
    name: "to",
    kind: Kind::Text(40),
    description: "Only those before this time (RFC 3339)",
};

/// A query that fits its route's parameters.
#[derive(Debug, Default)]
pub struct Query(BTreeMap<&'static str, String>);

impl Query {
    /// Reads a query strictly.
    ///
    /// # Errors
    /// [`ApiError::BadParameters`] with every parameter that is unknown, repeated or out of bounds.
    pub fn read(text: &str, parameters: &[Parameter]) -> Result<Self, ApiError> {
        let mut query = Self::default();
        let mut errors = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).unwrap_or_default();
            let Some(parameter) = parameters.iter().find(|known| known.name == name) else {
                let known: Vec<_> = parameters.iter().map(|known| known.name).collect();
                let detail = if known.is_empty() {
                    "this address takes no query".to_owned()
                } else {
                    format!("not known here; known are {}", known.join(", "))
                };
                errors.push(FieldError {
                    place: Place::Parameter(name),
                    detail,
                    code: "unknown_parameter",
                });
                continue;
            };
            match parameter.accept(value) {
                Ok(value) => {
                    if query.0.insert(parameter.name, value).is_some() {
                        errors.push(parameter.error("stands more than once".to_owned()));
                    }
                }
                Err(detail) => errors.push(parameter.error(detail)),
            }
        }
        if errors.is_empty() {
            Ok(query)
        } else {
            Err(ApiError::BadParameters(errors))
        }
    }

    /// A parameter's text; `None` when it is absent or empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    }

    /// A parameter's number; `None` when it is absent.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.text(name).and_then(|text| text.parse().ok())
    }

    /// A parameter's time; `None` when it is absent.
    ///
    /// # Errors
    /// [`ApiError::BadParameters`] for what is no time.
    pub fn time(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        let parse = |text: &str| {
            text.parse().map_err(|_| {
                ApiError::BadParameters(vec![FieldError {
                    place: Place::Parameter(name.to_owned()),
                    detail: "expected a time such as 2026-11-08T18:30:00Z".to_owned(),
                    code: "invalid_parameter",
                }])
            })
        };
        self.text(name).map(parse).transpose()
    }

    /// The query in one spelling: sorted names, decoded values. Equal questions have equal keys.
    pub fn canonical(&self) -> String {
        let pairs: Vec<_> = self
            .0
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("\u{1f}")
    }
}

impl Parameter {
    fn error(&self, detail: String) -> FieldError {
        FieldError {
            place: Place::Parameter(self.name.to_owned()),
            detail,
            code: "invalid_parameter",
        }
    }

    fn accept(&self, value: &str) -> Result<String, String> {
        let value = decode(value).ok_or("is not UTF-8")?;
        if value.is_empty() {
            return Ok(value);
        }
        let accepted = match self.kind {
            Kind::Text(most) if value.chars().count() > most => {
                Err(format!("must be at most {most} characters"))
            }
            Kind::Text(_) if value.chars().any(char::is_control) => {
                Err("must not hold control characters".to_owned())
            }
            Kind::Integer(least, most) => match value.parse::<i64>() {
                Ok(number) if (least..=most).contains(&number) => Ok(()),
                _ => Err(format!("must be a whole number from {least} to {most}")),
            },
            Kind::Choice(words) if !words.contains(&value.as_str()) => {
                Err(format!("must be one of {}", words.join(", ")))
            }
            _ => Ok(()),
        };
        accepted.map(|()| value)
    }
}

fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced)
        .decode_utf8()
        .ok()
        .map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Parameter] = &[
        Parameter {
            name: "q",
            kind: Kind::Text(5),
            description: "",
        },
        Parameter {
            name: "limit",
            kind: Kind::Integer(1, 100),
            description: "",
        },
        Parameter {
            name: "sort",
            kind: Kind::Choice(&["new", "price"]),
            description: "",
        },
    ];

    fn details(text: &str) -> Vec<String> {
        match Query::read(text, KNOWN) {
            Err(ApiError::BadParameters(errors)) => errors
                .into_iter()
                .map(|error| format!("{:?} {}", error.place, error.detail))
                .collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn a_good_query_is_decoded() {
        let query = Query::read("q=a%20b&limit=7", KNOWN).unwrap();
        assert_eq!(
            (query.text("q"), query.number("limit")),
            (Some("a b"), Some(7))
        );
    }

    #[test]
    fn every_wrong_parameter_is_reported() {
        insta::assert_yaml_snapshot!(details(
            "colour=red&limit=0&sort=size&q=toolong&limit=5&limit=6"
        ));
    }

    #[test]
    fn the_order_of_parameters_does_not_change_the_key() {
        let (one, two) = ("limit=7&q=a", "q=a&limit=7");
        let key = |text| Query::read(text, KNOWN).unwrap().canonical();
        assert_eq!(key(one), key(two));
    }
}
