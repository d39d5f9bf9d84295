// What a crowd comes for, an errand a line, as benches/rush reads it.
//   evening: people who browse and buy. overload: searches that nobody made before, and orders (of 10 visits, ORDERS).
import fs from "node:fs";
const [url, kind, bodiesFile, orders = "1"] = process.argv.slice(2);
const text = async (path) => (await fetch(url + path)).text();
const bodies = fs.readFileSync(bodiesFile, "utf8").trim().split("\n");
const each = (name, weight, all) => all.forEach((errand) => console.log(JSON.stringify({ class: name, weight: weight / all.length, method: "GET", body: null, ...errand })));
const order = bodies.map((body) => ({ method: "POST", path: "/api/orders", keyed: true, body }));
const words = ["rocket", "sparkler", "flower pot", "chakkar", "bomb", "flwr pot", "gift", "sky shot"];
if (kind === "overload") {
  const share = Number(orders);
  if (share < 10) each("search", 10 - share, words.map((word) => ({ path: `/api/products?q=${encodeURIComponent(word)}&max=9{n}` })));
  if (share > 0) each("order", share, order);
} else {
  const { items } = JSON.parse(await text("/api/products?limit=100"));
  const { items: categories } = JSON.parse(await text("/api/categories"));
  const shell = await text("/");
  const files = [...shell.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, path]) => ({ path }));
  const lists = categories.flatMap(({ slug }) => ["popular", "price", "-price"].map((sort) => ({ path: `/api/products?category=${slug}&sort=${sort}` })));
  each("page", 15, [{ path: "/" }, { path: "/price-list" }, ...items.map(({ slug }) => ({ path: `/product/${slug}` }))]);
  each("file", 25, files);
  each("list", 25, lists);
  each("product", 20, items.map(({ slug }) => ({ path: `/api/products/${slug}` })));
  each("search", 6, words.flatMap((word) => [...word].map((_, end) => ({ path: `/api/products?q=${encodeURIComponent(word.slice(0, end + 1))}` }))));
  each("search, never made before", 1, words.map((word) => ({ path: `/api/products?q=${encodeURIComponent(word)}&max=9{n}` })));
  each("quote", 6, bodies.map((body) => ({ method: "POST", path: "/api/cart/quote", body: JSON.stringify({ lines: JSON.parse(body).lines }) })));
  each("order", 2, order);
}
