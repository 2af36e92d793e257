import { Fault } from "../../fault.ts";

/**
 * One host as a list of hosts has it, for people and programs. What is absent stays as it is; null, and an empty cell
 * of a table, take it away.
 */
export type HostRow = {
  /** The address of one of its cards, lower case with colons; the key. */
  readonly mac: string;
  readonly name?: string;
  /** Only of a host that was never seen: what it will show is refused when it is another. */
  readonly serial?: string;
  readonly group?: string | null;
  readonly labels?: readonly string[];
  readonly note?: string | null;
  /** Which of its disks orders are for: agent/disk/rule.ts. */
  readonly diskRule?: string | null;
  /** False: nobody had approved it where the list was written. */
  readonly isApproved?: boolean;
  /** Null and absent say nothing: a list locks hosts, and unlocks none. */
  readonly lock?: { readonly reason: string; readonly untilMs: number | null } | null;
};

/** The columns of a table, in their order, by the names in its first line. */
const columns = [
  "mac",
  "name",
  "serial",
  "group",
  "labels",
  "note",
  "disk_rule",
  "approved",
  "lock",
  "lock_until",
] as const;
type Column = (typeof columns)[number];

/**
 * A list as JSON: `{ "hosts": [ … ] }`, or only the list. Keys that are none of ours (of `bootcast host list --json`,
 * for example) count for nothing.
 *
 * @throws {Fault} HOST_LIST_INVALID
 */
export function parseHostsJson(text: string): HostRow[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid("The list is not JSON.", (error as Error).message, error);
  }
  const list = Array.isArray(value) ? value : (value as { hosts?: unknown } | null)?.hosts;
  if (!Array.isArray(list)) throw invalid("The list has no hosts.", 'It is neither a list nor has it a list "hosts".');
  return list.map((item: unknown, index) => rowOf(item, `Host ${index + 1}`));
}

function rowOf(item: unknown, where: string): HostRow {
  if (typeof item !== "object" || item === null)
    throw invalid(`${where} of the list is not right.`, "It is no object.");
  const given = item as Readonly<Record<string, unknown>>;
  const text = (key: string): string | null | undefined => {
    const value = given[key];
    if (value === undefined || value === null || typeof value === "string") return value;
    throw invalid(`${where} of the list is not right.`, `Its ${key} is no text.`);
  };
  const { labels } = given;
  if (labels !== undefined && !(Array.isArray(labels) && labels.every((label) => typeof label === "string"))) {
    throw invalid(`${where} of the list is not right.`, "Its labels are no list of texts.");
  }
  const name = text("name");
  const serial = text("serial");
  return {
    mac: readMac(text("mac") ?? "", where),
    ...(name ? { name } : {}),
    ...(serial ? { serial } : {}),
    ...definedOf({ group: text("group"), note: text("note"), diskRule: text("diskRule") }),
    ...(labels === undefined ? {} : { labels: labels as string[] }),
    ...standingOf(given, where),
  };
}

/** Whether it is approved, and its lock. */
function standingOf(given: Readonly<Record<string, unknown>>, where: string): Pick<HostRow, "isApproved" | "lock"> {
  const { isApproved, lock } = given;
  if (isApproved !== undefined && typeof isApproved !== "boolean") {
    throw invalid(`${where} of the list is not right.`, "Its isApproved is neither true nor false.");
  }
  const approved = isApproved === undefined ? {} : { isApproved };
  if (lock === undefined || lock === null) return approved;
  const { reason, untilMs = null } = lock as { readonly reason?: unknown; readonly untilMs?: unknown };
  if (typeof reason !== "string" || (untilMs !== null && !Number.isSafeInteger(untilMs))) {
    throw invalid(`${where} of the list is not right.`, "Its lock has no reason, or an end that is no time.");
  }
  return { ...approved, lock: { reason, untilMs: untilMs as number | null } };
}

/** A list as JSON that `parseHostsJson` reads, for people to keep. */
export function writeHostsJson(rows: readonly HostRow[]): string {
  return `${JSON.stringify({ hosts: rows }, undefined, 2)}\n`;
}

/**
 * A list as a spreadsheet saves it (RFC 4180; semicolons and tabs separate as well). The first line names the columns:
 * mac, and any of name, serial, group, labels (with spaces between), note, disk_rule, approved (yes or no), lock (why)
 * and lock_until (in UTC, like 2026-11-27T18:00Z). Other columns count for nothing.
 *
 * @throws {Fault} HOST_LIST_INVALID with the number of the line
 */
