-- Everything that is kept as one document with a version: customers, sessions, staff, coupons, mails.
CREATE TABLE records (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    due_at INTEGER,
    document TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX records_due ON records (kind, due_at) WHERE due_at IS NOT NULL;

-- What records are listed by.
CREATE TABLE record_keys (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (kind, key, id),
    FOREIGN KEY (kind, id) REFERENCES records (kind, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX record_keys_of ON record_keys (kind, id);

-- What a record alone may have.
CREATE TABLE record_unique_keys (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (kind, key),
    FOREIGN KEY (kind, id) REFERENCES records (kind, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX record_unique_keys_of ON record_unique_keys (kind, id);

-- What orders are looked for by: `customer:…`, `phone:…`, `email:…`.
CREATE TABLE order_marks (
    mark TEXT NOT NULL,
    number INTEGER NOT NULL REFERENCES orders (number),
    PRIMARY KEY (mark, number)
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO order_marks (mark, number)
    SELECT 'phone:' || json_extract(document, '$.contact.phone'), number FROM orders
    UNION SELECT 'email:' || json_extract(document, '$.contact.email'), number FROM orders;

-- Keys of requests are kept for a day.
ALTER TABLE order_keys ADD COLUMN at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX order_keys_at ON order_keys (at);

-- A coupon's uses are a stock too (`coupon:…`), taken by the order that uses it: so a stock need not be a product's.
CREATE TABLE new_stock (
    product_id TEXT PRIMARY KEY,
    available INTEGER NOT NULL CHECK (available >= 0),
    low_at INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO new_stock SELECT product_id, available, low_at, version FROM stock;
DROP TABLE stock;
ALTER TABLE new_stock RENAME TO stock;

CREATE TABLE new_stock_movements (
    number INTEGER PRIMARY KEY,
    product_id TEXT NOT NULL,
    delta INTEGER NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
INSERT INTO new_stock_movements SELECT number, product_id, delta, reason, at FROM stock_movements;
DROP TABLE stock_movements;
ALTER TABLE new_stock_movements RENAME TO stock_movements;
CREATE INDEX stock_movements_product ON stock_movements (product_id, number);
