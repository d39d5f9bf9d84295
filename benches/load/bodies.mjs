// Orders to send, one JSON body a line: `hot` is one product for everybody, `spread` three lines of many products.
const [url, kind] = process.argv.slice(2);
// Each question from an address of its own, where this machine is believed: one alone may not ask so often.
let asked = 0;
const ask = async (path, body) => {
  asked += 1;
  const headers = { "Content-Type": "application/json", "X-Forwarded-For": `10.255.${asked >> 8}.${asked & 255}` };
  const response = await fetch(url + path, body && { method: "POST", headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response.json();
};
const { items } = await ask("/api/products?limit=100&sort=-price&stock=in_stock");
// The dearest ones: a line of them is worth the shop's minimum.
const sellable = items.filter((item) => !item.restricted).slice(0, 60);
const lists = kind === "hot" ? [[sellable[0]]] : Array.from({ length: 200 }, (_, n) => [0, 7, 19].map((step) => sellable[(n + step * (1 + (n % 3))) % sellable.length]));
for (const list of lists) {
  const lines = [...new Map(list.map((item) => [item.id, { kind: "product", id: item.id, quantity: Math.max(1, item.order_min) }])).values()];
  let quote = await ask("/api/cart/quote", { lines });
  for (let more = 2; !quote.meets_minimum && more <= 20; more += 1) {
    for (const line of lines) line.quantity = more;
    quote = await ask("/api/cart/quote", { lines });
  }
  console.log(JSON.stringify({
    lines,
    contact: { name: "Meena", phone: "9876543210", email: "meena@example.in" },
    address: { line1: "1, Main Street", city: "Sivakasi", state: "Tamil Nadu", pincode: "626123" },
    payment: "bank_transfer",
    is_adult: true,
    expected_total_paise: quote.total.amount_paise,
  }));
}
