import { dirname } from "node:path";
import type { Logger } from "pino";
import { Fault } from "../../fault.ts";
import type { RunningStream } from "../../server/stream/hub.ts";
import type { PassphraseFlags } from "../image/passphrase.ts";
import { say } from "../terminal/output.ts";
import { forgetIdentity, identityPath, sweepIdentities } from "./identity.ts";
import { openRelaySource } from "./relay.ts";
import { type ImageSource, openImageSource } from "./source.ts";

/** What a stream sends: an image of this machine, or for a relay a stream of another one. */
export type StreamSource = ImageSource & {
  /** Where the identity of its stream is kept, for the next start. */
  readonly identityPath: string;
  /** The stream is open. */
  onOpen(stream: Pick<RunningStream, "hold">): void;
  /** It has ended as it should: nobody comes back to it. */
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
 * @param options.output names what it is sent to: two streams of one image keep apart by it
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
  const path = identityPath(dataDir, opened.manifest, options.output);
  await sweepIdentities(dirname(path));
  return { ...opened, identityPath: path, onOpen: () => undefined, finish: () => forgetIdentity(path) };
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
    onOpen(running) {
      stream = running;
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
