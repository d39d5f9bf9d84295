import { type BasketLine, setLine, useBasket } from "../hooks/basket";
import { useLanguage } from "../hooks/language";

interface Wanted { id: string; name: string; price: { amount_paise: number }; mrp: { amount_paise: number }; order_max: number }

/** How many of a product are wanted. */
export function Quantity({ product, disabled }: { product: Wanted; disabled: boolean }) {
  const { t } = useLanguage();
  const quantity = useBasket()[product.id]?.quantity ?? 0;
  const set = (wanted: number) => {
    const bounded = Math.max(0, Math.min(product.order_max, Math.trunc(wanted) || 0));
    const line: BasketLine = { name: product.name, price_paise: product.price.amount_paise, mrp_paise: product.mrp.amount_paise, quantity: bounded };
    setLine(product.id, line);
  };
  return (
    <span className="quantity">
      <button type="button" aria-label={`One less of ${product.name}`} disabled={disabled || quantity === 0} onClick={() => set(quantity - 1)}>−</button>
      <input type="number" inputMode="numeric" min={0} max={product.order_max} aria-label={`${t("Quantity")}: ${product.name}`} disabled={disabled}
        value={quantity === 0 ? "" : quantity} placeholder="0" onChange={(event) => set(Number(event.target.value))} />
      <button type="button" aria-label={`One more of ${product.name}`} disabled={disabled || quantity >= product.order_max} onClick={() => set(quantity + 1)}>+</button>
    </span>
  );
}
