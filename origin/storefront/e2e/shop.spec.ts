import AxeBuilder from "@axe-core/playwright";
import { expect, test } from "@playwright/test";

const PAGES = ["/", "/catalogue", "/catalogue/rockets", "/product/baby-rocket-rkt000070", "/price-list", "/combos", "/gift-boxes", "/help"];
const SCREENSHOTS = process.env["CRACKERS_SCREENSHOTS"];

test.beforeEach(async ({ page }) => {
  const complaints: string[] = [];
  page.on("console", (message) => { if (message.type() === "error") complaints.push(message.text()); });
  page.on("pageerror", (error) => complaints.push(error.message));
  (page as unknown as { complaints: string[] }).complaints = complaints;
});

for (const path of PAGES) {
  test(`${path} is accessible, complains of nothing and looks like a shop`, async ({ page }, info) => {
    await page.goto(path);
    await expect(page.locator("h1")).toBeVisible();
    await page.waitForLoadState("networkidle");
    // What is not laid out yet has a place of its own choosing, which may lie under something else.
    await page.evaluate(() => document.querySelectorAll<HTMLElement>(".price-section").forEach((one) => { one.style.contentVisibility = "visible"; }));
    const found = await new AxeBuilder({ page }).analyze();
    expect(found.violations.map((one) => `${one.id}: ${one.nodes[0]?.html}`)).toEqual([]);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(overflow).toBeLessThanOrEqual(0);
    if (SCREENSHOTS) await page.screenshot({ path: `${SCREENSHOTS}/${info.project.name}${path.replaceAll("/", "-")}.png` });
    expect((page as unknown as { complaints: string[] }).complaints).toEqual([]);
  });
}

for (const path of ["/", "/catalogue", "/price-list"]) {
  test(`${path} does not move under the finger while it loads slowly`, async ({ page, context }) => {
    const browser = await context.newCDPSession(page);
    // Fast 4G, as lighthouse simulates it.
    await browser.send("Network.emulateNetworkConditions", { offline: false, latency: 150, downloadThroughput: 1_600_000 / 8, uploadThroughput: 750_000 / 8 });
    await page.addInitScript(() => {
      const seen = { shift: 0, paint: 0, moved: [] as string[] };
      (window as unknown as { seen: typeof seen }).seen = seen;
      new PerformanceObserver((list) => { for (const entry of list.getEntries()) { const one = entry as unknown as { value: number; sources: { node: Element | null }[] }; seen.shift += one.value; seen.moved.push(one.sources.map((source) => `${source.node?.nodeName}.${source.node?.className}`).join(" ")); } }).observe({ type: "layout-shift", buffered: true });
      new PerformanceObserver((list) => { for (const entry of list.getEntries()) seen.paint = entry.startTime; }).observe({ type: "largest-contentful-paint", buffered: true });
    });
    await page.goto(path);
    await page.waitForLoadState("networkidle");
    const seen = await page.evaluate(() => (window as unknown as { seen: { shift: number; paint: number; moved: string[] } }).seen);
    test.info().annotations.push({ type: "largest contentful paint", description: `${Math.round(seen.paint)} ms` });
    if (process.env["CRACKERS_VITALS"]) console.log(`${test.info().project.name} ${path}: LCP ${Math.round(seen.paint)} ms, CLS ${seen.shift.toFixed(4)} ${seen.moved.join("; ")}`);
    expect(seen.shift, seen.moved.join("; ")).toBeLessThan(0.02);
  });
}

test("from the home page to a product by category and filter", async ({ page }) => {
  await page.goto("/");
  await page.locator(".category", { hasText: "Rockets" }).click();
  await expect(page.locator("h1")).toHaveText("Rockets");
  await page.locator("select").last().selectOption("price");
  await expect(page).toHaveURL(/sort=price/);
  await expect(page.locator(".card-product .name").first()).toHaveText("Baby Rocket");
  await page.locator(".card-product a").first().click();
  await expect(page.locator("h1")).toHaveText("Baby Rocket");
  await expect(page.locator(".price s")).toContainText("₹250");
  const found = await new AxeBuilder({ page }).analyze();
  expect(found.violations.map((one) => one.id)).toEqual([]);
});

test("a hurried search finds flower pots", async ({ page }) => {
  await page.goto("/catalogue");
  await page.getByRole("searchbox", { name: "Search", exact: true }).fill("flwr pot");
  await expect(page).toHaveURL(/q=flwr/);
  await expect(page.locator(".card-product .name").first()).toContainText("Flower Pots");
});

test("quantities on the price list survive a reload", async ({ page }) => {
  await page.goto("/price-list");
  const row = page.locator("tr", { hasText: "15 cm Electric Sparklers" }).first();
  await row.locator("input").fill("4");
  await expect(page.getByTestId("total")).toContainText("₹120");
  await page.reload();
  await expect(page.getByTestId("total")).toContainText("₹120");
});

