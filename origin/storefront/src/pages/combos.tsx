import { Link } from "react-router";

import { Failure } from "../components/failure";
import { Picture } from "../components/picture";
import { Price, Stock } from "../components/price";
import { Skeleton } from "../components/skeleton";
import { useLanguage } from "../hooks/language";
import { useCombos } from "../hooks/queries";

export default function Combos({ kind }: { kind: "bundles" | "giftboxes" }) {
  const { data, error, refetch } = useCombos(kind);
  const { t } = useLanguage();
  return (
    <>
      <h1>{t(kind === "bundles" ? "Bundles" : "Gift boxes")}</h1>
      {error ? <Failure error={error} again={() => void refetch()} /> : null}
      {!data && !error ? <Skeleton rows={6} /> : null}
      <div className="grid-combos">
        {data?.items.map((combo) => (
          <article key={combo.id} className="card-product">
            <Picture image={combo.image} name={combo.name} sizes="(min-width: 992px) 33vw, 100vw" />
            <h2 className="h5">{combo.name}</h2>
            <p>{combo.description}</p>
            <Price price={combo.price} mrp={combo.mrp} percent={combo.discount_percent} />
            <Stock availability={combo.availability} />
            <details>
              <summary>{t("Contents")} ({combo.component_count})</summary>
              <ul>{combo.components.map((part) => <li key={part.product_id}>{part.quantity} × <Link to={`/product/${part.slug}`}>{part.name}</Link></li>)}</ul>
            </details>
          </article>
        ))}
      </div>
    </>
  );
}