export function parseHostsCsv(text: string): HostRow[] {
  const [head, ...lines] = cellsOf(text.replace(/^\ufeff/, ""));
  const places = (head?.cells ?? []).map((cell) => cell.trim().toLowerCase().replaceAll(/[ -]/g, "_"));
  const placeOf = (column: Column) => places.indexOf(column);
  if (placeOf("mac") < 0) {
    throw invalid("The list has no column mac.", `Its first line is to name its columns: ${columns.join(", ")}.`);
  }
  return lines.map(({ cells, line }) => {
    const text = (column: Column): string | undefined => {
      const place = placeOf(column);
      return place < 0 ? undefined : (cells[place] ?? "").trim().replace(/^'(?=[=+@\t-])/, "");
    };
    const { name, serial, labels } = { name: text("name"), serial: text("serial"), labels: text("labels") };
    return {
      mac: readMac(text("mac") ?? "", `Line ${line}`),
      ...(name ? { name } : {}),
      ...(serial ? { serial } : {}),
      ...definedOf({
        group: emptyIsNull(text("group")),
        note: emptyIsNull(text("note")),
        diskRule: emptyIsNull(text("disk_rule")),
      }),
      ...(labels === undefined ? {} : { labels: labels.split(/[\s,]+/).filter((label) => label !== "") }),
      ...cellsStanding({ approved: text("approved"), lock: text("lock"), until: text("lock_until") }, `Line ${line}`),
    };
  });
}

/** The same as `standingOf`, of a table's cells. */
function cellsStanding(
  cells: {
    readonly approved: string | undefined;
    readonly lock: string | undefined;
    readonly until: string | undefined;
  },
  where: string,
): Pick<HostRow, "isApproved" | "lock"> {
  const { approved = "", lock: reason = "", until = "" } = cells;
  if (!/^(yes|no)?$/i.test(approved)) {
    throw invalid(`${where} of the list is not right.`, `"${approved}" in the column approved is neither yes nor no.`);
  }
  if (
    !/^(\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?Z)?$/.test(until) ||
    (until !== "" && Number.isNaN(Date.parse(until)))
  ) {
    throw invalid(`${where} of the list is not right.`, `"${until}" is no time like 2026-11-27T18:00Z.`);
  }
  if (until !== "" && reason === "") {
    throw invalid(`${where} of the list is not right.`, "Its lock_until is the end of a lock that has no reason.");
  }
  const untilMs = until === "" ? null : Date.parse(until);
  return {
    ...(approved === "" ? {} : { isApproved: approved.toLowerCase() === "yes" }),
    ...(reason === "" ? {} : { lock: { reason, untilMs } }),
  };
}

/** A list that `parseHostsCsv` reads. */
export function writeHostsCsv(rows: readonly HostRow[]): string {
  const lines = rows.map((row) => {
    const { mac, name, serial, group, labels, note, diskRule, isApproved, lock } = row;
    const approved = isApproved === undefined ? "" : isApproved ? "yes" : "no";
    const until = lock?.untilMs == null ? "" : new Date(lock.untilMs).toISOString();
    const cells = [mac, name, serial, group, labels?.join(" "), note, diskRule, approved, lock?.reason, until];
    return cells.map((cell) => csvCell(cell ?? "")).join(",");
  });
  return `${[columns.join(","), ...lines].join("\r\n")}\r\n`;
}

/** A machine shows any text as its serial number: none becomes a formula in the spreadsheet that opens the list. */
function csvCell(text: string): string {
  const safe = /^[=+@\t-]/.test(text) ? `'${text}` : text;
  return /[",;\r\n\t]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** The cells of each line that is not empty, with the number of the line that it begins in. */
function cellsOf(text: string): { readonly cells: readonly string[]; readonly line: number }[] {
  const separator = /^[^\r\n]*?([,;\t])/.exec(text)?.[1] ?? ",";
  const rows: { cells: string[]; line: number }[] = [];
  let line = 1;
  let row = { cells: [] as string[], line };
  let cell = "";
  let isQuoted = false;
  const endCell = () => {
    row.cells.push(cell);
    cell = "";
  };
  const endRow = () => {
    endCell();
    if (row.cells.some((each) => each.trim() !== "")) rows.push(row);
    row = { cells: [], line };
  };
  for (let at = 0; at < text.length; at += 1) {
    const letter = text[at]!;
    if (letter === "\n") line += 1;
    if (isQuoted && letter === '"' && text[at + 1] === '"') {
      cell += '"';
      at += 1;
    } else if (letter === '"' && (isQuoted || cell === "")) isQuoted = !isQuoted;
    else if (!isQuoted && letter === separator) endCell();
    else if (!isQuoted && letter === "\n") endRow();
    else if (isQuoted || letter !== "\r") cell += letter;
  }
  if (isQuoted) throw invalid("The list ends within a cell.", `A quotation mark after line ${row.line} is not closed.`);
  endRow();
  return rows;
}

/** An address in any spelling: "52:54:00:12:34:56", "52-54-…", "5254.0012.3456", "525400123456". @throws {Fault} */
function readMac(text: string, where: string): string {
  const digits = text.trim().toLowerCase().replaceAll(/[:.-]/g, "");
  if (/^[0-9a-f]{12}$/.test(digits) && digits !== "0".repeat(12) && (Number.parseInt(digits.slice(0, 2), 16) & 1) === 0)
    return (digits.match(/../g) ?? []).join(":");
  throw invalid(`${where} of the list is not right.`, `"${text}" is no address of a network card.`);
}

const emptyIsNull = (text: string | undefined): string | null | undefined => (text === "" ? null : text);

/** The same without what is undefined. */
function definedOf<T extends object>(values: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}

function invalid(what: string, why: string, cause?: unknown): Fault {
  const fix = 'Nothing was changed. "bootcast host export --csv" shows how a list looks.';
  return new Fault("HOST_LIST_INVALID", { what, why, fix }, cause);
}
