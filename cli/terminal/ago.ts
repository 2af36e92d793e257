/** How long ago, for lists: "now", "12 s ago", "3 min ago", "9 days ago". */
export function ago(ms: number): string {
  if (ms < 2_000) return "now";
  if (ms < 90_000) return `${Math.round(ms / 1_000)} s ago`;
  if (ms < 5_400_000) return `${Math.round(ms / 60_000)} min ago`;
  if (ms < 129_600_000) return `${Math.round(ms / 3_600_000)} hours ago`;
  return `${Math.round(ms / 86_400_000)} days ago`;
}
