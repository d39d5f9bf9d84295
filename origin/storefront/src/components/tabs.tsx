import { type KeyboardEvent, type ReactNode, useId, useRef, useState } from "react";

/** Tabs as the ARIA practices have them: one stop for the Tab key, arrows between them, Home and End. */
export function Tabs({ label, tabs }: { label: string; tabs: { title: string; content: ReactNode }[] }) {
  const [chosen, setChosen] = useState(0);
  const id = useId();
  const list = useRef<HTMLDivElement>(null);

  function choose(place: number) {
    setChosen(place);
    list.current?.querySelectorAll<HTMLElement>("[role=tab]")[place]?.focus();
  }
  function onKeyDown(event: KeyboardEvent) {
    const places: Record<string, number> = { ArrowRight: (chosen + 1) % tabs.length, ArrowLeft: (chosen + tabs.length - 1) % tabs.length, Home: 0, End: tabs.length - 1 };
    const place = places[event.key];
    if (place === undefined) return;
    event.preventDefault();
    choose(place);
  }

  return (
    <div className="tabs">
      <div role="tablist" aria-label={label} ref={list} onKeyDown={onKeyDown}>
        {tabs.map(({ title }, place) => (
          <button key={title} type="button" role="tab" id={`${id}-tab-${place}`} aria-controls={`${id}-panel`} aria-selected={place === chosen}
            tabIndex={place === chosen ? 0 : -1} onClick={() => choose(place)}>{title}</button>
        ))}
      </div>
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-tab-${chosen}`} tabIndex={0}>{tabs[chosen]?.content}</div>
    </div>
  );
}
