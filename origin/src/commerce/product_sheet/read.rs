//! From bytes to lines of cells: the shape of a sheet, not what it says.

use super::Column;

/// What is wrong with a sheet, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SheetProblem {
    /// Counted from 1; the header is the first.
    pub line: u64,
    /// The name of the column, where it is in one.
    pub column: Option<String>,
    /// Stable; programs may decide by it.
    pub code: &'static str,
    /// What would be accepted.
    pub expected: String,
}

/// A line with one cell for each column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where it begins in the file, counted from 1.
    pub number: u64,
    /// In the order of the columns.
    pub cells: Vec<String>,
}

/// A sheet that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    /// What is in which place.
    pub columns: Vec<Column>,
    /// In the order of the file, the header left out.
    pub lines: Vec<Line>,
}

fn problem(line: u64, code: &'static str, expected: impl Into<String>) -> SheetProblem {
    SheetProblem {
        line,
        column: None,
        code,
        expected: expected.into(),
    }
}

/// Reads a sheet of at most `lines_max` lines beside its header.
///
/// # Errors
/// Everything that keeps it from being read: unknown, doubled and missing columns, lines of another length, too many of them,
/// text that is not UTF-8.
pub fn read(bytes: &[u8], lines_max: usize) -> Result<Sheet, Vec<SheetProblem>> {
    // Spreadsheets put a mark before UTF-8 (RFC 3629 6).
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        vec![problem(line as u64, "not_utf8", "text in UTF-8")]
    })?;
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut records = reader.records();
    let broken = |error: csv::Error| {
        let line = error.position().map_or(0, csv::Position::line);
        vec![problem(line, "malformed_line", "CSV (RFC 4180)")]
    };
    let header = match records.next() {
        Some(header) => header.map_err(broken)?,
        None => return Err(vec![problem(1, "no_header", "a header line")]),
    };
    let columns = columns(&header)?;
    let mut lines = Vec::new();
    let mut problems = Vec::new();
    let mut counter = LineCounter::new(text);
    for record in records {
        let record = record.map_err(broken)?;
        let number = counter.line_of(record.position().map_or(0, csv::Position::byte));
        if lines.len() + problems.len() >= lines_max {
            let expected = format!("at most {lines_max} lines beside the header");
            problems.push(problem(number, "too_many_lines", expected));
            break;
        }
        if record.len() == columns.len() {
            let cells = record.iter().map(str::to_owned).collect();
            lines.push(Line { number, cells });
        } else {
            let expected = format!("{} cells, not {}", columns.len(), record.len());
            problems.push(problem(number, "wrong_cells", expected));
        }
    }
    if problems.is_empty() {
        Ok(Sheet { columns, lines })
    } else {
        Err(problems)
    }
}

/// Counts lines of a text on, from one record to the next.
struct LineCounter<'a> {
    text: &'a str,
    byte: usize,
    line: u64,
}

impl<'a> LineCounter<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            byte: 0,
            line: 1,
        }
    }

    /// The line of a record. The reader says that it begins before the rest of the line end that it has not looked at yet.
    fn line_of(&mut self, byte: u64) -> u64 {
        let bytes = self.text.as_bytes();
        let mut start = usize::try_from(byte).map_or(bytes.len(), |byte| byte.min(bytes.len()));
        while matches!(bytes.get(start), Some(b'\r' | b'\n')) {
            start += 1;
        }
        let passed = bytes.get(self.byte..start).unwrap_or_default();
        let lines = passed.iter().filter(|byte| **byte == b'\n').count();
        self.line += u64::try_from(lines).unwrap_or(0);
        self.byte = start.max(self.byte);
        self.line
    }
}

fn columns(header: &csv::StringRecord) -> Result<Vec<Column>, Vec<SheetProblem>> {
    let known: Vec<_> = Column::ALL.into_iter().map(Column::name).collect();
    let mut columns = Vec::new();
    let mut problems = Vec::new();
    for name in header.iter().map(str::trim) {
        let refused = match Column::of_name(name) {
            Some(column) if columns.contains(&column) => "doubled_column",
            Some(column) => {
                columns.push(column);
                continue;
            }
            None => "unknown_column",
        };
        problems.push(SheetProblem {
            column: Some(name.chars().take(64).collect()),
            ..problem(1, refused, format!("each once of {}", known.join(", ")))
        });
    }
    if !columns.contains(&Column::Sku) {
        problems.push(SheetProblem {
            column: Some("sku".to_owned()),
            ..problem(1, "missing_column", "a column sku")
        });
    }
    if problems.is_empty() {
        Ok(columns)
    } else {
        Err(problems)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn codes(text: &[u8]) -> Vec<(u64, &'static str)> {
        let problems = read(text, 3).unwrap_err();
        problems.iter().map(|one| (one.line, one.code)).collect()
    }

    #[test]
    fn lines_are_numbered_as_in_the_file() {
        let text = b"\xef\xbb\xbfname,sku\r\n\"two\r\nlines\",A\r\nB,C\r\n";
        let sheet = read(text, 3).unwrap();
        assert_eq!(sheet.columns, [Column::Name, Column::Sku]);
        let lines: Vec<_> = sheet
            .lines
            .iter()
            .map(|line| (line.number, line.cells[0].as_str()))
            .collect();
        assert_eq!(lines, [(2, "two\r\nlines"), (4, "B")]);
    }

    #[test]
    fn every_kind_of_line_end_counts_alike() {
        for text in ["sku\nA\n\nB\n", "sku\r\nA\r\n\r\nB\r\n"] {
            let sheet = read(text.as_bytes(), 3).unwrap();
            let numbers: Vec<_> = sheet.lines.iter().map(|line| line.number).collect();
            assert_eq!(numbers, [2, 4], "{text:?}");
        }
    }

    #[test]
    fn what_keeps_a_sheet_from_being_read_is_named() {
        assert_eq!(codes(b""), [(1, "no_header")]);
        assert_eq!(codes(b"name\n"), [(1, "missing_column")]);
        assert_eq!(
            codes(b"sku,sku,colour\n"),
            [(1, "doubled_column"), (1, "unknown_column")]
        );
        assert_eq!(
            codes(b"sku,name\nA\nB,b,b\n"),
            [(2, "wrong_cells"), (3, "wrong_cells")]
        );
        assert_eq!(codes(b"sku\nA\nB\nC\nD\nE\n"), [(5, "too_many_lines")]);
        assert_eq!(codes(b"sku\nA\n\xff\n"), [(3, "not_utf8")]);
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes, 5);
        }
    }
}
