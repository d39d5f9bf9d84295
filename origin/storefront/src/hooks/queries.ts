/** What pages ask the shop, each question once for all who ask it. */

import { useInfiniteQuery, useQuery } from "@tanstack/react-query";

import { request } from "../api/client";
import type { Category, Combo, Page, PriceList, Product, ProductSummary, Shop } from "../api/types";

const ask = <T>(path: string) => ({ queryKey: [path], queryFn: ({ signal }: { signal: AbortSignal }) => request<T>(path, { signal }) });

export const useShop = () => useQuery(ask<Shop>("/api/shop"));
export const useCategories = () => useQuery(ask<Page<Category>>("/api/categories"));
export const useProduct = (slug: string) => useQuery(ask<Product>(`/api/products/${encodeURIComponent(slug)}`));
export const usePriceList = () => useQuery(ask<PriceList>("/api/price-list"));
export const useCombos = (kind: "bundles" | "giftboxes") => useQuery(ask<Page<Combo>>(`/api/${kind}`));
export const useFeatured = () => useQuery(ask<Page<ProductSummary>>("/api/products?featured=true&limit=8"));

export function useProducts(query: string) {
  return useInfiniteQuery({
    queryKey: ["products", query],
    initialPageParam: "",
    queryFn: ({ pageParam, signal }) => {
      const parameters = new URLSearchParams(query);
      if (pageParam) parameters.set("cursor", pageParam);
      const text = parameters.toString();
      return request<Page<ProductSummary>>(`/api/products${text ? `?${text}` : ""}`, { signal });
    },
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: (before) => before,
  });
}
