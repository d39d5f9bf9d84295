import { useLanguage } from "../hooks/language";
import { useShop } from "../hooks/queries";

export function Footer() {
  const { data: shop } = useShop();
  const { t } = useLanguage();
  return (
    <footer className="shop-footer">
      <div className="container d-md-flex gap-5 py-4">
        <div>
          <p className="h6 mb-1">{t("Licence")}</p>
          <p>{shop ? `${shop.licence.number} · ${shop.licence.holder}` : " "}</p>
        </div>
        <div>
          <p className="h6 mb-1">{t("Contact")}</p>
          <p>{shop ? <>{shop.contact.address}<br /><a href={`tel:${shop.contact.phone.replaceAll(" ", "")}`}>{shop.contact.phone}</a> · <a href={`mailto:${shop.contact.email}`}>{shop.contact.email}</a></> : " "}</p>
        </div>
        <p className="ms-auto small">Fireworks are sold to people of {shop?.minimum_age ?? 18} and older.</p>
      </div>
    </footer>
  );
}
