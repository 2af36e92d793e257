import { stripVTControlCharacters } from "node:util";
import { formatDuration, formatSize } from "../../agent/disk/sizes.ts";
import type { TraceEntryBody } from "../../server/api/boot-schemas.ts";

/** How lines are written: on a terminal with colour and broken to its width. */
export type LineStyle = {
  readonly columns: number | undefined;
  paint(color: "dim" | "green" | "red", text: string): string;
};

/** One line of the trace: `02:14:07 lab-01            pxe  DISCOVER UEFI x64 → OFFER x64/snponly.efi`. */
export function traceLine(entry: TraceEntryBody, style: LineStyle): string {
  const time = new Date(entry.atMs).toTimeString().slice(0, 8);
  const who = (entry.host ?? entry.mac ?? entry.client ?? "unknown").padEnd(17).slice(0, 40);
  return broken(`${style.paint("dim", time)} ${who} ${entry.service.padEnd(4)} `, whatHappened(entry, style), style);
}

/** One line of a machine's story, in seconds from the first packet of this boot. */
export function storyLine(entry: TraceEntryBody, startMs: number, style: LineStyle): string {
  const seconds = ((entry.atMs - startMs) / 1000).toFixed(1).padStart(7);
  return broken(
    `${style.paint("dim", `${seconds} s`)}  ${entry.service.padEnd(4)}  `,
    whatHappened(entry, style),
    style,
  );
}

/** The heading of a story: who it is and when it began. */
export function storyHead(first: TraceEntryBody, all: readonly TraceEntryBody[]): string {
  const address = all.findLast(({ client }) => client !== undefined)?.client;
  const platform = all.find(({ detail }) => detail?.["platform"] !== undefined)?.detail?.["platform"];
  const facts = [first.host === undefined ? undefined : first.mac, platform, address].filter(
    (fact) => fact !== undefined,
  );
  const name = first.host ?? first.mac ?? "unknown";
  const about = facts.length === 0 ? "" : ` (${facts.join(", ")})`;
  return `${name}${about}, boot of ${localTime(first.atMs)}:`;
}

/** "2026-03-01 21:14:07", in the time zone of this machine. */
function localTime(ms: number): string {
  const at = new Date(ms);
  const two = (part: number) => String(part).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${at.toTimeString().slice(0, 8)}`;
}

function whatHappened(entry: TraceEntryBody, { paint }: LineStyle): string {
  const { detail = {}, times } = entry;
  const platform = detail["platform"] === undefined ? "" : ` ${detail["platform"]}`;
  const wanted = detail["wanted"] === undefined ? "" : ` for ${detail["wanted"]}`;
  const relay = detail["relay"] === undefined ? "" : ` through ${detail["relay"]}`;
  // Files stand below the answer that named them.
  const asked = `${isFile(entry) ? "└ " : ""}${entry.asked}${platform}${wanted}${relay}`;
  const again = times === undefined ? "" : paint("dim", ` (again, ${times} ${times === 1 ? "time" : "times"})`);
  return `${asked} → ${outcome(entry, paint)}${again}`;
}

function outcome(entry: TraceEntryBody, paint: LineStyle["paint"]): string {
  const { answered, reason, isRefusal = false } = entry;
  const why = (text: string) => paint(isRefusal ? "red" : "dim", text);
  if (answered === undefined) {
    return why(isMissing(entry) ? (reason ?? "") : `no answer: ${reason ?? "no reason known"}`);
  }
  const given = `${answered}${transferText(entry)}`;
  const shown = isRefusal ? paint("red", given) : paint("green", given);
  return reason === undefined ? shown : `${shown}, ${why(reason)}`;
}

function isFile({ service, asked }: TraceEntryBody): boolean {
  return service === "tftp" || (service === "http" && !/^(boot script|the agent) /.test(asked));
}

function isMissing({ reason }: TraceEntryBody): boolean {
  return reason?.startsWith("file not found") ?? false;
}

function transferText({ detail = {} }: TraceEntryBody): string {
  const { bytes, ms, resends } = detail;
  if (typeof bytes !== "number" || typeof ms !== "number") return "";
  const again = typeof resends === "number" && resends > 0 ? `, ${resends} packets sent again` : "";
  return ` ${formatSize(bytes)} in ${ms < 1000 ? `${ms} ms` : formatDuration(ms)}${again}`;
}

/** A long line goes on below its text, where the terminal's width is known. */
function broken(head: string, text: string, { columns }: LineStyle): string {
  const indent = shownLength(head);
  if (columns === undefined || columns < indent + 20) return head + text;
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && shownLength(line) + 1 + shownLength(word) > columns - indent) {
      lines.push(line);
      line = "  ";
      line += word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return head + [...lines, line].join(`\n${" ".repeat(indent)}`);
}

function shownLength(text: string): number {
  return [...stripVTControlCharacters(text)].length;
}
