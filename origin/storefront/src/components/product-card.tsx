import { Link } from "react-router";

import type { ProductSummary } from "../api/types";
import { prefetch } from "../routes";
import { Picture } from "./picture";
import { Price, Stock } from "./price";

/** A product in a list. Its heading stands one level below that of the list. */
export function ProductCard({ product, level, eager = false }: { product: ProductSummary; level: 2 | 3; eager?: boolean }) {
  const Heading = `h${level}` as const;
  return (
    <article className="card-product">
      <Link to={`/product/${product.slug}`} onPointerEnter={() => prefetch("/product/")}>
        <Picture image={product.image && { ...product.image, alt: "" }} name="" sizes="(min-width: 992px) 25vw, 50vw" eager={eager} />
        <Heading className="name">{product.name}</Heading>
      </Link>
      <p className="pack">{product.category.name} · {product.pack}</p>
      <Price price={product.price} mrp={product.mrp} percent={product.discount_percent} />
      <Stock availability={product.availability} restricted={product.restricted} />
    </article>
  );
}
