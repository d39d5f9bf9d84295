import { type InputHTMLAttributes, useId } from "react";

/** A labelled input that says what is wrong with it. */
export function Field({ label, wrong, required = true, ...input }: { label: string; wrong?: string | undefined } & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input id={id} className="form-control" required={required} maxLength={100} aria-invalid={wrong !== undefined} aria-describedby={wrong ? `${id}-wrong` : undefined} {...input} />
      {wrong && <p id={`${id}-wrong`} className="wrong">{wrong}</p>}
    </div>
  );
}