test("an address where nothing is answers 404 and leads back", async ({ page }) => {
  const response = await page.goto("/nothing/here");
  expect(response?.status()).toBe(404);
  await page.getByRole("link", { name: "Back to the shop" }).click();
  await expect(page).toHaveURL(/\/$/);
});

test("a person without a network is told so", async ({ page, context }) => {
  await page.goto("/help");
  await expect(page.locator("h1")).toBeVisible();
  await context.setOffline(true);
  await expect(page.getByText("You are offline.")).toBeVisible();
});

test("a page that cannot be fetched without a network is replaced by one that says so", async ({ page, context }) => {
  await page.goto("/");
  await page.evaluate(async () => { await navigator.serviceWorker.ready; });
  await context.setOffline(true);
  await page.goto("/combos");
  await expect(page.locator("h1")).toHaveText("You are offline");
  const found = await new AxeBuilder({ page }).analyze();
  expect(found.violations.map((one) => one.id)).toEqual([]);
  await context.setOffline(false);
  await page.getByRole("link", { name: "Try again" }).click();
  await expect(page.locator(".card-product").first()).toBeVisible();
});

test("a product's tabs are chosen by pointer and by arrow keys", async ({ page }) => {
  await page.goto("/catalogue/rockets");
  await page.locator(".card-product a").first().click();
  await expect(page.getByRole("tabpanel")).toContainText("Weight");
  await page.getByRole("tab", { name: "Safety" }).click();
  await expect(page.getByRole("tabpanel").locator("li").first()).toBeVisible();
  await page.keyboard.press("ArrowRight");
  await expect(page.getByRole("tab", { name: "Delivery" })).toBeFocused();
  await expect(page.getByRole("tabpanel")).toContainText("Minimum order");
  const found = await new AxeBuilder({ page }).analyze();
  expect(found.violations.map((one) => one.id)).toEqual([]);
});

test("a shop that is too busy says when to come back, and comes back by itself", async ({ page }) => {
  await page.route("**/api/bundles", (route) => route.fulfill({ status: 503, headers: { "retry-after": "1" }, contentType: "application/problem+json", body: '{"detail":"x","code":"overloaded"}' }), { times: 2 });
  await page.goto("/combos");
  await expect(page.locator(".card-product").first()).toBeVisible();
});

test("a busy shop is explained and can be asked again", async ({ page }) => {
  await page.route("**/api/bundles", (route) => route.fulfill({ status: 500, contentType: "application/problem+json", body: '{"detail":"x","code":"internal"}' }), { times: 1 });
  await page.goto("/combos");
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.locator(".card-product").first()).toBeVisible();
});

test("the first key press leads past the header", async ({ page }) => {
  await page.goto("/");
  await expect(page.locator("h1")).toBeVisible();
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to the page" })).toBeFocused();
});

test("a product's page speaks to search engines without scripts", async ({ request }) => {
  const list = (await (await request.get("/api/products?limit=1")).json()) as { items: { slug: string; name: string }[] };
  const product = list.items[0]!;
  const html = await (await request.get(`/product/${product.slug}`)).text();
  expect(html).toContain(`<title>${product.name}`);
  expect(html).toContain("application/ld+json");
});

test("what was searched for is offered again, after a reload too", async ({ page }) => {
  await page.goto("/");
  await page.getByRole("combobox", { name: "Search fireworks" }).fill("rocket");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/q=rocket/);
  await page.reload();
  await expect(page.locator("#recent-searches option")).toHaveAttribute("value", "rocket");
});

test("more of the catalogue comes while somebody scrolls, three pages of it", async ({ page }) => {
  await page.goto("/catalogue");
  const cards = page.locator(".card-product");
  await expect(cards).toHaveCount(24);
  const toTheEnd = () => page.evaluate(() => scrollTo({ top: document.body.scrollHeight, behavior: "instant" }));
  for (const count of [48, 72]) {
    await toTheEnd();
    await expect(cards).toHaveCount(count);
  }
  await toTheEnd();
  await page.getByRole("button", { name: "Show more" }).click();
  await expect(cards).toHaveCount(96);
});

test("a page's script is fetched when its link is pointed at, not before", async ({ page }, info) => {
  test.skip(info.project.name === "phone", "nothing is pointed at on a phone");
  const fetched: string[] = [];
  page.on("request", (request) => fetched.push(new URL(request.url()).pathname));
  await page.goto("/");
  await page.waitForLoadState("networkidle");
  const isFetched = () => fetched.some((path) => /^\/assets\/help-.*\.js$/.test(path));
  expect(isFetched()).toBe(false);
  await page.getByRole("link", { name: "Help" }).hover();
  await expect.poll(isFetched).toBe(true);
});
