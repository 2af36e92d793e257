import type { Logger } from "pino";
import type { BootTrace, BootTraceEntry } from "../boot-trace/boot-trace.ts";
import { fileEntry, missingEntry } from "../boot-trace/files.ts";
import type { TransferEnd } from "./engine.ts";
import type { TransferTerms } from "./negotiation.ts";
import { ErrorCode } from "./packet.ts";
import { refusalOf, refusalText } from "./refusal.ts";

type Told = { readonly log: Logger; readonly trace?: BootTrace };

/** What is known of a transfer when it starts. */
export type TransferFacts = {
  readonly client: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly terms: TransferTerms;
  readonly startedMs: number;
};

/** One line in the log and one entry of the boot trace for every transfer that ended. */
export function tellEnd({ log, trace }: Told, end: TransferEnd, facts: TransferFacts, now: number): void {
  const line = {
    client: facts.client,
    file: facts.path,
    bytes: end.result === "done" ? facts.sizeBytes : end.acknowledgedBytes,
    blockSize: facts.terms.blockSize,
    windowSize: facts.terms.windowSize,
    resends: end.resends,
    ms: Math.round(now - facts.startedMs),
    result: end.result,
    ...(end.reason === "" ? {} : { reason: end.reason }),
  };
  if (end.result === "done" || end.result === "probe") log.info(line, "tftp: sent");
  else log.warn(line, "tftp: not sent");
  trace?.note(transferEntry(end, line));
}

/** The same for a request that got an ERROR; gives what the client is told. */
export function tellRefusal(
  { log, trace }: Told,
  error: unknown,
  client: string,
  sent: string,
): [code: number, message: string] {
  const line = { client, file: sent.slice(0, 200), result: "refused" };
  const [code, message] = refusalOf(error);
  const isMissing = code === ErrorCode.fileNotFound;
  trace?.note(
    isMissing
      ? missingEntry("tftp", client, line.file)
      : { service: "tftp", client, asked: line.file, reason: refusalText(error), isRefusal: true },
  );
  if (isMissing) log.info({ ...line, reason: message }, "tftp: not there");
  else log.warn({ ...line, reason: message, err: error }, "tftp: refused");
  return [code, message];
}

/** A request that is not answered at all. */
export function tellSilence({ trace }: Told, client: string, file: string, reason: string): void {
  trace?.note({ service: "tftp", client, asked: file, reason, isRefusal: true });
}

function transferEntry(
  { result, reason }: TransferEnd,
  line: {
    client: string;
    file: string;
    bytes: number;
    ms: number;
    blockSize: number;
    windowSize: number;
    resends: number;
  },
): BootTraceEntry {
  const { blockSize, windowSize, resends, ...file } = line;
  const request = { ...file, service: "tftp", detail: { blockSize, windowSize, resends } } as const;
  if (result === "done") return fileEntry(request);
  return fileEntry(result === "probe" ? { ...request, isProbe: true } : { ...request, problem: reason });
}
