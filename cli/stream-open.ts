import type { Logger } from "pino";
import { Fault } from "../fault.ts";
import type { RunningStream } from "../server/stream/hub.ts";
import { say } from "./output.ts";
import type { PassphraseFlags } from "./passphrase.ts";
import { openRelaySource } from "./stream-relay.ts";
import { type ImageSource, openImageSource } from "./stream-source.ts";

/** What a stream sends: an image of this machine, or for a relay a stream of another one. */
export type StreamSource = ImageSource & {
  /** Of a relay that was started again: the id that its stream had. */
  readonly streamId?: string | undefined;
  /** The stream is open. */
  onOpen(stream: Pick<RunningStream, "streamId" | "hold">): Promise<void>;
  /** It has ended as it should. */
  finish(): Promise<void>;
};

export type SourceFlags = PassphraseFlags & {
  readonly source?: string;
  readonly relay?: string;
  readonly relayMulticast?: boolean;
  readonly relayInterface?: string;
  readonly trust?: string;
  readonly dataDir: string;
  readonly storeKey?: string;
};

/**
 * @param options.output names what it is sent to: two relays of one image keep apart by it
 * @throws {Fault} USAGE when it is not one source; those of `openImageSource` and `openRelaySource`
 */
export async function openStreamSource(
  flags: SourceFlags,
  options: { readonly output: string; readonly signal: AbortSignal; readonly log: Logger },
): Promise<StreamSource> {
  const { source, relay, dataDir, storeKey } = flags;
  if (relay !== undefined && source === undefined) return openRelay(flags, relay, options);
  if (source === undefined || relay !== undefined) throw sourceMissing();
  say(`Scanning ${source}...`);
  const onScan = () => undefined;
  const { signal } = options;
  const opened = await openImageSource(source, { dataDir, storeKey, onScan, passphrase: flags, signal });
  return { ...opened, onOpen: async () => undefined, finish: async () => undefined };
}

async function openRelay(
  { relayMulticast, relayInterface, trust, dataDir }: SourceFlags,
  origin: string,
  options: { readonly output: string; readonly signal: AbortSignal; readonly log: Logger },
): Promise<StreamSource> {
  let stream: Pick<RunningStream, "hold"> | undefined;
  let release: (() => void) | undefined;
  const opened = await openRelaySource({
    ...options,
    origin,
    isMulticast: relayMulticast === true,
    originInterface: relayInterface,
    dataDir,
    trust,
    onWait(reason) {
      release?.();
      // So its receivers are told what they wait for.
      release = reason === "" ? undefined : stream?.hold(`The relay waits for its origin. ${reason}`);
      say(reason === "" ? "The origin answers again." : `Waiting: ${reason}`);
    },
  });
  return {
    ...opened,
    async onOpen(running) {
      stream = running;
      await opened.keepStreamId(running.streamId);
    },
  };
}

function sourceMissing(): Fault {
  return new Fault("USAGE", {
    what: "It is not clear what is to be sent. Nothing was done.",
    why: "A stream has one source: --source names an image of this machine, --relay a stream of another one.",
    fix: "Give one of the two.",
  });
}
