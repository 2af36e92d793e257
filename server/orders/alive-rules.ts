import { Fault } from "../../fault.ts";

/** A restored host that does not say within this that it is up has failed. */
export const DEFAULT_ALIVE_MS = 15 * 60_000;

/** An agent that finishes a restore is not silent for so long, and a restored system tries again every five seconds. */
const SILENCE_MS = 30_000;

/**
 * Whether a restored system can be up at all: its machine said that it restarts, or that word got lost and nothing
 * else came. Before that the agent is at work, and whoever calls has only read the token off the network.
 */
export function canBeUp(host: { readonly state: string; readonly silentMs: number }): boolean {
  return host.state === "rebooting" || (host.state === "finishing" && host.silentMs >= SILENCE_MS);
}

/** Whether a system calls itself what its host is called: by the first part of the name, in any case. */
export function isNamedSo(said: string, name: string): boolean {
  const first = (text: string) => text.split(".")[0]?.toLowerCase() ?? "";
  return first(said) !== "" && first(said) === first(name);
}

/**
 * Why a host is failed that was restored and then not seen.
 *
 * @param about.heard the last name that it called itself, when it did speak; null: it never spoke
 */
export function notAliveFault(about: {
  readonly deployId: number;
  readonly name: string;
  readonly heard: string | null;
  readonly withinMs: number;
}): Fault {
  const { deployId, name, heard, withinMs } = about;
  const minutes = Math.round(withinMs / 60_000);
  if (heard !== null) {
    return new Fault("HOST_NAME_WRONG", {
      what: `${name} was restored by session ${deployId} and is up, but it calls itself "${heard}".`,
      why: "Something in the image sets another name when the system starts.",
      fix: `Look at ${name}: cloud-init, a DHCP client or a management tool may set its name.`,
    });
  }
  return new Fault("HOST_NOT_ALIVE", {
    what: `${name} was restored by session ${deployId}, and has not said that it is up.`,
    why: `It restarted, and nothing was heard of its system for ${minutes} ${minutes === 1 ? "minute" : "minutes"}.`,
    fix: "Look at its screen: it may not start from its disk, or its system has no way to this server. Should it still call, it counts as done.",
  });
}
