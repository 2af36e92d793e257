import type { Fault } from "../../fault.ts";
import type { ReceiveProgress } from "./receive-options.ts";

/** A running stream that is silent for so long has lost us: the rest is fetched by unicast. */
export const SILENCE_MS = 5_000;

/** All that the words about a restore depend on. */
export type StageFacts = {
  readonly stage: ReceiveProgress["stage"];
  readonly group: string;
  readonly port: number;
  readonly interfaceAddress: string;
  /** Since the last data, from the group or by unicast. */
  readonly silentMs: number;
  /** Since the target took the last write, while one is under way. */
  readonly standsMs: number;
  /** When so much silence ends the restore; 0 never. */
  readonly timeoutMs: number;
  /** What the server says that the stream waits for; empty when it does not. */
  readonly streamWaitsFor: string;
  /** The stream is not running, or not now. */
  readonly isHeld: boolean;
  /** Why the server could not be asked the last time. */
  readonly lastFault: Fault | undefined;
  /** Why the server does not serve this host with the others; empty when it does. */
  readonly asideWhy: string;
  readonly isFetching: boolean;
  readonly unicastPacks: number;
  readonly areZerosWritten: boolean;
};

/** What a restore does now, and what it waits for (empty while it gets on), one sentence each. */
export function stageWords(facts: StageFacts): { readonly detail: string; readonly waitingFor: string } {
  const detail = detailOf(facts);
  return { detail, waitingFor: isWaiting(facts) ? detail : "" };
}

function detailOf(facts: StageFacts): string {
  switch (facts.stage) {
    case "arriving":
      return `Waiting for packets of ${facts.group}:${facts.port} on ${facts.interfaceAddress}.`;
    case "erasing":
      return "The stream arrives; erasing the target.";
    case "waiting":
      // Nothing is to come by the group then.
      if (facts.asideWhy !== "") return receivingOf(facts);
      if (isSilent(facts)) return silenceOf(facts);
      return facts.streamWaitsFor === "" ? "The stream is about to start." : waitOf(facts);
    case "receiving":
      if (standsStill(facts)) return standstillOf(facts);
      if (isSilent(facts)) return silenceOf(facts);
      // The server holds the stream, for the network's sake.
      if (facts.isHeld) return waitOf(facts);
      return receivingOf(facts);
    case "finishing":
      return facts.areZerosWritten ? "Writing the partition table." : "Writing the zeros of the image.";
  }
}

function receivingOf({ asideWhy, isFetching, unicastPacks }: StageFacts): string {
  const now = isFetching
    ? `Fetching what is missing from the server; ${unicastPacks} packs so far.`
    : "Receiving the stream.";
  return asideWhy === "" ? now : `${now} The others do not wait for this host: ${asideWhy}.`;
}

function isWaiting(facts: StageFacts): boolean {
  switch (facts.stage) {
    case "arriving":
    case "waiting":
      return true;
    case "receiving":
      return standsStill(facts) || isSilent(facts) || facts.isHeld;
    case "finishing":
      return !facts.areZerosWritten;
    case "erasing":
      return false;
  }
}

function isSilent({ silentMs }: StageFacts): boolean {
  return silentMs >= SILENCE_MS;
}

function standsStill({ standsMs }: StageFacts): boolean {
  return standsMs >= SILENCE_MS;
}

function standstillOf({ standsMs }: StageFacts): string {
  return `The disk stands still: it has been at the same write for ${Math.round(standsMs / 1000)} s.`;
}

function waitOf({ streamWaitsFor }: StageFacts): string {
  return `The stream waits: ${streamWaitsFor}.`;
}

function silenceOf({ lastFault, timeoutMs }: StageFacts): string {
  const why = lastFault?.what ?? "The server answers, but sends nothing.";
  const end = timeoutMs === 0 ? "" : ` Giving up after ${Math.round(timeoutMs / 1000)} s of silence.`;
  return `Nothing comes from the stream. ${why}${end}`;
}
