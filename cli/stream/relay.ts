import type { KeyObject } from "node:crypto";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Logger } from "pino";
import { resolveLocal } from "../../agent/client/mdns-name.ts";
import { StreamControl } from "../../agent/stream/control.ts";
import { manifestOf } from "../../agent/stream/describe.ts";
import { GroupKeys } from "../../agent/stream/group-keys.ts";
import { Fault } from "../../fault.ts";
import { signerAmong } from "../../images/signature.ts";
import { parseAsrUrl, pickStream } from "../asr/url.ts";
import { trustedKeys } from "../image/trust.ts";
import { acceptServer, streamsOf } from "../restore/stream.ts";
import { interfaceAddress } from "../settings/interface-address.ts";
import { say } from "../terminal/output.ts";
import { RelayIntake } from "./relay-intake.ts";
import { RelayMember } from "./relay-member.ts";
import { RelayPacks } from "./relay-packs.ts";
import { RelaySpool } from "./relay-spool.ts";
import type { ImageSource } from "./source.ts";

/** How long an origin that does not answer yet is asked again. */
const ORIGIN_PATIENCE_MS = 20_000;

export type RelayOptions = {
  /** asr://HOST[:PORT][/IMAGE] or http://HOST[:PORT]: where the stream comes from. */
  readonly origin: string;
  /** Names what it is cast to, so that two relays of one image on one machine keep apart. */
  readonly output: string;
  readonly dataDir: string;
  readonly trust: string | undefined;
  /** Takes it from the origin's group, as a receiver; otherwise by unicast what the own receivers need. */
  readonly isMulticast: boolean;
  readonly originInterface: string | undefined;
  readonly onWait: (reason: string) => void;
  readonly signal: AbortSignal;
  readonly log: Logger;
};

/** A stream of another server as a source: its manifest is that of the origin, with the origin's signature. */
export type RelaySource = ImageSource & {
  /** Where the identity of the relay's own stream is kept. */
  readonly identityPath: string;
  /** Everybody has it: the origin is told, and nothing is kept. */
  finish(): Promise<void>;
};

/**
 * Opens the origin's stream for a relay.
 *
 * @throws {Fault} USAGE, SERVER_UNREACHABLE, STREAM_UNKNOWN, STREAM_UNCLEAR, MANIFEST_UNTRUSTED
 */
export async function openRelaySource(options: RelayOptions): Promise<RelaySource> {
  const { origin, dataDir, signal, log } = options;
  const given = parseAsrUrl(origin.replace(/^https?:/i, "asr:"));
  if (given === undefined) throw notAnOrigin(origin);
  const url = { ...given, server: await resolveLocal(given.server, log) };
  const groupKeys = new GroupKeys();
  const control = new StreamControl({ server: url.server, signal, groupKeys });
  /** How what was opened so far is closed, in its order. */
  const opened: (() => Promise<void>)[] = [() => control.close()];
  let isFinished = false;
  const close = async () => {
    for (const closeOne of opened.toReversed()) await closeOne();
  };
  try {
    const streams = await streamsOf(control, url, { patienceMs: ORIGIN_PATIENCE_MS, signal });
    const streamId = pickStream(streams, url);
    const keys: readonly KeyObject[] = trustedKeys(options.trust, dataDir) ?? [
      await acceptServer(control, streamId, url),
    ];
    const info = await control.info(streamId);
    const manifestBytes = await control.manifest(streamId);
    const manifest = manifestOf(info, manifestBytes, keys);
    const directory = `${info.description.manifestDigest.slice(0, 16)}-${options.output}`;
    const spool = await RelaySpool.open(join(dataDir, "relay"), directory, manifest, log);
    opened.push(() => spool.close());
    const name = `relay ${hostname()}`;
    const intake = options.isMulticast
      ? await openIntake(
          { server: url.server, streamId, described: { info, manifest }, trusted: keys, spool, name },
          options,
        )
      : undefined;
    if (intake !== undefined) opened.push(() => intake.stop());
    const packs = new RelayPacks({
      origin: control,
      streamId,
      image: info,
      spool,
      intake,
      onWait: options.onWait,
      signal,
    });
    const member = new RelayMember({
      server: url.server,
      streamId,
      packsTotal: manifest.packs.length,
      packs,
      groupKeys,
      log,
    });
    opened.push(() => member.leave(isFinished ? "done" : "left"));
    // Of a relay that takes the group the origin hears as of any receiver.
    if (intake === undefined) await member.join(name);
    return {
      manifest,
      manifestBytes,
      signer: signerAmong(manifestBytes, keys)!,
      packs,
      identityPath: spool.identityPath,
      async finish() {
        isFinished = true;
        await spool.remove();
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openIntake(
  parts: Pick<
    ConstructorParameters<typeof RelayIntake>[0],
    "server" | "streamId" | "described" | "trusted" | "spool" | "name"
  >,
  { originInterface, log }: RelayOptions,
): Promise<RelayIntake | undefined> {
  await parts.spool.scan();
  if (parts.spool.isComplete) return undefined;
  return new RelayIntake({
    ...parts,
    interfaceAddress: originInterface === undefined ? undefined : interfaceAddress(originInterface),
    onFailure: ({ what }) => say(`The origin's group cannot be taken; what is missing comes by unicast. ${what}`),
    log,
  });
}

function notAnOrigin(origin: string): Fault {
  return new Fault("USAGE", {
    what: `${origin} is not the address of a stream to relay.`,
    why: "An origin is asr://HOST, asr://HOST:PORT or asr://HOST/IMAGE; http:// means the same.",
    fix: "Write it like asr://10.77.0.1:7800/lab-debian.",
  });
}
