import { Link } from "react-router";

import { useLanguage } from "../hooks/language";

export function NotFound() {
  const { t } = useLanguage();
  return (
    <div className="failure">
      <h1>{t("Page not found")}</h1>
      <p>There is nothing at this address. The product may have left the catalogue.</p>
      <Link className="btn btn-primary" to="/">{t("Back to the shop")}</Link>
    </div>
  );
}
