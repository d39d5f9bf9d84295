import { type FormEvent, useState } from "react";
import { Link, NavLink, useNavigate } from "react-router";

import { totals, useBasket } from "../hooks/basket";
import { setLanguage, useLanguage } from "../hooks/language";
import { useShop } from "../hooks/queries";
import { recentSearches, rememberSearch } from "../hooks/recent-searches";
import { prefetch } from "../routes";
import { rupees } from "../utilities/money";

const PAGES: [string, string][] = [
  ["/catalogue", "Catalogue"],
  ["/price-list", "Price list"],
  ["/combos", "Bundles"],
  ["/gift-boxes", "Gift boxes"],
  ["/help", "Help"],
];

export function Header() {
  const { data: shop } = useShop();
  const { language, t } = useLanguage();
  const { pieces, price } = totals(useBasket());
  return (
    <header className="shop-header">
      <div className="container d-flex flex-wrap align-items-center gap-3 py-3">
        <Link to="/" className="brand me-auto">
          <img src="/favicon.svg" alt="" width="36" height="36" />
          <span>{shop?.name ?? "Fireworks"}</span>
        </Link>
        <SearchBox />
        <button type="button" className="btn btn-sm btn-outline-light" lang={language === "en" ? "ta" : "en"} onClick={() => setLanguage(language === "en" ? "ta" : "en")}>
          {language === "en" ? "தமிழ்" : "English"}
        </button>
        <Link to="/price-list" className="btn btn-warning basket" onPointerEnter={() => prefetch("/price-list")}>
          {pieces > 0 ? `${rupees(price)} · ${pieces}` : t("Price list")}
        </Link>
      </div>
      <nav className="container" aria-label="Pages">
        <ul className="pages">
          {PAGES.map(([path, name]) => (
            <li key={path}>
              <NavLink to={path} onPointerEnter={() => prefetch(path)} onFocus={() => prefetch(path)}>{t(name)}</NavLink>
            </li>
          ))}
        </ul>
      </nav>
    </header>
  );
}

function SearchBox() {
  const { t } = useLanguage();
  const navigate = useNavigate();
  const [words, setWords] = useState("");
  const search = (event: FormEvent) => {
    event.preventDefault();
    if (words.trim()) rememberSearch(words.trim());
    void navigate(`/catalogue?${new URLSearchParams(words.trim() ? { q: words.trim() } : {}).toString()}`);
  };
  return (
    <form role="search" className="search" onSubmit={search}>
      <input type="search" className="form-control" aria-label={t("Search fireworks")} placeholder={t("Search fireworks")} maxLength={100} list="recent-searches"
        value={words} onChange={(event) => setWords(event.target.value)} />
      <datalist id="recent-searches" aria-label={t("Earlier searches")}>{recentSearches().map((one) => <option key={one} value={one} />)}</datalist>
    </form>
  );
}
