/** Quantities chosen on the price list and on product pages, kept in this browser for a week. */

import { useSyncExternalStore } from "react";

import { keep, recall } from "../utilities/storage";

export interface BasketLine { name: string; price_paise: number; mrp_paise: number; quantity: number }
export type Basket = Readonly<Record<string, BasketLine>>;

const KEY = "crackers.basket";
const WEEK_SECONDS = 7 * 24 * 3600;

let basket: Basket = recall<Basket>(KEY) ?? {};
const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Sets how many of a product are wanted; none takes it out. */
export function setLine(id: string, line: BasketLine): void {
  const { [id]: _before, ...others } = basket;
  basket = line.quantity > 0 ? { ...others, [id]: line } : others;
  keep(KEY, basket, WEEK_SECONDS);
  listeners.forEach((listener) => listener());
}

export function clearBasket(): void {
  basket = {};
  keep(KEY, basket, WEEK_SECONDS);
  listeners.forEach((listener) => listener());
}

export function useBasket(): Basket {
  return useSyncExternalStore(subscribe, () => basket);
}

/** Pieces, price and saving of all that is wanted, in paise. */
export function totals(of: Basket): { pieces: number; price: number; saved: number } {
  return Object.values(of).reduce(
    (sum, line) => ({
      pieces: sum.pieces + line.quantity,
      price: sum.price + line.price_paise * line.quantity,
      saved: sum.saved + (line.mrp_paise - line.price_paise) * line.quantity,
    }),
    { pieces: 0, price: 0, saved: 0 },
  );
}
