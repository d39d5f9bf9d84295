import { Suspense, useEffect } from "react";
import { Route, Routes, useLocation } from "react-router";

import { Footer } from "./components/footer";
import { Header } from "./components/header";
import { Notices } from "./components/notices";
import { Skeleton } from "./components/skeleton";
import { NotFound } from "./pages/not-found";
import { Catalogue, Checkout, Combos, Help, Home, OrderPage, PriceListPage, ProductPage } from "./routes";

export function App() {
  const { pathname } = useLocation();
  // In braces: newer browsers answer with a promise, which React would take for a clean-up function.
  useEffect(() => { window.scrollTo(0, 0); }, [pathname]);
  return (
    <>
      <a className="visually-hidden-focusable skip" href="#content">Skip to the page</a>
      <Header />
      <Notices />
      <main id="content" className="container py-4" tabIndex={-1}>
        <Suspense fallback={<Skeleton rows={6} />}>
          <Routes>
            <Route path="/" element={<Home />} />
            <Route path="/catalogue" element={<Catalogue />} />
            <Route path="/catalogue/:category" element={<Catalogue />} />
            <Route path="/product/:slug" element={<ProductPage />} />
            <Route path="/price-list" element={<PriceListPage />} />
            <Route path="/combos" element={<Combos kind="bundles" />} />
            <Route path="/gift-boxes" element={<Combos kind="giftboxes" />} />
            <Route path="/checkout" element={<Checkout />} />
            <Route path="/order/:token" element={<OrderPage />} />
            <Route path="/help" element={<Help />} />
            <Route path="*" element={<NotFound />} />
          </Routes>
        </Suspense>
      </main>
      <Footer />
    </>
  );
}
