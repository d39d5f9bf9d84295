import { Link } from "react-router";

import type { ProductSummary } from "../api/types";
import { prefetch } from "../routes";
import { Picture } from "./picture";
import { Price, Stock } from "./price";

export function ProductCard({ product, eager = false }: { product: ProductSummary; eager?: boolean }) {
  return (
    <article className="card-product">
      <Link to={`/product/${product.slug}`} onPointerEnter={() => prefetch("/product/")}>
        <Picture image={product.image} name={product.name} sizes="(min-width: 992px) 25vw, 50vw" eager={eager} />
        <h3>{product.name}</h3>
      </Link>
      <p className="pack">{product.category.name} · {product.pack}</p>
      <Price price={product.price} mrp={product.mrp} percent={product.discount_percent} />
      <Stock availability={product.availability} restricted={product.restricted} />
    </article>
  );
}
