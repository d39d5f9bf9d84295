-- What is sold. `document` is the whole product; the columns beside it are what questions filter and sort by.
-- The order_* columns ascend: what is listed largest first is kept with its sign turned.
CREATE TABLE products (
    id TEXT PRIMARY KEY,
    slug TEXT NOT NULL UNIQUE,
    sku TEXT NOT NULL UNIQUE,
    category TEXT NOT NULL,
    price INTEGER NOT NULL,
    featured INTEGER NOT NULL,
    active INTEGER NOT NULL,
    availability TEXT NOT NULL,
    order_new INTEGER NOT NULL,
    order_price INTEGER NOT NULL,
    order_price_descending INTEGER NOT NULL,
    order_name TEXT NOT NULL,
    order_rating INTEGER NOT NULL,
    order_popular INTEGER NOT NULL,
    version INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX products_new ON products (order_new, id) WHERE active = 1;
CREATE INDEX products_price ON products (order_price, id) WHERE active = 1;
CREATE INDEX products_price_descending ON products (order_price_descending, id) WHERE active = 1;
CREATE INDEX products_name ON products (order_name, id) WHERE active = 1;
CREATE INDEX products_rating ON products (order_rating, id) WHERE active = 1;
CREATE INDEX products_popular ON products (order_popular, id) WHERE active = 1;
CREATE INDEX products_category_new ON products (category, order_new, id) WHERE active = 1;
CREATE INDEX products_category_price ON products (category, order_price, id) WHERE active = 1;
CREATE INDEX products_category_price_descending ON products (category, order_price_descending, id) WHERE active = 1;
CREATE INDEX products_category_name ON products (category, order_name, id) WHERE active = 1;
CREATE INDEX products_category_rating ON products (category, order_rating, id) WHERE active = 1;
CREATE INDEX products_category_popular ON products (category, order_popular, id) WHERE active = 1;
CREATE INDEX products_featured ON products (featured, order_popular, id) WHERE active = 1 AND featured = 1;

CREATE TABLE product_tags (
    product_id TEXT NOT NULL REFERENCES products (id) ON DELETE CASCADE,
    tag TEXT NOT NULL,
    PRIMARY KEY (product_id, tag)
) STRICT, WITHOUT ROWID;

CREATE TABLE product_sub_categories (
    product_id TEXT NOT NULL REFERENCES products (id) ON DELETE CASCADE,
    sub_category TEXT NOT NULL,
    PRIMARY KEY (product_id, sub_category)
) STRICT, WITHOUT ROWID;

CREATE TABLE stock (
    product_id TEXT PRIMARY KEY REFERENCES products (id) ON DELETE CASCADE,
    available INTEGER NOT NULL CHECK (available >= 0),
    low_at INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE stock_movements (
    number INTEGER PRIMARY KEY,
    product_id TEXT NOT NULL REFERENCES products (id) ON DELETE CASCADE,
    delta INTEGER NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX stock_movements_product ON stock_movements (product_id, number);

CREATE TABLE categories (
    slug TEXT PRIMARY KEY,
    position INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE combos (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    slug TEXT NOT NULL,
    sku TEXT NOT NULL UNIQUE,
    active INTEGER NOT NULL,
    position INTEGER NOT NULL,
    document TEXT NOT NULL,
    UNIQUE (kind, slug)
) STRICT, WITHOUT ROWID;
CREATE INDEX combos_kind ON combos (kind, position, slug) WHERE active = 1;

CREATE TABLE combo_components (
    combo_id TEXT NOT NULL REFERENCES combos (id) ON DELETE CASCADE,
    product_id TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (combo_id, product_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX combo_components_product ON combo_components (product_id);

-- One row: what the shop says of itself.
CREATE TABLE shop (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    document TEXT NOT NULL
) STRICT;

-- Every write appends here in its own transaction. AUTOINCREMENT: a number is never given twice, even after trimming.
CREATE TABLE changes (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    entity TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    tags TEXT NOT NULL
) STRICT;
