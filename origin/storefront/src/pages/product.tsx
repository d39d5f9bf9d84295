import { Link, useParams } from "react-router";

import { ApiError } from "../api/client";
import type { Product, Shop } from "../api/types";
import { Failure } from "../components/failure";
import { Gallery } from "../components/gallery";
import { Price, Stock } from "../components/price";
import { Quantity } from "../components/quantity";
import { Skeleton } from "../components/skeleton";
import { Tabs } from "../components/tabs";
import { useLanguage } from "../hooks/language";
import { useProduct, useShop } from "../hooks/queries";
import { rupees } from "../utilities/money";
import { NotFound } from "./not-found";

export default function ProductPage() {
  const { slug = "" } = useParams();
  const { data: product, error, refetch } = useProduct(slug);
  const { data: shop } = useShop();
  const { t } = useLanguage();
  if (error instanceof ApiError && error.status === 404) return <NotFound />;
  if (error) return <Failure error={error} again={() => void refetch()} />;
  if (!product) return <Skeleton rows={4} />;
  const canBeHad = !product.restricted && product.availability !== "sold_out" && shop?.mode !== "closed";
  return (
    <article>
      <nav aria-label="Where you are" className="crumbs">
        <Link to="/catalogue">{t("Catalogue")}</Link> › <Link to={`/catalogue/${product.category.slug}`}>{product.category.name}</Link>
      </nav>
      <div className="product-page">
        <Gallery images={product.images} name={product.name} />
        <div>
          <h1>{product.name}</h1>
          <p className="pack">{product.pack} · {product.sku}{product.rating.average !== null && <> · <span aria-label={`${product.rating.average} of 5 stars`}>★ {product.rating.average}</span> ({product.rating.count})</>}</p>
          <Price price={product.price} mrp={product.mrp} percent={product.discount_percent} />
          <p><Stock availability={product.availability} restricted={product.restricted} /></p>
          {product.restricted ? <p>The law does not let joined crackers be sold. They are listed so that you know.</p> : <p><Quantity product={product} disabled={!canBeHad} /></p>}
          <Tabs label={product.name} tabs={[
            { title: t("About"), content: <About product={product} /> },
            { title: t("Safety"), content: <ul>{product.safety_notes.map((note) => <li key={note}>{note}</li>)}</ul> },
            { title: t("Delivery"), content: <Delivery shop={shop} /> },
          ]} />
        </div>
      </div>
    </article>
  );
}

function About({ product }: { product: Product }) {
  return (
    <>
      <p>{product.description}</p>
      <dl className="facts">
        <dt>Weight</dt><dd>{product.weight_grams} g</dd>
        <dt>Age</dt><dd>{product.minimum_age}+</dd>
        <dt>Per order</dt><dd>{product.order_min} – {product.order_max}</dd>
      </dl>
    </>
  );
}

function Delivery({ shop }: { shop: Shop | undefined }) {
  const { t } = useLanguage();
  if (!shop) return <Skeleton rows={1} />;
  return (
    <dl className="facts">
      <dt>{t("Minimum order")}</dt><dd>{rupees(shop.charges.minimum_order.amount_paise)}</dd>
      <dt>{t("Packing")}</dt><dd>{shop.charges.packing_percent} %</dd>
    </dl>
  );
}
