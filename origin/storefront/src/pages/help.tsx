import { useShop } from "../hooks/queries";

export default function Help() {
  const { data: shop } = useShop();
  return (
    <div className="prose">
      <h1>Help and safety</h1>
      <h2>How to order</h2>
      <p>{shop?.mode === "order" ? "Put quantities into the price list and check out." : "Put quantities into the price list. Courts in India have restricted the online sale of fireworks, so your list is an enquiry: we send an estimate with a number and confirm it with you in person."}</p>
      <p>The smallest order and the charge for packing stand on the price list, before you decide anything.</p>
      <h2>Safety</h2>
      <ul>
        <li>Only adults light fireworks, in the open, one at a time.</li>
        <li>Keep water and sand beside you; wear cotton.</li>
        <li>Never pick up, open or relight a firework that failed: soak it.</li>
        <li>Keep to the hours that your state allows, and away from hospitals and schools.</li>
      </ul>
    </div>
  );
}
