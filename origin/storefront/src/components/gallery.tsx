import { useState } from "react";

import type { Image } from "../api/types";
import { useLanguage } from "../hooks/language";
import { Picture } from "./picture";

/** A product's pictures: one large, the others to choose from where there are any. */
export function Gallery({ images, name }: { images: Image[]; name: string }) {
  const [chosen, setChosen] = useState(0);
  const { t } = useLanguage();
  const image = images[chosen] ?? images[0] ?? null;
  return (
    <div className="gallery">
      <Picture key={image?.url} image={image} name={name} sizes="(min-width: 768px) 50vw, 100vw" eager />
      {images.length > 1 && (
        <ul className="thumbnails" aria-label={t("Pictures")}>
          {images.map((one, place) => (
            <li key={one.url}>
              <button type="button" aria-pressed={place === chosen} onClick={() => setChosen(place)}>
                <Picture image={one} name={`${name} ${place + 1}`} sizes="4.5rem" />
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
