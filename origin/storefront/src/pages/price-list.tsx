import { memo, useDeferredValue, useState } from "react";
import { Link } from "react-router";

import type { PriceList, PriceListLine } from "../api/types";
import { Failure } from "../components/failure";
import { Stock } from "../components/price";
import { Quantity } from "../components/quantity";
import { Skeleton } from "../components/skeleton";
import { clearBasket, totals, useBasket } from "../hooks/basket";
import { useLanguage } from "../hooks/language";
import { usePriceList, useShop } from "../hooks/queries";
import { rupees } from "../utilities/money";

export default function PriceListPage() {
  const { data, error, refetch } = usePriceList();
  const { t } = useLanguage();
  const [words, setWords] = useState("");
  const wanted = useDeferredValue(words.trim().toLowerCase());
  return (
    <>
      <div className="d-flex flex-wrap gap-3 align-items-end mb-3 no-print">
        <h1 className="me-auto mb-0">{t("Price list")}</h1>
        <input type="search" className="form-control w-auto" aria-label="Find on this page" placeholder={t("Search")} value={words} onChange={(event) => setWords(event.target.value)} />
        <button type="button" className="btn btn-outline-primary" onClick={() => window.print()}>{t("Print")}</button>
        <a className="btn btn-outline-primary" href="/api/price-list.csv" download="price-list.csv">CSV</a>
        <a className="btn btn-outline-primary" href="/api/price-list.pdf" download="price-list.pdf">PDF</a>
      </div>
      {error ? <Failure error={error} again={() => void refetch()} /> : null}
      {!data && !error ? <Skeleton rows={12} /> : null}
      {data && <Sections list={data} wanted={wanted} />}
      <Summary />
    </>
  );
}

const Sections = memo(function Sections({ list, wanted }: { list: PriceList; wanted: string }) {
  const { t } = useLanguage();
  const fits = (line: PriceListLine) => wanted === "" || line.name.toLowerCase().includes(wanted) || line.sku.toLowerCase().includes(wanted);
  const sections = list.categories.map((one) => ({ ...one, lines: one.lines.filter(fits) })).filter((one) => one.lines.length > 0);
  return (
    <>
      <nav aria-label={t("Categories")} className="jump no-print">{sections.map((one) => <a key={one.slug} href={`#${one.slug}`}>{one.name}</a>)}</nav>
      {sections.map((one) => (
        <section key={one.slug} id={one.slug} aria-labelledby={`${one.slug}-name`} className="price-section">
          <h2 id={`${one.slug}-name`}>{one.name}</h2>
          <table className="table price-table">
            <thead><tr><th scope="col">{t("Product")}</th><th scope="col" className="number">MRP</th><th scope="col" className="number">{t("Price")}</th><th scope="col">{t("Quantity")}</th></tr></thead>
            <tbody>{one.lines.map((line) => <Line key={line.id} line={line} />)}</tbody>
          </table>
        </section>
      ))}
    </>
  );
});

function Line({ line }: { line: PriceListLine }) {
  const quiet = line.availability === "in_stock" && !line.restricted;
  return (
    <tr>
      <th scope="row"><Link to={`/product/${line.slug}`}>{line.name}</Link> <small>{line.pack}</small> {!quiet && <Stock availability={line.availability} restricted={line.restricted} />}</th>
      <td className="number"><s>{rupees(line.mrp.amount_paise)}</s></td>
      <td className="number"><strong>{rupees(line.price.amount_paise)}</strong></td>
      <td><Quantity product={line} disabled={line.restricted || line.availability === "sold_out"} /></td>
    </tr>
  );
}

function Summary() {
  const { t } = useLanguage();
  const { data: shop } = useShop();
  const { pieces, price, saved } = totals(useBasket());
  if (pieces === 0) return null;
  const missing = (shop?.charges.minimum_order.amount_paise ?? 0) - price;
  return (
    <aside className="summary" aria-label={t("Total")}>
      <p aria-live="polite"><strong data-testid="total">{t("Total")} {rupees(price)}</strong> · {pieces} {t("in your list")} · {t("You save")} {rupees(saved)}</p>
      {missing > 0 && <p className="small">{t("Minimum order")}: {rupees(shop?.charges.minimum_order.amount_paise ?? 0)} ({rupees(missing)} to go)</p>}
      {shop?.mode === "order" && missing <= 0 && <Link className="btn btn-sm btn-warning no-print" to="/checkout">{t("Checkout")}</Link>}
      <button type="button" className="btn btn-sm btn-outline-light no-print" onClick={clearBasket}>{t("Clear")}</button>
    </aside>
  );
}
