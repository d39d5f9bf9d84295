import type { Availability, Money } from "../api/types";
import { useLanguage } from "../hooks/language";
import { rupees } from "../utilities/money";

export function Price({ price, mrp, percent }: { price: Money; mrp: Money; percent: number }) {
  return (
    <p className="price">
      <strong>{rupees(price.amount_paise)}</strong>
      {percent > 0 && (
        <> <s><span className="visually-hidden">MRP </span>{rupees(mrp.amount_paise)}</s> <span className="off">{percent}% off</span></>
      )}
    </p>
  );
}

const WORDS: Record<Availability, string> = { in_stock: "In stock", low: "Few left", sold_out: "Sold out" };

export function Stock({ availability, restricted = false }: { availability: Availability; restricted?: boolean }) {
  const { t } = useLanguage();
  return <span className={`stock ${restricted ? "restricted" : availability}`}>{t(restricted ? "Not for sale" : WORDS[availability])}</span>;
}
