import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { BrowserRouter } from "react-router";

import { App } from "./app";
import "./styles/shop.scss";

const client = new QueryClient({
  // Requests repeat themselves where that is safe; see api/client.
  defaultOptions: { queries: { staleTime: 60_000, retry: false, refetchOnWindowFocus: false, networkMode: "always" } },
});

// The page brings along what every page asks first.
const shop = document.getElementById("shop-data")?.textContent;
if (shop) client.setQueryData(["/api/shop"], JSON.parse(shop));

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <BrowserRouter>
        <App />
      </BrowserRouter>
    </QueryClientProvider>
  </StrictMode>,
);

// The page for when there is no network; a browser that refuses it shows its own.
if ("serviceWorker" in navigator && import.meta.env.PROD) {
  window.addEventListener("load", () => { navigator.serviceWorker.register("/offline-worker.js").catch(() => undefined); });
}
