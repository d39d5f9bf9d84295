import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useParams } from "react-router";

import { ApiError, request } from "../api/client";
import type { OrderState, TrackedOrder } from "../api/types";
import { Failure } from "../components/failure";
import { Field } from "../components/field";
import { Skeleton } from "../components/skeleton";
import { useLanguage } from "../hooks/language";
import { useShop } from "../hooks/queries";
import { rupees } from "../utilities/money";
import { NotFound } from "./not-found";

const WORDS: Record<OrderState, string> = {
  awaiting_payment: "Awaiting your payment", payment_review: "We are checking your payment", confirmed: "Confirmed", packed: "Packed", dispatched: "On its way",
  delivered: "Delivered", expired: "Not paid in time", cancelled: "Called off", refund_due: "Refund on its way", refunded: "Refunded", returned: "Returned",
};
const LOOK_AGAIN_MS = 15_000;

/** How an order stands, for whoever has its link. */
export default function OrderPage() {
  const { token = "" } = useParams();
  const { t } = useLanguage();
  const { data: order, error, refetch } = useQuery({
    queryKey: ["order", token],
    queryFn: ({ signal }) => request<TrackedOrder>(`/api/track/${encodeURIComponent(token)}`, { signal }),
    refetchInterval: LOOK_AGAIN_MS,
    staleTime: 0,
  });
  if (error instanceof ApiError && error.status === 404) return <NotFound />;
  if (error && !order) return <Failure error={error} again={() => void refetch()} />;
  if (!order) return <Skeleton rows={4} />;
  return (
    <article className="prose">
      <h1>{t("Your order")} {order.number}</h1>
      <p className="lead" aria-live="polite" data-testid="state">{t(WORDS[order.state])}</p>
      <p>{t("Keep this page's address: whoever has it can see how the order stands.")}</p>
      {order.state === "awaiting_payment" && <Pay token={token} order={order} />}
      <h2 className="h5">{t("What happened")}</h2>
      <ol className="steps">{order.history.map((step) => <li key={step.at}><strong>{t(WORDS[step.state])}</strong> <time dateTime={step.at}>{new Date(step.at).toLocaleString("en-IN")}</time></li>)}</ol>
      <h2 className="h5">{t("Contents")}</h2>
      <ul>{order.lines.map((line) => <li key={line.id}>{line.quantity} × {line.name}, {rupees(line.total.amount_paise)}</li>)}</ul>
      <p><strong>{t("Total")} {rupees(order.total.amount_paise)}</strong></p>
      {order.can_cancel && <CallOff token={token} />}
    </article>
  );
}

/** Sends a step and shows the order that it leads to. */
function useStep(token: string) {
  const client = useQueryClient();
  const [refusal, setRefusal] = useState("");
  async function step(verb: string, body: object) {
    setRefusal("");
    try {
      const order = await request<TrackedOrder>(`/api/track/${encodeURIComponent(token)}/${verb}`, { method: "POST", body });
      client.setQueryData(["order", token], order);
    } catch (error) {
      setRefusal(error instanceof Error ? error.message : "The shop cannot be reached.");
    }
  }
  return { step, refusal };
}

function Pay({ token, order }: { token: string; order: TrackedOrder }) {
  const { t } = useLanguage();
  const { data: shop } = useShop();
  const { step, refusal } = useStep(token);
  const send = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    void step("payment", { reference: String(new FormData(event.currentTarget).get("reference") ?? "") });
  };
  return (
    <section aria-labelledby="pay">
      <h2 id="pay" className="h5">{t("Payment")}</h2>
      <p>{t("Please transfer the total and tell us the reference. Call us for the account:")} {shop?.contact.phone}</p>
      {order.expires_at && <p className="small">{t("Your goods are kept for you until")} <time dateTime={order.expires_at}>{new Date(order.expires_at).toLocaleTimeString("en-IN")}</time></p>}
      <form onSubmit={send} className="order-form">
        <Field name="reference" label={t("Reference of the transfer")} minLength={6} maxLength={35} wrong={refusal || undefined} />
        <button type="submit" className="btn btn-primary">{t("I have paid")}</button>
      </form>
    </section>
  );
}

function CallOff({ token }: { token: string }) {
  const { t } = useLanguage();
  const { step, refusal } = useStep(token);
  return (
    <p>
      <button type="button" className="btn btn-outline-primary" onClick={() => void step("cancel", {})}>{t("Call the order off")}</button>
      {refusal && <span role="alert" className="wrong"> {refusal}</span>}
    </p>
  );
}
