/** The shape of what is coming. */
export function Skeleton({ rows }: { rows: number }) {
  return (
    <div className="skeletons" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, row) => <div key={row} className="skeleton" />)}
    </div>
  );
}
