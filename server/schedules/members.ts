import { Fault } from "../../fault.ts";
import type { Database } from "../db/database.ts";
import type { LeftOut, ScheduleRun } from "./schedule.ts";

/** A host that a schedule was for, by the name that it had then. */
export type Member = { readonly id: string; readonly name: string };

/** Whom a schedule's words mean now. */
export type Meant = {
  /** Those that select somebody. */
  readonly words: readonly string[];
  readonly hosts: readonly Member[];
  /** The other words, and why they select nobody. */
  readonly leftOut: readonly LeftOut[];
};

/** Who is meant now and was not the last time, and the reverse; by name. */
export type MemberChanges = { readonly joined: readonly string[]; readonly gone: readonly string[] };

type Select = (words: readonly string[]) => Promise<readonly Member[]>;
type Readable = Pick<Database, "selectFrom">;

/**
 * Groups and labels change from night to night, and hosts are forgotten: a word that selects nobody any more is left
 * out and told, and the others go on.
 *
 * @throws {Fault} as `select`, when no word selects anybody
 */
export async function meantNow(words: readonly string[], select: Select): Promise<Meant> {
  try {
    return { words, hosts: await select(words), leftOut: [] };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const kept: string[] = [];
    const leftOut: LeftOut[] = [];
    for (const word of new Set(words)) {
      const fault = await select([word]).then(
        () => undefined,
        (refused: unknown) => refused,
      );
      if (fault === undefined) kept.push(word);
      else if (fault instanceof Fault) leftOut.push({ name: word, why: withoutStop(fault.what) });
      else throw fault;
    }
    if (kept.length === 0) throw error;
    return { words: kept, hosts: await select(kept), leftOut };
  }
}

/** How the hosts of a run differ from those of the run before it; undefined: it is the first whose hosts are known. */
export async function changesSince(
  db: Readable,
  run: Pick<ScheduleRun, "schedule" | "dueAtMs">,
): Promise<MemberChanges | undefined> {
  const rows = await db
    .selectFrom("schedule_runs")
    .select(["due_at_ms", "members"])
    .where("schedule", "=", run.schedule)
    .where("due_at_ms", "<=", run.dueAtMs)
    .where("members", "is not", null)
    .orderBy("due_at_ms", "desc")
    .limit(2)
    .execute();
  const [now, before] = rows;
  if (now?.due_at_ms !== run.dueAtMs || before === undefined) return undefined;
  return memberChanges(membersOf(before.members), membersOf(now.members));
}

export function memberChanges(before: readonly Member[], now: readonly Member[]): MemberChanges {
  const without = (list: readonly Member[], other: readonly Member[]) => {
    const ids = new Set(other.map(({ id }) => id));
    return list.filter(({ id }) => !ids.has(id)).map(({ name }) => name);
  };
  return { joined: without(now, before), gone: without(before, now) };
}

/** Sentences for people; none when nothing has changed. */
export function changesText(changes: MemberChanges | undefined): string[] {
  if (changes === undefined) return [];
  const { joined, gone } = changes;
  return [
    ...(joined.length === 0 ? [] : [`New since the last time: ${listed(joined)}.`]),
    ...(gone.length === 0 ? [] : [`No longer meant: ${listed(gone)}.`]),
  ];
}

const MOST_LISTED = 20;

function listed(names: readonly string[]): string {
  const more = names.length - MOST_LISTED;
  return more > 0 ? `${names.slice(0, MOST_LISTED).join(", ")} and ${more} more` : names.join(", ");
}

function membersOf(text: string | null): Member[] {
  return text === null ? [] : (JSON.parse(text) as Member[]);
}

/** It becomes a part of a sentence. */
function withoutStop(text: string): string {
  return text.replace(/\.$/, "");
}
