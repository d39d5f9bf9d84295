import { useEffect, useMemo, useState } from "react";
import { useParams, useSearchParams } from "react-router";

import { Failure } from "../components/failure";
import { ProductCard } from "../components/product-card";
import { Skeleton } from "../components/skeleton";
import { useLanguage } from "../hooks/language";
import { useNearEnd } from "../hooks/near-end";
import { useCategories, useProducts } from "../hooks/queries";
import { debounce } from "../utilities/timing";
import { NotFound } from "./not-found";

const SORTS: [string, string][] = [["", "Most popular"], ["price", "Cheapest"], ["-price", "Dearest"], ["name", "Name"], ["rating", "Best rated"], ["new", "Newest"]];
const TYPING_MS = 250;
/** Pages that come by themselves; after them somebody asks for more, so that the end of the page can be reached. */
const PAGES_BY_THEMSELVES = 3;

/** Every filter stands in the address: a page that can be sent to somebody. */
export default function Catalogue() {
  const { category = "" } = useParams();
  const [parameters, setParameters] = useSearchParams();
  const { t } = useLanguage();
  const { data: categories } = useCategories();
  const query = useMemo(() => questionOf(category, parameters), [category, parameters]);
  const products = useProducts(query);
  const comesByItself = products.hasNextPage && !products.isFetchingNextPage && (products.data?.pages.length ?? 0) < PAGES_BY_THEMSELVES;
  useNearEnd(comesByItself ? () => void products.fetchNextPage() : undefined);
  const known = categories?.items.find((one) => one.slug === category);
  if (category && categories && !known) return <NotFound />;

  const set = (name: string, value: string) => {
    // The address as it is now, not as it was when this was drawn: two fields may be typed in within one pause.
    const next = new URLSearchParams(window.location.search);
    if (value) next.set(name, value);
    else next.delete(name);
    setParameters(next, { replace: true });
  };
  const items = products.data?.pages.flatMap((page) => page.items) ?? [];
  const total = products.data?.pages[0]?.total;
  return (
    <>
      <h1>{known?.name ?? t("Catalogue")}</h1>
      {known && <p className="lead">{known.description}</p>}
      <Filters parameters={parameters} set={set} subCategories={known?.sub_categories ?? []} isWhole={!category} />
      <p role="status" className="text-body-secondary">{total === undefined ? " " : `${total} products`}</p>
      {products.error && !products.data ? <Failure error={products.error} again={() => void products.refetch()} /> : null}
      {products.isPending ? <Skeleton rows={8} /> : null}
      {products.data && items.length === 0 ? <p className="empty">Nothing fits. Take a filter away, or try other words.</p> : null}
      <div className={`grid-products ${products.isPlaceholderData ? "waiting" : ""}`}>
        {items.map((product, place) => <ProductCard key={product.id} product={product} level={2} eager={place < 4} />)}
      </div>
      {products.hasNextPage && (
        <p className="text-center mt-4">
          <button type="button" className="btn btn-primary" disabled={products.isFetchingNextPage} onClick={() => void products.fetchNextPage()}>{t("Show more")}</button>
        </p>
      )}
    </>
  );
}

/** The API's question for what stands in the address; rupees become paise. */
function questionOf(category: string, parameters: URLSearchParams): string {
  const question = new URLSearchParams();
  if (category) question.set("category", category);
  for (const name of ["q", "category", "sub", "stock", "sort"]) {
    const value = parameters.get(name);
    if (value) question.set(name, value);
  }
  for (const name of ["min", "max"]) {
    const rupees = Number(parameters.get(name));
    if (Number.isInteger(rupees) && rupees > 0) question.set(name, String(rupees * 100));
  }
  return question.toString();
}

interface FiltersProps { parameters: URLSearchParams; set: (name: string, value: string) => void; subCategories: { slug: string; name: string }[]; isWhole: boolean }

function Filters({ parameters, set, subCategories, isWhole }: FiltersProps) {
  const { t } = useLanguage();
  const { data: categories } = useCategories();
  return (
    <form className="filters" aria-label={t("Filters")} onSubmit={(event) => event.preventDefault()}>
      <Typed label={t("Search")} type="search" value={parameters.get("q") ?? ""} change={(value) => set("q", value)} />
      {isWhole && <Choice label={t("Category")} value={parameters.get("category") ?? ""} change={(value) => set("category", value)} options={[["", t("All categories")], ...(categories?.items.map((one): [string, string] => [one.slug, one.name]) ?? [])]} />}
      {subCategories.length > 0 && <Choice label={t("Category")} value={parameters.get("sub") ?? ""} change={(value) => set("sub", value)} options={[["", t("Any")], ...subCategories.map((one): [string, string] => [one.slug, one.name])]} />}
      <Typed label={`${t("Price from")} ₹`} type="number" value={parameters.get("min") ?? ""} change={(value) => set("min", value)} />
      <Typed label={`${t("Price to")} ₹`} type="number" value={parameters.get("max") ?? ""} change={(value) => set("max", value)} />
      <Choice label={t("Availability")} value={parameters.get("stock") ?? ""} change={(value) => set("stock", value)} options={[["", t("Any")], ["available", t("Can be had now")]]} />
      <Choice label={t("Sort")} value={parameters.get("sort") ?? ""} change={(value) => set("sort", value)} options={SORTS.map(([value, name]): [string, string] => [value, t(value === "" && parameters.get("q") ? "Best match" : name)])} />
    </form>
  );
}

function Choice({ label, value, change, options }: { label: string; value: string; change: (value: string) => void; options: [string, string][] }) {
  return (
    <label>
      <span>{label}</span>
      <select className="form-select" value={value} onChange={(event) => change(event.target.value)}>
        {options.map(([option, name]) => <option key={option} value={option}>{name}</option>)}
      </select>
    </label>
  );
}

/** A field that tells its page what was typed once the typing pauses. */
function Typed({ label, type, value, change }: { label: string; type: "search" | "number"; value: string; change: (value: string) => void }) {
  const [text, setText] = useState(value);
  const [tell] = useState(() => debounce((call: () => void) => call(), TYPING_MS));
  useEffect(() => { setText(value); }, [value]);
  useEffect(() => () => tell.cancel(), [tell]);
  return (
    <label>
      <span>{label}</span>
      <input className="form-control" type={type} min={0} maxLength={100} value={text}
        onChange={(event) => { const typed = event.target.value; setText(typed); tell(() => change(typed.trim())); }} />
    </label>
  );
}
