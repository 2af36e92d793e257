import type { HostLogBody } from "../../server/api/host-schemas.ts";
import { timeText } from "../schedule/text.ts";

const words: Readonly<Record<number, string>> = {
  10: "trace",
  20: "debug",
  30: "info",
  40: "warn",
  50: "error",
  60: "fatal",
};

/** A host's log for people: a line each, with the clock that the machine had. */
export function logText(host: string, log: HostLogBody | null): string {
  if (log === null) {
    return `${host} has sent nothing of its log. It does so when it is through or fails, with a boot image of this version.`;
  }
  const session = log.session === null ? "" : ` for session ${log.session}`;
  return [`Sent${session} at ${timeText(log.atMs, "")}:`, ...log.log.split("\n").map(lineText)].join("\n");
}

function lineText(line: string): string {
  try {
    return entryText(JSON.parse(line) as Readonly<Record<string, unknown>>);
  } catch {
    // Half a line, or what something else wrote there.
    return line;
  }
}

function entryText(entry: Readonly<Record<string, unknown>>): string {
  const { level, time, msg = "", err, ...rest } = entry;
  const clock = typeof time === "number" ? new Date(time).toISOString().slice(11, 19) : "        ";
  const more = Object.entries(rest).map(
    ([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  const head = [clock, (words[Number(level)] ?? String(level)).padEnd(5), String(msg), ...more].join(" ").trimEnd();
  const why = err === undefined ? [] : errorLines(err);
  return [head, ...why.map((text) => `           ${text}`)].join("\n");
}

/** What people look for first, then where it came from. */
function errorLines(err: unknown): string[] {
  if (typeof err !== "object" || err === null) return [String(err)];
  const { message, code, why, fix, stack } = err as Readonly<Record<string, unknown>>;
  const head = [message, code === undefined ? undefined : `[${String(code)}]`].filter(Boolean).join(" ");
  const frames = typeof stack === "string" ? stack.split("\n").slice(1, 6) : [];
  const told = Object.entries({ why, fix }).flatMap(([key, text]) =>
    typeof text === "string" ? [`${key}: ${text}`] : [],
  );
  return [head, ...told, ...frames].filter((text) => text !== "");
}
