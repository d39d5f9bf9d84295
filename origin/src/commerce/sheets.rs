//! Cells of CSV (RFC 4180: CRLF, quotes where needed), as spreadsheets read and write them.

use super::money::Paise;

/// What a cell begins with that a spreadsheet would run (CSV injection).
const BEGINS_FORMULA: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\n'];

/// A cell that no spreadsheet runs: a leading apostrophe keeps what begins like a formula text. One that begins with an
/// apostrophe gets another one, so that [`plain`] gives back exactly what was there.
pub fn safe(cell: &str) -> String {
    if cell.starts_with(BEGINS_FORMULA) || cell.starts_with('\'') {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

/// What a cell says without the apostrophe of [`safe`].
pub fn plain(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(BEGINS_FORMULA) || rest.starts_with('\'') => rest,
        _ => cell,
    }
}

/// Rows as CSV.
///
/// # Errors
/// Never in practice: writing goes to memory.
pub fn to_csv<R, C>(rows: impl IntoIterator<Item = R>) -> Result<Vec<u8>, csv::Error>
where
    R: IntoIterator<Item = C>,
    C: AsRef<[u8]>,
{
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    for row in rows {
        writer.write_record(row)?;
    }
    let written = writer.into_inner();
    written.map_err(|error| csv::Error::from(error.into_error()))
}

/// An amount in rupees with two decimals.
pub fn rupees(amount: Paise) -> String {
    let sign = if amount.0 < 0 { "-" } else { "" };
    let paise = amount.0.unsigned_abs();
    format!("{sign}{}.{:02}", paise / 100, paise % 100)
}

/// The amount of rupees that are written with at most two decimals and nothing else; `None` for anything else. Digits are
/// counted as whole numbers: there is no floating point in the shop.
pub fn rupees_of(text: &str) -> Option<Paise> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(whole) || !is_digits(decimals) || decimals.len() > 2 {
        return None;
    }
    let tenths_or_hundredths: i64 = decimals.parse().ok()?;
    let paise = match decimals.len() {
        1 => tenths_or_hundredths * 10,
        _ => tenths_or_hundredths,
    };
    let rupees = whole.parse().ok()?;
    Paise::from_rupees(rupees)?.checked_add(Paise(paise))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cells_that_begin_like_a_formula_stay_text() {
        for cell in ["=1+1", "+1", "-1", "@sum", "\t=1", "\r=1"] {
            assert_eq!(safe(cell), format!("'{cell}"));
        }
        assert_eq!(safe("7 cm Electric"), "7 cm Electric");
        assert_eq!(plain("'tis"), "'tis");
    }

    #[test]
    fn rupees_have_two_decimals_and_are_read_as_whole_paise() {
        assert_eq!(rupees(Paise(800)), "8.00");
        assert_eq!(rupees(Paise(5)), "0.05");
        for (text, paise) in [("12", 1200), ("12.5", 1250), ("0.05", 5), ("12.", -1)] {
            let wanted = (paise >= 0).then_some(Paise(paise));
            assert_eq!(rupees_of(text), wanted, "{text}");
        }
        for wrong in [
            "",
            ".5",
            "1,200",
            "-1",
            "+1",
            "1e3",
            "1.234",
            "₹1",
            "NaN",
            "92233720368547758.08",
        ] {
            assert_eq!(rupees_of(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_again(cell in "['=+@a\t-]{0,4}\\PC{0,8}", paise in 0_i64..1_000_000_000_000) {
            let written = safe(&cell);
            prop_assert_eq!(plain(&written), cell.as_str());
            prop_assert!(!written.starts_with(BEGINS_FORMULA));
            prop_assert_eq!(rupees_of(&rupees(Paise(paise))), Some(Paise(paise)));
        }
    }
}
