import { expect, type Page, test } from "@playwright/test";

interface Item { name: string; slug: string; price: { amount_paise: number }; mrp: { amount_paise: number }; discount_percent: number; availability: string }

/** What the API says to a question, to hold the page against. */
async function asked(page: Page, query: string): Promise<{ items: Item[]; total: number }> {
  return (await (await page.request.get(`/api/products?limit=100&${query}`)).json()) as { items: Item[]; total: number };
}

const names = (page: Page) => page.locator(".card-product .name").allTextContents();

test("prices from and to are typed in rupees, stand in the address and hold", async ({ page }) => {
  await page.goto("/catalogue");
  await page.getByLabel("Price from").fill("100");
  await page.getByLabel("Price to").fill("150");
  await expect(page).toHaveURL(/\?min=100&max=150$/);
  const expected = await asked(page, "min=10000&max=15000");
  expect(expected.total).toBeGreaterThan(0);
  await expect(page.getByRole("status").first()).toHaveText(`${expected.total} products`);
  const prices = await page.locator(".card-product .price strong").allTextContents();
  for (const price of prices) {
    const rupees = Number(price.replace(/[₹,]/g, ""));
    expect(rupees).toBeGreaterThanOrEqual(100);
    expect(rupees).toBeLessThanOrEqual(150);
  }
});

test("an address with every filter shows the same list to whoever opens it", async ({ page }) => {
  const expected = await asked(page, "category=rockets&min=5000&max=100000&stock=available&sort=-price");
  expect(expected.total).toBeGreaterThan(1);
  await page.goto("/catalogue/rockets?min=50&max=1000&stock=available&sort=-price");
  await expect(page.getByRole("status").first()).toHaveText(`${expected.total} products`);
  expect(await names(page)).toEqual(expected.items.slice(0, 24).map((one) => one.name));
  await expect(page.getByLabel("Price from")).toHaveValue("50");
  await expect(page.getByLabel("Price to")).toHaveValue("1000");
  await expect(page.getByLabel("Availability")).toHaveValue("available");
});

test("what can be had now leaves out what is sold out", async ({ page }) => {
  const [all, available] = [await asked(page, ""), await asked(page, "stock=available")];
  expect(available.total).toBeLessThan(all.total);
  await page.goto("/catalogue");
  await page.getByLabel("Availability").selectOption("available");
  await expect(page.getByRole("status").first()).toHaveText(`${available.total} products`);
  await expect(page.locator(".card-product .stock.sold_out")).toHaveCount(0);
});

test("a part of a category is chosen, and going back undoes it all", async ({ page }) => {
  const categories = (await (await page.request.get("/api/categories")).json()) as { items: { slug: string; name: string; sub_categories: { slug: string; name: string }[] }[] };
  const category = categories.items.find((one) => one.sub_categories.length > 1)!;
  const sub = category.sub_categories[0]!;
  const [whole, part] = [await asked(page, `category=${category.slug}`), await asked(page, `category=${category.slug}&sub=${sub.slug}`)];
  expect(part.total).toBeLessThan(whole.total);
  await page.goto("/");
  await page.goto(`/catalogue/${category.slug}`);
  await page.getByLabel("Category").selectOption(sub.slug);
  await expect(page.getByRole("status").first()).toHaveText(`${part.total} products`);
  await page.goBack();
  await expect(page).toHaveURL(/\/$/);
});

test("the printed price is struck through beside ours, with what is saved in percent", async ({ page }) => {
  const { items } = await asked(page, "category=rockets&sort=price");
  const product = items.find((one) => one.discount_percent > 0)!;
  const saved = Math.floor((1 - product.price.amount_paise / product.mrp.amount_paise) * 100);
  expect(Math.abs(product.discount_percent - saved)).toBeLessThanOrEqual(1);
  await page.goto(`/product/${product.slug}`);
  await expect(page.locator(".price s")).toContainText(`₹${(product.mrp.amount_paise / 100).toLocaleString("en-IN")}`);
  await expect(page.locator(".price .off")).toHaveText(`${product.discount_percent}% off`);
  expect(await page.locator(".price s").evaluate((element) => getComputedStyle(element).textDecorationLine)).toContain("line-through");
});

test("what a product's page tells search engines is a Product with its offer", async ({ request }) => {
  const list = (await (await request.get("/api/products?limit=1&stock=available")).json()) as { items: Item[] };
  const product = list.items[0]!;
  const html = await (await request.get(`/product/${product.slug}`)).text();
  const data = JSON.parse(/<script type="application\/ld\+json">(.*?)<\/script>/s.exec(html)![1]!) as Record<string, unknown> & { offers: Record<string, unknown> };
  expect(data["@context"]).toBe("https://schema.org");
  expect(data["@type"]).toBe("Product");
  expect(data["name"]).toBe(product.name);
  expect(data.offers["priceCurrency"]).toBe("INR");
  expect(Number(data.offers["price"])).toBe(product.price.amount_paise / 100);
  expect(String(data.offers["availability"])).toContain("InStock");
  expect(html).toContain('<link rel="canonical" href="');
  expect(html).toContain('property="og:title"');
});

test("libraries come in chunks of their own, under names that are kept for a year", async ({ page }) => {
  const scripts = new Map<string, string>();
  page.on("response", (response) => {
    const path = new URL(response.url()).pathname;
    if (path.endsWith(".js") && path.startsWith("/assets/")) scripts.set(path, response.headers()["cache-control"] ?? "");
  });
  await page.goto("/");
  await page.waitForLoadState("networkidle");
  const fetched = [...scripts.keys()].map((path) => path.replace(/^\/assets\/(.+)-[\w-]{8}\.js$/, "$1"));
  expect(fetched).toEqual(expect.arrayContaining(["react", "query", "index", "home"]));
  for (const later of ["catalogue", "product", "price-list", "checkout", "order", "help"]) expect(fetched).not.toContain(later);
  for (const [path, kept] of scripts) expect(kept, path).toBe("public, max-age=31536000, immutable");
});
