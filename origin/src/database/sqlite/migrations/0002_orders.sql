-- What was ordered. `document` is the whole order; the columns beside it are what questions look for.
CREATE TABLE orders (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    tracking_token TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    expires_at INTEGER,
    document TEXT NOT NULL
) STRICT;
CREATE INDEX orders_due ON orders (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX orders_state ON orders (state, number);

-- Which request placed which order: the same key never places a second one.
CREATE TABLE order_keys (
    key TEXT PRIMARY KEY,
    body_hash TEXT NOT NULL,
    order_number INTEGER NOT NULL REFERENCES orders (number)
) STRICT, WITHOUT ROWID;
