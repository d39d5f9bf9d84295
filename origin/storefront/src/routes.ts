/** A chunk for each page, loaded when it is needed and fetched ahead when a link to it is pointed at. */

import { lazy } from "react";

const loaders = {
  home: () => import("./pages/home"),
  catalogue: () => import("./pages/catalogue"),
  product: () => import("./pages/product"),
  priceList: () => import("./pages/price-list"),
  combos: () => import("./pages/combos"),
  checkout: () => import("./pages/checkout"),
  order: () => import("./pages/order"),
  help: () => import("./pages/help"),
};

export const Home = lazy(loaders.home);
export const Catalogue = lazy(loaders.catalogue);
export const ProductPage = lazy(loaders.product);
export const PriceListPage = lazy(loaders.priceList);
export const Combos = lazy(loaders.combos);
export const Checkout = lazy(loaders.checkout);
export const OrderPage = lazy(loaders.order);
export const Help = lazy(loaders.help);

const BY_PATH: [string, () => Promise<unknown>][] = [
  ["/catalogue", loaders.catalogue],
  ["/product/", loaders.product],
  ["/price-list", loaders.priceList],
  ["/combos", loaders.combos],
  ["/gift-boxes", loaders.combos],
  ["/checkout", loaders.checkout],
  ["/order/", loaders.order],
  ["/help", loaders.help],
];

/** Fetches the chunk of the page at `path` ahead of the click; failing is no matter, the click tries again. */
export function prefetch(path: string): void {
  BY_PATH.find(([prefix]) => path.startsWith(prefix))?.[1]().catch(() => undefined);
}
