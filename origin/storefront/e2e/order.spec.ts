import AxeBuilder from "@axe-core/playwright";
import { expect, type Page, test } from "@playwright/test";

const violations = async (page: Page) => (await new AxeBuilder({ page }).analyze()).violations.map((one) => `${one.id}: ${one.nodes[0]?.html}`);

/** Puts enough of one product into the list and goes to the checkout. */
async function toCheckout(page: Page) {
  await page.goto("/price-list");
  await page.locator("tr", { hasText: "Family Combo Box" }).first().locator("input").fill("2");
  await page.getByRole("link", { name: "Checkout" }).click();
  await expect(page.getByTestId("quote-total")).toContainText("₹");
}

async function fill(page: Page, phone: string) {
  for (const [label, value] of [["Name", "Meena"], ["Mobile number", phone], ["Mail address", "meena@example.in"], ["House and street", "1, Main Street"], ["Town", "Sivakasi"], ["State", "Tamil Nadu"], ["PIN code", "626123"]] as const) {
    await page.getByLabel(label, { exact: true }).fill(value);
  }
  await page.getByLabel("I am 18 or older.").check();
}

test("a list becomes an order, is paid and called in for review, all by its own page", async ({ page }) => {
  await toCheckout(page);
  expect(await violations(page)).toEqual([]);
  await fill(page, "98765 43210");
  await page.getByRole("button", { name: "Place the order" }).click();
  await expect(page).toHaveURL(/\/order\/[0-9a-z]{25}$/);
  await expect(page.getByTestId("state")).toHaveText("Awaiting your payment");
  await expect(page.locator("h1")).toContainText("CR0");
  expect(await violations(page)).toEqual([]);
  await page.getByLabel("Reference of the transfer").fill("UTR123456789");
  await page.getByRole("button", { name: "I have paid" }).click();
  await expect(page.getByTestId("state")).toHaveText("We are checking your payment");
  await page.goto("/price-list");
  await expect(page.getByTestId("total")).toHaveCount(0);
});

test("a wrong number is named at its field, and nothing else has to be typed again", async ({ page }) => {
  await toCheckout(page);
  await fill(page, "12345");
  await page.getByRole("button", { name: "Place the order" }).click();
  await expect(page.getByLabel("Mobile number")).toHaveAttribute("aria-invalid", "true");
  await expect(page.getByLabel("Name", { exact: true })).toHaveValue("Meena");
  expect(await violations(page)).toEqual([]);
  await page.getByLabel("Mobile number").fill("9876543210");
  await page.getByLabel("Cash on delivery").check();
  await page.getByRole("button", { name: "Place the order" }).click();
  await expect(page.getByTestId("state")).toHaveText("Confirmed");
  await page.getByRole("button", { name: "Call the order off" }).click();
  await expect(page.getByTestId("state")).toHaveText("Called off");
});

test("a coupon that is none is named, and the list keeps its price", async ({ page }) => {
  await toCheckout(page);
  const before = await page.getByTestId("quote-total").textContent();
  await page.getByLabel("Coupon").fill("NO-SUCH-ONE");
  await page.getByRole("button", { name: "Use" }).click();
  await expect(page.getByRole("alert")).toContainText("not valid");
  await expect(page.getByTestId("quote-total")).toHaveText(before ?? "");
  await page.getByLabel("Coupon").fill("");
  await page.getByRole("button", { name: "Use" }).click();
  await expect(page.getByRole("alert")).toHaveCount(0);
});

test("delivery is by address until it is known where to", async ({ page }) => {
  await toCheckout(page);
  await expect(page.locator(".sums")).toContainText("Delivery");
  await fill(page, "9876543210");
  await expect(page.locator(".sums")).toContainText("₹0");
  expect(await violations(page)).toEqual([]);
});
