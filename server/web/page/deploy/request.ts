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

/** The order as the server plans it. */
export function requestOf(choice: Choice, again?: DeployRequestBody): DeployRequestBody {
  const { image, version, hostIds, erase, verify, afterwards, batch, beginAt } = choice;
  const { waves: _, startAtMs: __, ...kept } = again ?? {};
  return {
    ...kept,
    image,
    ...(version === undefined ? {} : { imageVersion: version }),
    to: [...hostIds],
    erase,
    verify,
    afterwards,
    ...(batch === null ? {} : { waves: { canary: 1, batch } }),
    ...(beginAt === "" ? {} : { startAtMs: new Date(beginAt).getTime() }),
  };
}

/** The same for exactly the hosts, the version and the disks that were shown. */
export function confirmedRequest(request: DeployRequestBody, shown: DeployPlanBody): DeployRequestBody {
  return {
    ...request,
    imageVersion: shown.image.version,
    to: shown.hosts.map(({ id }) => id),
    confirmed: shown.hosts.flatMap(({ contents }) => contents),
  };
}

/** Whether the word was typed; what a phone's keyboard adds around it does not count. */
export function isConfirmed(typed: string, word: string): boolean {
  return word !== "" && typed.trim() === word;
}
