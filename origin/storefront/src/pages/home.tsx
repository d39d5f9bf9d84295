import { Link } from "react-router";

import { Failure } from "../components/failure";
import { Picture } from "../components/picture";
import { ProductCard } from "../components/product-card";
import { Skeleton } from "../components/skeleton";
import { useLanguage } from "../hooks/language";
import { useCategories, useFeatured, useShop } from "../hooks/queries";
import { prefetch } from "../routes";

export default function Home() {
  const { data: shop } = useShop();
  const { t } = useLanguage();
  return (
    <>
      <section className="hero">
        <div>
          <h1>{shop?.tagline ?? "Fireworks at festival prices"}</h1>
          <p>Up to 80% below MRP, packed dry, from a licensed shop. {shop?.mode === "enquiry" && "Make your list here; we confirm it with you in person."}</p>
          <Link className="btn btn-warning btn-lg" to="/price-list" onPointerEnter={() => prefetch("/price-list")}>{t("Open the price list")}</Link>{" "}
          <Link className="btn btn-outline-light btn-lg" to="/catalogue" onPointerEnter={() => prefetch("/catalogue")}>{t("Browse the catalogue")}</Link>
        </div>
        <img src="/pictures/category-aerial-shots.svg" alt="" width="480" height="480" fetchPriority="high" />
      </section>
      <ul className="promises">
        <li><strong>Licensed</strong> {shop?.licence.number ?? " "}</li>
        <li><strong>Safe</strong> Green fireworks, safety notes on every page</li>
        <li><strong>Honest</strong> MRP and price side by side</li>
      </ul>
      <CategoryGrid />
      <Featured />
    </>
  );
}

function CategoryGrid() {
  const { data, error, refetch } = useCategories();
  const { t } = useLanguage();
  return (
    <section aria-labelledby="categories">
      <h2 id="categories">{t("Categories")}</h2>
      {error ? <Failure error={error} again={() => void refetch()} /> : null}
      {!data && !error ? <Skeleton rows={6} /> : null}
      <div className="grid-categories">
        {data?.items.map((category) => (
          <Link key={category.slug} to={`/catalogue/${category.slug}`} className="category" onPointerEnter={() => prefetch("/catalogue")}>
            <Picture image={category.image ? { ...category.image, alt: "" } : null} name="" sizes="(min-width: 992px) 16vw, 33vw" />
            <span>{category.name}</span>
            <small>{category.product_count}</small>
          </Link>
        ))}
      </div>
    </section>
  );
}

function Featured() {
  const { data } = useFeatured();
  const { t } = useLanguage();
  if (data?.items.length === 0) return null;
  return (
    <section aria-labelledby="featured">
      <h2 id="featured">{t("Featured")}</h2>
      {data ? <div className="grid-products">{data.items.map((product) => <ProductCard key={product.id} product={product} level={3} />)}</div> : <Skeleton rows={4} />}
    </section>
  );
}
