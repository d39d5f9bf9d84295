-- Lists of a time, of all orders and of those in a state, walk from its newest order on; the number is in every index.
CREATE INDEX orders_placed ON orders (placed_at);
CREATE INDEX orders_state_placed ON orders (state, placed_at);
