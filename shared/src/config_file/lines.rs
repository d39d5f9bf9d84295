//! From the dotted path of a key to the line on which it stands.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser};

/// The lines of all keys and list items of one file.
#[derive(Debug)]
pub(super) struct LineIndex(HashMap<String, usize>);

/// A mapping or sequence that is still open while the file is read.
enum Open {
    Mapping { path: String, key: Option<String> },
    Sequence { path: String, next: usize },
}

impl LineIndex {
    /// Reads the file's structure.
    ///
    /// # Errors
    /// Line and message of a syntax error, of an alias, and of a key that stands twice.
    pub(super) fn of(text: &str) -> Result<Self, (usize, String)> {
        let mut lines = HashMap::new();
        let mut open: Vec<Open> = Vec::new();
        for event in Parser::new_from_str(text) {
            let (event, span) =
                event.map_err(|error| (error.marker().line(), error.info().to_owned()))?;
            let line = span.start.line();
            match event {
                Event::Scalar(scalar, ..) if Self::awaits_key(&open) => {
                    Self::key(&mut open, &mut lines, &scalar, line)?;
                }
                Event::Scalar(..) => {
                    Self::value_path(&mut open, &mut lines, line);
                }
                Event::MappingStart(..) => {
                    let path = Self::value_path(&mut open, &mut lines, line);
                    open.push(Open::Mapping { path, key: None });
                }
                Event::SequenceStart(..) => {
                    let path = Self::value_path(&mut open, &mut lines, line);
                    open.push(Open::Sequence { path, next: 0 });
                }
                Event::MappingEnd | Event::SequenceEnd => {
                    open.pop();
                }
                Event::Alias(_) => {
                    return Err((
                        line,
                        "aliases are not supported; write the value out".to_owned(),
                    ));
                }
                _ => {}
            }
        }
        Ok(Self(lines))
    }

    /// The line of a key or list item, counted from one.
    pub(super) fn line(&self, path: &str) -> Option<usize> {
        self.0.get(path).copied()
    }

    fn awaits_key(open: &[Open]) -> bool {
        matches!(open.last(), Some(Open::Mapping { key: None, .. }))
    }

    fn key(
        open: &mut [Open],
        lines: &mut HashMap<String, usize>,
        scalar: &str,
        line: usize,
    ) -> Result<(), (usize, String)> {
        let Some(Open::Mapping { path, key }) = open.last_mut() else {
            return Ok(());
        };
        let full = joined(path, scalar);
        if let Some(first) = lines.insert(full.clone(), line) {
            return Err((
                line,
                format!("key {full} stands twice, first on line {first}"),
            ));
        }
        *key = Some(full);
        Ok(())
    }

    /// The path of the value that begins here; takes the pending key or counts the list item.
    fn value_path(open: &mut [Open], lines: &mut HashMap<String, usize>, line: usize) -> String {
        match open.last_mut() {
            Some(Open::Mapping { key, .. }) => key.take().unwrap_or_default(),
            Some(Open::Sequence { path, next }) => {
                let full = joined(path, &next.to_string());
                *next += 1;
                lines.insert(full.clone(), line);
                full
            }
            None => String::new(),
        }
    }
}

/// A deserializer's path in our dotted form (`a.0.b`); the root is empty.
pub(super) fn dotted(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let segments = path.iter().filter_map(|segment| match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.clone()),
        Segment::Enum { variant } => Some(variant.clone()),
        Segment::Unknown => None,
    });
    segments.collect::<Vec<_>>().join(".")
}

/// Adds the field that an `unknown field` message names, where the path stops at its parent.
pub(super) fn with_unknown_field(path: &str, message: &str) -> String {
    let field = message
        .strip_prefix("unknown field `")
        .and_then(|rest| rest.split_once('`'))
        .map(|(field, _)| field);
    match field {
        Some(field) if path.rsplit('.').next() != Some(field) => joined(path, field),
        _ => path.to_owned(),
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}
