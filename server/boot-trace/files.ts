import type { BootPolicy } from "../../bsdp/policy.ts";
import type { BootTraceEntry } from "./boot-trace.ts";

/** One request for a boot file that is over. */
export type FileRequest = {
  readonly service: "tftp" | "http";
  /** The client's address. */
  readonly client: string;
  /** The name as it was looked for, below the boot directory. */
  readonly file: string;
  /** How much the client has. */
  readonly bytes: number;
  readonly ms: number;
  /** The client only wanted to know how large it is. */
  readonly isProbe?: boolean;
  /** Why the client has not the whole file: a sentence without its full stop. */
  readonly problem?: string;
  readonly detail?: Readonly<Record<string, string | number | boolean>>;
};

/** The entry of a file that was fetched, or not to its end. */
export function fileEntry({ service, client, file, bytes, ms, isProbe, problem, detail }: FileRequest): BootTraceEntry {
  const asked = { service, client, asked: file, detail: { bytes, ms, ...detail } };
  if (isProbe === true) return { ...asked, answered: "its size", detail: { ...detail } };
  if (problem !== undefined) return { ...asked, answered: "not sent to the end", reason: problem, isRefusal: true };
  return { ...asked, answered: "sent" };
}

/** The entry of a file that is not there. Loaders ask for some that need not be, so it is no refusal. */
export function missingEntry(service: "tftp" | "http", client: string, file: string): BootTraceEntry {
  return { service, client, asked: file, reason: `file not found: ${file}; is it in the boot directory?` };
}

const decisions: Readonly<Record<Exclude<BootPolicy["boot"], "nothing">, string>> = {
  agent: "start the agent",
  disk: "boot your own disk: nothing is ordered",
  menu: "show the menu",
};

/** The entry of a script that says what a machine boots now. `kind` is what reads it: "iPXE", "GRUB". */
export function scriptEntry(
  policy: BootPolicy,
  { mac, client, kind }: { readonly mac: string; readonly client: string; readonly kind: string },
): BootTraceEntry {
  const asked = { service: "http", mac, client, asked: `boot script for ${kind}` } as const;
  if (policy.boot === "nothing") return { ...asked, answered: "boot nothing from here", reason: policy.reason };
  return { ...asked, answered: decisions[policy.boot] };
}
