import type { HostBody } from "../../../api/host-schemas.ts";
import type { DeployPlanBody, DeployRequestBody, ImageBody } from "../../../api/schemas.ts";
import type { DeployWish } from "./wish.ts";

/** What is chosen in the first step of the deploy dialog. */
export type Choice = {
  readonly image: string;
  readonly version: number | undefined;
  readonly hostIds: ReadonlySet<string>;
  readonly erase: NonNullable<DeployRequestBody["erase"]>;
  readonly verify: string;
  readonly afterwards: NonNullable<DeployRequestBody["afterwards"]>;
  /** One host first, then so many at a time; null: all at once. */
  readonly batch: number | null;
  /** As the field has it, "2026-11-22T22:00"; empty: now. */
  readonly beginAt: string;
};

/** What the dialog begins with: the only image there is, or the one that was asked for. */
export function firstChoice({ hostIds, image, version, again }: DeployWish, found: readonly ImageBody[]): Choice {
  const names = new Set(found.map(({ name }) => name));
  const name = again?.image ?? image ?? (names.size === 1 ? [...names][0]! : "");
  const newest = newestFirst(found.filter((one) => one.name === name))[0]?.version;
  return {
    image: name,
    version: again?.imageVersion ?? version ?? newest,
    hostIds: new Set(hostIds),
    erase: again?.erase ?? "quick",
    verify: again?.verify ?? "whole",
    afterwards: again?.afterwards ?? "reboot",
    batch: null,
    beginAt: "",
  };
}

export function newestFirst(versions: readonly ImageBody[]): ImageBody[] {
  return versions.toSorted((one, other) => other.version - one.version);
}

type Grouped = Pick<HostBody, "id" | "name" | "group">;

/** What those hosts are called: by the name of their group when they are all of it, else each by its id. */
export function wordsFor(hostIds: ReadonlySet<string>, known: readonly Grouped[]): string[] {
  const key = known.find(({ id }) => hostIds.has(id))?.group?.toLowerCase();
  const members = known.filter(({ group }) => key !== undefined && group?.toLowerCase() === key);
  // A host of the same name: nobody guesses which is meant.
  const isClear = !known.some(({ id, name }) => name.toLowerCase() === key || id === key);
  const isWhole = members.length > 1 && members.length === hostIds.size && members.every(({ id }) => hostIds.has(id));
  return isWhole && isClear ? [members[0]!.group!] : [...hostIds];
}

/** The order as the server plans it, for the hosts that are called so. */
export function requestOf(choice: Choice, to: readonly string[], again?: DeployRequestBody): DeployRequestBody {
  const { image, version, erase, verify, afterwards, batch, beginAt } = choice;
  const { waves: _, startAtMs: __, ...kept } = again ?? {};
  return {
    ...kept,
    image,
    ...(version === undefined ? {} : { imageVersion: version }),
    to: [...to],
    erase,
    verify,
    afterwards,
    ...(batch === null ? {} : { waves: { canary: 1, batch } }),
    ...(beginAt === "" ? {} : { startAtMs: new Date(beginAt).getTime() }),
  };
}

/** The same for exactly the hosts, the version and the disks that were shown. */
export function confirmedRequest(request: DeployRequestBody, shown: DeployPlanBody): DeployRequestBody {
  const first = shown.hosts.filter(({ wave }) => wave === 0).map(({ id }) => id);
  return {
    ...request,
    imageVersion: shown.image.version,
    to: shown.hosts.map(({ id }) => id),
    target: shown.target,
    ...(request.waves === undefined || first.length === 0 ? {} : { waves: { ...request.waves, canary: first } }),
    confirmed: shown.hosts.flatMap(({ contents }) => contents),
  };
}

/** What may be typed, the first of them is asked for: how many hosts it is does as well as their group's name. */
export function confirmingWords({ confirmation, hosts }: Pick<DeployPlanBody, "confirmation" | "hosts">): string[] {
  if (hosts.length === 0) return [];
  return hosts.length === 1 ? [confirmation] : [confirmation, `${hosts.length}-hosts`, `${hosts.length} hosts`];
}

/** Whether one of the words was typed; what a phone's keyboard adds around it does not count. */
export function isConfirmed(typed: string, words: readonly string[]): boolean {
  return typed.trim() !== "" && words.includes(typed.trim());
}
