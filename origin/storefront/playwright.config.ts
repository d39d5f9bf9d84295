import { defineConfig, devices } from "@playwright/test";

/** Runs against a shop that is already up; the browser is the system's own, nothing is downloaded. */
export default defineConfig({
  testDir: "e2e",
  outputDir: "../../target/playwright",
  workers: 1,
  // As long as a busy machine may take; what is asked for is the same.
  timeout: 90_000,
  expect: { timeout: 20_000 },
  reporter: "list",
  use: {
    baseURL: process.env["CRACKERS_URL"] ?? "http://localhost:8080",
    launchOptions: { executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium", args: ["--no-sandbox"] },
  },
  projects: [
    { name: "phone", use: { ...devices["Pixel 7"], viewport: { width: 390, height: 844 } } },
    { name: "desktop", use: { viewport: { width: 1440, height: 900 } } },
  ],
});
