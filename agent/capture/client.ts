import { Fault } from "../../fault.ts";
import { encodeCellLists, encodeParcel, type PackParcel } from "../../images/cell-lists.ts";
import { asker } from "../client/ask.ts";
import { backoffMs, type Clock } from "../client/backoff.ts";
import type { ServerPlace } from "../client/servers.ts";
import type { Registration } from "../contract.ts";
import { CaptureState, CellAnswers, type FinishCapture, KeptPack, ManifestPiece } from "../contract.ts";
import { limits } from "../limits.ts";

/** The first question makes the server look through its whole store. */
const CELLS_WITHIN_MS = 120_000;
const PACK_WITHIN_MS = 30_000;
/** The server answers within 20 s, done or not. */
const FINISH_WITHIN_MS = 40_000;
const MOST_BETWEEN_TRIES_MS = 8_000;

/** The server as a host that captures its disk sees it. */
export type CaptureClient = {
  cells(lists: readonly Uint8Array[]): Promise<CellAnswers>;
  keep(parcel: PackParcel): Promise<KeptPack>;
  put(offset: number, piece: Uint8Array): Promise<ManifestPiece>;
  finish(finish: FinishCapture): Promise<CaptureState>;
  close(): Promise<void>;
};

/** A server that is being restarted, a cable that is out for a moment: all that is sent here may be sent again. */
const passing = ["SERVER_UNREACHABLE", "CAPTURE_BUSY"];

/**
 * Speaks `/agent/v1/hosts/:hostId/captures/:deployId`. What fails for a passing reason is tried again for two
 * minutes; other Faults of the server are thrown at once.
 *
 * @param options.say why it waits
 */
export function captureClient(options: {
  readonly server: ServerPlace;
  readonly host: Registration;
  readonly deployId: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  say(line: string): void;
}): CaptureClient {
  const { server, host, deployId, clock, signal, say } = options;
  const { ask, close } = asker(server);
  const at = `/agent/v1/hosts/${encodeURIComponent(host.hostId)}/captures/${encodeURIComponent(deployId)}`;
  const { token } = host;

  async function again<T>(work: () => Promise<T>): Promise<T> {
    const deadline = clock.now() + limits.lostServerMs;
    for (let tries = 0; ; tries += 1) {
      try {
        return await work();
      } catch (error) {
        signal.throwIfAborted();
        const waitMs = backoffMs(tries, MOST_BETWEEN_TRIES_MS);
        const isPassing = error instanceof Fault && passing.includes(error.code);
        if (!isPassing || clock.now() + waitMs > deadline) throw error;
        say(`${error.what} Trying again.`);
        await clock.sleep(waitMs, signal);
        signal.throwIfAborted();
      }
    }
  }

  return {
    cells: (lists) => {
      const body = encodeCellLists(lists);
      return again(() => ask(CellAnswers, "POST", `${at}/cells`, { token, body, signal, withinMs: CELLS_WITHIN_MS }));
    },
    keep: (parcel) => {
      const body = encodeParcel(parcel);
      return again(() => ask(KeptPack, "POST", `${at}/packs`, { token, body, signal, withinMs: PACK_WITHIN_MS }));
    },
    put: (offset, body) =>
      again(() =>
        ask(ManifestPiece, "PUT", `${at}/manifest/${offset}`, { token, body, signal, withinMs: PACK_WITHIN_MS }),
      ),
    finish: (body) =>
      again(() => ask(CaptureState, "POST", `${at}/finish`, { token, body, signal, withinMs: FINISH_WITHIN_MS })),
    close,
  };
}
