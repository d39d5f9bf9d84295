/** What the API answers, as far as these pages use it. Generated from the OpenAPI document in a later version. */

export interface Money { amount_paise: number; currency: "INR" }
export interface Image { url: string; width: number; height: number; alt: string; placeholder: string; sources?: { url: string; width: number }[] }
export type Availability = "in_stock" | "low" | "sold_out";
export interface Page<T> { items: T[]; next_cursor: string | null; total?: number }

export interface ProductSummary {
  id: string; sku: string; slug: string; name: string;
  category: { slug: string; name: string };
  sub_category: string | null;
  price: Money; mrp: Money; discount_percent: number;
  unit: string; pack: string; availability: Availability; restricted: boolean; featured: boolean;
  rating: { average: number | null; count: number };
  image: Image | null; tags: string[]; order_min: number; order_max: number;
}
export interface Product extends ProductSummary {
  description: string; images: Image[]; weight_grams: number; safety_notes: string[]; minimum_age: number; version: number;
}
export interface Category {
  slug: string; name: string; description: string; product_count: number; image: Image | null;
  sub_categories: { slug: string; name: string; product_count: number }[];
}
export interface Combo {
  id: string; kind: "bundle" | "gift_box"; sku: string; slug: string; name: string; description: string;
  price: Money; mrp: Money; discount_percent: number; availability: Availability; image: Image | null;
  components: { product_id: string; slug: string; name: string; quantity: number; pack: string }[];
  component_count: number;
}
export interface PriceListLine {
  id: string; sku: string; slug: string; name: string; pack: string; unit: string; mrp: Money; price: Money;
  discount_percent: number; availability: Availability; restricted: boolean; order_min: number; order_max: number;
}
export interface PriceList { generated_at: string; categories: { slug: string; name: string; lines: PriceListLine[] }[] }
export interface Shop {
  name: string; tagline: string; mode: "order" | "enquiry" | "closed";
  licence: { number: string; holder: string };
  contact: { phone: string; whatsapp: string; email: string; address: string };
  notices: { level: "info" | "warning"; text: string }[];
  charges: { packing_percent: number; minimum_order: Money };
  minimum_age: number;
}
export interface QuotedLine { kind: string; id: string; sku: string; name: string; price: Money; quantity: number; total: Money }
export interface Quote {
  lines: QuotedLine[]; goods: Money; saved: Money; coupon: string | null; discount: Money; packing: Money; delivery: Money | null;
  rounding: Money; total: Money; minimum_order: Money; meets_minimum: boolean; valid_until: string;
}
export type OrderState =
  | "awaiting_payment" | "payment_review" | "confirmed" | "packed" | "dispatched" | "delivered"
  | "expired" | "cancelled" | "refund_due" | "refunded" | "returned";
export interface PlacedOrder { number: string; tracking_token: string; state: OrderState; total: Money }
export interface TrackedOrder {
  number: string; state: OrderState; history: { state: OrderState; at: string }[]; payment: string;
  lines: QuotedLine[]; total: Money; expires_at: string | null; can_cancel: boolean;
}
export interface WrongField { pointer: string; detail: string; code: string }
export interface Problem { title: string; status: number; detail: string; code: string; instance: string; errors?: Partial<WrongField>[] }
