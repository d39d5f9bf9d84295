import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

/** Which chunk a library goes to: what changes rarely keeps its hashed name, and with it its place in every cache. */
function vendor(id: string): string | undefined {
  if (!id.includes("node_modules")) return undefined;
  if (/node_modules\/(react|react-dom|scheduler|react-router)\//.test(id)) return "react";
  if (id.includes("@tanstack")) return "query";
  return undefined;
}

export default defineConfig({
  plugins: [react()],
  build: {
    target: "es2022",
    // The polyfill would be an inline script, which the content security policy forbids.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rollupOptions: { output: { manualChunks: vendor } },
  },
  css: { preprocessorOptions: { scss: { silenceDeprecations: ["import", "global-builtin", "color-functions", "if-function"], quietDeps: true } } },
  server: { proxy: { "/api": "http://127.0.0.1:8080", "/pictures": "http://127.0.0.1:8080" } },
  test: { environment: "jsdom", include: ["src/**/*.test.ts"] },
});
