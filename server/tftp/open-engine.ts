import type { Logger } from "pino";
import { openDgramEngine } from "./dgram-engine.ts";
import type { EngineEvents, TransferEngine } from "./engine.ts";
import { openThreadEngine } from "./thread-engine.ts";

/** The fastest engine that this machine has; should it break, the other one takes over. */
export async function openEngine(
  addresses: readonly string[],
  events: EngineEvents,
  { log, withoutKoffi }: { readonly log: Logger; readonly withoutKoffi?: boolean },
): Promise<TransferEngine> {
  let isClosed = false;
  const replace = async () => {
    const next = await openDgramEngine(addresses, events, log);
    if (isClosed) await next.close();
    else current = next;
  };
  const onBroken = () => {
    replace().catch((error: unknown) => log.error({ err: error }, "tftp: no transfers any more"));
  };
  let current =
    (withoutKoffi === true ? undefined : await openThreadEngine(addresses, events, log, onBroken)) ??
    (await openDgramEngine(addresses, events, log));
  return {
    get kind() {
      return current.kind;
    },
    start: (order) => current.start(order),
    repeat: (id) => current.repeat(id),
    supersede: (id) => current.supersede(id),
    refuse: (...refusal) => current.refuse(...refusal),
    close() {
      isClosed = true;
      return current.close();
    },
  };
}
