//! The schema, in numbered steps that are never edited once released, only followed by others.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::super::error::DatabaseError;
use super::{Answer, tallies};
use crate::commerce::ids;

/// Each step runs once, in order; its number is its place, counted from one.
const STEPS: &[&str] = &[
    include_str!("migrations/0001_catalogue.sql"),
    include_str!("migrations/0002_orders.sql"),
    include_str!("migrations/0003_records.sql"),
    include_str!("migrations/0004_tallies.sql"),
    include_str!("migrations/0005_orders_by_time.sql"),
];

/// The step after which the program fills in what SQL cannot say.
const FILLED_IN: i64 = 4;

/// Brings the schema up to date under the database's write lock, and answers with the database's id.
pub(super) fn run(connection: &mut Connection) -> Answer<String> {
    run_steps(connection, STEPS)
}

fn run_steps(connection: &mut Connection, steps: &[&str]) -> Answer<String> {
    // The lock is taken before the version is read, so that of two programs that start together one waits.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
    )?;
    let found = meta(&transaction, "schema")?.map_or(Ok(0), |text| {
        text.parse::<i64>()
            .map_err(|_| DatabaseError::Corrupt(format!("schema version {text:?}")))
    })?;
    let known = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(DatabaseError::NewerSchema { found, known });
    }
    for step in steps.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(step)?;
    }
    if found < FILLED_IN && known >= FILLED_IN {
        tallies::fill_in(&transaction)?;
    }
    put_meta(&transaction, "schema", &known.to_string())?;
    let id = match meta(&transaction, "database_id")? {
        Some(id) => id,
        None => {
            let id = ids::unguessable();
            put_meta(&transaction, "database_id", &id)?;
            id
        }
    };
    transaction.commit()?;
    Ok(id)
}

fn meta(connection: &Connection, key: &str) -> Answer<Option<String>> {
    let mut statement = connection.prepare("SELECT value FROM meta WHERE key = ?1")?;
    Ok(statement.query_row([key], |row| row.get(0)).optional()?)
}

fn put_meta(connection: &Connection, key: &str, value: &str) -> Answer<()> {
    connection.execute(
        "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)",
        [key, value],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_older_program_wrote_is_there_after_the_next_step() {
        let mut connection = Connection::open_in_memory().unwrap();
        let id = run_steps(&mut connection, &STEPS[..2]).unwrap();
        let old = r#"INSERT INTO orders (number, id, tracking_token, state, document) VALUES
                (7, 'a', 'b', 'confirmed', '{"id":"a","number":7,"tracking_token":"b","state":"confirmed",
                    "contact":{"name":"Meena Kumari","phone":"9876543210","email":"m@example.in"},
                    "address":{"line1":"1","line2":"","city":"c","state":"s","pincode":"626123"},"payment":"bank_transfer",
                    "quote":{"lines":[],"goods":900,"saved":0,"packing":0,"rounding":0,"total":900},"history":[],
                    "placed_at":"2026-11-08T18:30:00Z","expires_at":null,"version":1}');
            INSERT INTO order_keys (key, body_hash, order_number) VALUES ('k', 'h', 7);
            INSERT INTO products VALUES ('p', 's', 'k', 'c', 1, 0, 1, 'low', 0, 0, 0, '', 0, 0, 1, '{}');
            INSERT INTO stock VALUES ('p', 5, 2, 1);
            INSERT INTO stock_movements VALUES (1, 'p', 5, 'opening', 0);"#;
        connection.execute_batch(old).unwrap();
        assert_eq!(run(&mut connection).unwrap(), id);
        let number = |sql: &str| {
            connection
                .query_row(sql, [], |row| row.get::<_, i64>(0))
                .unwrap()
        };
        assert_eq!(
            number("SELECT number FROM order_marks WHERE mark = 'phone:9876543210'"),
            7
        );
        assert_eq!(
            number("SELECT number FROM order_marks WHERE mark = 'email:m@example.in'"),
            7
        );
        assert_eq!(
            number("SELECT available FROM stock WHERE product_id = 'p'"),
            5
        );
        assert_eq!(
            number("SELECT sum(delta) FROM stock_movements WHERE product_id = 'p'"),
            5
        );
        assert_eq!(number("SELECT count(*) FROM order_keys"), 1);
        assert_eq!(
            number("SELECT number FROM orders INDEXED BY orders_placed WHERE placed_at > 0"),
            7
        );
        let filled_in = [
            (
                "SELECT number FROM order_marks WHERE mark = 'name:kumari'",
                7,
            ),
            ("SELECT placed_at / 1000000 FROM orders", 1_794_162_600),
            (
                "SELECT value FROM tallies WHERE kind = 'revenue_by_day' AND key = '2026-11-09'",
                900,
            ),
        ];
        for (sql, wanted) in filled_in {
            assert_eq!(number(sql), wanted, "{sql}");
        }
    }
}
