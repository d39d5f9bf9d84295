-- When an order was placed, in microseconds: filled in by the program, which also writes marks for names and tallies.
ALTER TABLE orders ADD COLUMN placed_at INTEGER NOT NULL DEFAULT 0;

-- What is counted of orders, in the transaction of what is counted.
CREATE TABLE tallies (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX tallies_largest ON tallies (kind, value DESC, key);

-- Which products are low or sold out, without looking at all of them.
CREATE INDEX products_availability ON products (availability, id) WHERE active = 1;
