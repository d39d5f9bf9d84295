import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useRef, useState } from "react";
import { Link, useNavigate } from "react-router";

import { ApiError, request } from "../api/client";
import type { PlacedOrder, Quote } from "../api/types";
import { Failure } from "../components/failure";
import { Field } from "../components/field";
import { Skeleton } from "../components/skeleton";
import { type Basket, clearBasket, useBasket } from "../hooks/basket";
import { useLanguage } from "../hooks/language";
import { useShop } from "../hooks/queries";
import { rupees } from "../utilities/money";

/** What a list is priced by, beside its lines. */
interface Wish { coupon?: string; destination?: { state: string; pincode: string } }

const linesOf = (basket: Basket) => Object.entries(basket).map(([id, line]) => ({ kind: "product", id, quantity: line.quantity }));

/** From the list to an order: what it costs by the shop's own prices, who orders, where it goes. */
export default function Checkout() {
  const { t } = useLanguage();
  const { data: shop } = useShop();
  const lines = linesOf(useBasket());
  const [wish, setWish] = useState<Wish>({});
  const [refusal, setRefusal] = useState("");
  const client = useQueryClient();
  const priced = (by: Wish) => ({
    queryKey: ["quote", lines, by],
    queryFn: ({ signal }: { signal: AbortSignal }) => request<Quote>("/api/cart/quote", { method: "POST", body: { lines, ...by }, signal }),
  });
  const { data: quote, error, refetch } = useQuery({ ...priced(wish), enabled: lines.length > 0, staleTime: 0 });
  /** A wish counts once the shop has priced it; what it refuses leaves the price as it was. */
  async function ask(by: Wish) {
    setRefusal("");
    try {
      await client.fetchQuery({ ...priced(by), retry: false });
      setWish(by);
    } catch (error) {
      setRefusal(error instanceof ApiError ? (error.fields[0]?.detail ?? error.message) : t("The shop cannot be reached."));
    }
  }
  if (lines.length === 0) return <p className="empty">{t("Your list is empty.")} <Link to="/price-list">{t("Open the price list")}</Link></p>;
  if (error) return <Failure error={error} again={() => { setWish({}); void refetch(); }} />;
  if (!quote || !shop) return <Skeleton rows={6} />;
  return (
    <div className="checkout">
      <h1>{t("Checkout")}</h1>
      <div className="checkout-columns">
        {shop.mode === "order" ? <OrderForm quote={quote} wish={wish} goesTo={(destination) => void ask({ ...wish, destination })} refresh={() => void refetch()} /> : <p className="notice warning">{t("The shop takes no orders online now. Please send us your list or call us.")}</p>}
        <div>
          <Costs quote={quote} />
          <CouponForm use={(coupon) => void ask({ ...(wish.destination && { destination: wish.destination }), ...(coupon && { coupon }) })} />
          {refusal && <p role="alert" className="notice warning">{refusal}</p>}
        </div>
      </div>
    </div>
  );
}

function CouponForm({ use }: { use: (coupon: string) => void }) {
  const { t } = useLanguage();
  const send = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    use(String(new FormData(event.currentTarget).get("coupon") ?? "").trim());
  };
  return (
    <form onSubmit={send} className="d-flex gap-2 align-items-end my-2">
      <Field name="coupon" label={t("Coupon")} maxLength={30} required={false} autoComplete="off" />
      <button type="submit" className="btn btn-outline-primary">{t("Use")}</button>
    </form>
  );
}

function Costs({ quote }: { quote: Quote }) {
  const { t } = useLanguage();
  return (
    <section aria-labelledby="costs" className="costs">
      <h2 id="costs" className="h5">{t("Your list")}</h2>
      <ul>{quote.lines.map((line) => <li key={line.id}><span>{line.quantity} × {line.name}</span> <span>{rupees(line.total.amount_paise)}</span></li>)}</ul>
      <dl className="sums">
        <dt>{t("Goods")}</dt><dd>{rupees(quote.goods.amount_paise)}</dd>
        {quote.coupon && <><dt>{t("Coupon")} {quote.coupon}</dt><dd>−{rupees(quote.discount.amount_paise)}</dd></>}
        <dt>{t("Packing")}</dt><dd>{rupees(quote.packing.amount_paise)}</dd>
        <dt>{t("Delivery")}</dt><dd>{quote.delivery ? rupees(quote.delivery.amount_paise) : t("by address")}</dd>
        <dt>{t("Rounding")}</dt><dd>{rupees(quote.rounding.amount_paise)}</dd>
        <dt><strong>{t("Total")}</strong></dt><dd><strong data-testid="quote-total">{rupees(quote.total.amount_paise)}</strong></dd>
      </dl>
      <p className="small">{t("You save")} {rupees(quote.saved.amount_paise)}</p>
      {!quote.meets_minimum && <p className="notice warning">{t("Minimum order")}: {rupees(quote.minimum_order.amount_paise)}</p>}
    </section>
  );
}

