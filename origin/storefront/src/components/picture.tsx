import { useState } from "react";

import type { Image } from "../api/types";

/** A picture that is fetched when it comes near, in a place that does not move, with its colour until it is there. */
export function Picture({ image, name, sizes, eager = false }: { image: Image | null; name: string; sizes: string; eager?: boolean }) {
  const [loaded, setLoaded] = useState(false);
  return (
    <span className="picture" style={{ backgroundColor: image?.placeholder ?? "#e9e2f5" }}>
      {image && (
        <img src={image.url} srcSet={image.sources?.map(one => `${one.url} ${one.width}w`).join(", ")} alt={image.alt || name} width={image.width} height={image.height} sizes={sizes}
          loading={eager ? "eager" : "lazy"} decoding="async" className={loaded ? "loaded" : ""} onLoad={() => setLoaded(true)} />
      )}
    </span>
  );
}
