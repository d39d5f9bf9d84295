import { useEffect, useState } from "react";

import { useShop } from "../hooks/queries";

/** What every page must say: the shop's notices, and that there is no network. */
export function Notices() {
  const { data: shop } = useShop();
  const online = useOnline();
  return (
    <div aria-live="polite" className="notices">
      {!online && <p className="notice warning">You are offline. What you have seen stays here; the rest comes back with the network.</p>}
      {shop?.mode === "closed" && <p className="notice warning">The shop is closed now. You can read the catalogue.</p>}
      {shop?.notices.map((notice) => <p key={notice.text} className={`notice ${notice.level}`}>{notice.text}</p>)}
    </div>
  );
}

function useOnline(): boolean {
  const [online, setOnline] = useState(navigator.onLine);
  useEffect(() => {
    const update = () => setOnline(navigator.onLine);
    window.addEventListener("online", update);
    window.addEventListener("offline", update);
    return () => { window.removeEventListener("online", update); window.removeEventListener("offline", update); };
  }, []);
  return online;
}