interface OrderFormProps { quote: Quote; wish: Wish; goesTo: (destination: { state: string; pincode: string }) => void; refresh: () => void }

function OrderForm({ quote, wish, goesTo, refresh }: OrderFormProps) {
  const { t } = useLanguage();
  const navigate = useNavigate();
  const lines = linesOf(useBasket());
  const [refusal, setRefusal] = useState<ApiError | null>(null);
  const [sending, setSending] = useState(false);
  // One key for one intent: it is made anew only when what is sent changes.
  const intent = useRef({ body: "", key: "" });

  async function place(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string) => String(form.get(name) ?? "");
    const body = {
      lines,
      contact: { name: text("name"), phone: text("phone"), email: text("email") },
      address: { line1: text("line1"), line2: text("line2"), city: text("city"), state: text("state"), pincode: text("pincode") },
      payment: text("payment"),
      ...(quote.coupon && { coupon: quote.coupon }),
      is_adult: form.get("is_adult") !== null,
      expected_total_paise: quote.total.amount_paise,
    };
    const sent = JSON.stringify(body);
    if (intent.current.body !== sent) intent.current = { body: sent, key: crypto.randomUUID() };
    setSending(true);
    setRefusal(null);
    try {
      const order = await request<PlacedOrder>("/api/orders", { method: "POST", body, idempotencyKey: intent.current.key });
      clearBasket();
      void navigate(`/order/${order.tracking_token}`);
    } catch (error) {
      setRefusal(error instanceof ApiError ? error : new ApiError(0, "unreachable", "The shop cannot be reached."));
      refresh();
    } finally {
      setSending(false);
    }
  }

  // What delivery costs is known once it is known where to.
  function askForDelivery(event: FormEvent<HTMLFormElement>) {
    const form = new FormData(event.currentTarget);
    const [state, pincode] = ["state", "pincode"].map((name) => String(form.get(name) ?? "").trim()) as [string, string];
    const isKnown = wish.destination?.state === state && wish.destination.pincode === pincode;
    if (state && /^[1-9][0-9]{5}$/.test(pincode) && !isKnown) goesTo({ state, pincode });
  }

  const wrong = (pointer: string) => refusal?.fields.find((field) => field.pointer === pointer)?.detail;
  return (
    <form onSubmit={(event) => void place(event)} onBlur={askForDelivery} className="order-form">
      {refusal && <div role="alert" className="notice warning"><p>{refusal.message}</p><ul>{refusal.fields.filter((field) => field.pointer.startsWith("/lines")).map((field) => <li key={field.pointer}>{field.detail}</li>)}</ul></div>}
      <Field name="name" label={t("Name")} autoComplete="name" wrong={wrong("/contact/name")} />
      <Field name="phone" label={t("Mobile number")} type="tel" autoComplete="tel" wrong={wrong("/contact/phone")} />
      <Field name="email" label={t("Mail address")} type="email" autoComplete="email" wrong={wrong("/contact/email")} />
      <Field name="line1" label={t("House and street")} autoComplete="address-line1" wrong={wrong("/address/line1")} />
      <Field name="line2" label={t("More of the address")} autoComplete="address-line2" required={false} wrong={wrong("/address/line2")} />
      <Field name="city" label={t("Town")} autoComplete="address-level2" wrong={wrong("/address/city")} />
      <Field name="state" label={t("State")} autoComplete="address-level1" wrong={wrong("/address/state")} />
      <Field name="pincode" label={t("PIN code")} inputMode="numeric" autoComplete="postal-code" wrong={wrong("/address/pincode")} />
      <fieldset>
        <legend className="h6">{t("Payment")}</legend>
        <label><input type="radio" name="payment" value="bank_transfer" defaultChecked /> {t("Bank transfer or UPI")}</label>
        <label><input type="radio" name="payment" value="cash_on_delivery" /> {t("Cash on delivery")}</label>
      </fieldset>
      <label><input type="checkbox" name="is_adult" required /> {t("I am 18 or older.")}</label>
      <button type="submit" className="btn btn-primary" disabled={sending || !quote.meets_minimum}>{sending ? t("One moment…") : t("Place the order")}</button>
    </form>
  );
}
