import { ApiError } from "../api/client";
import { useLanguage } from "../hooks/language";

/** What a person is told when the shop does not answer, and what they can do. */
export function Failure({ error, again }: { error: unknown; again?: () => void }) {
  const { t } = useLanguage();
  return (
    <div className="failure" role="alert">
      <p className="h5">{explain(error)}</p>
      {again && <button type="button" className="btn btn-primary" onClick={again}>{t("Try again")}</button>}
    </div>
  );
}

function explain(error: unknown): string {
  if (!(error instanceof ApiError)) return "Something went wrong on this page.";
  if (error.status === 0) return navigator.onLine ? "The shop cannot be reached right now." : "You are offline.";
  if (error.status === 429) return "Too many requests from your network. Please wait a moment.";
  if (error.code === "read_only") return "The shop can be read, but takes no orders for a moment.";
  if (error.status === 503) return "The shop is very busy right now. Please try again in a moment.";
  return error.message;
}
