import type { StreamInfo } from "../../agent/contract.ts";
import { Fault } from "../../fault.ts";
import { type ImageReference, parseImageReference } from "../image/reference.ts";

/** Apple's port for asr's control connection. */
const ASR_PORT = 7800;

export type AsrUrl = {
  /** Where the stream's server is asked, over HTTP. */
  readonly server: URL;
  /** Only a stream of this image, when the address names one. */
  readonly image: ImageReference | undefined;
};

/**
 * Reads "asr://HOST[:PORT][/NAME[:VERSION]]"; undefined when it is no such address at all.
 *
 * @throws {Fault} USAGE when it is one, but broken
 */
export function parseAsrUrl(text: string): AsrUrl | undefined {
  if (!/^asr:/i.test(text)) return undefined;
  const match =
    /^asr:\/\/(\[[0-9a-f:]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?(?:\/([A-Za-z0-9._-]+(?::[1-9]\d{0,8})?)?)?\/?$/i.exec(
      text,
    );
  const port = Number(match?.[2] ?? ASR_PORT);
  if (match === null || port < 1 || port > 65535) {
    throw new Fault("USAGE", {
      what: `${text} is not the address of a stream.`,
      why: "It is written asr://HOST, asr://HOST:PORT or asr://HOST/IMAGE; IMAGE is NAME or NAME:VERSION.",
      fix: "Write it like asr://10.77.0.1:7800/lab-debian.",
    });
  }
  return {
    server: new URL(`http://${match[1]}:${port}`),
    image: match[3] === undefined ? undefined : parseImageReference(match[3]),
  };
}

/**
 * The stream that an address means.
 *
 * @throws {Fault} STREAM_UNKNOWN, STREAM_UNCLEAR when it could be several
 */
export function pickStream(streams: readonly StreamInfo[], { server, image }: AsrUrl): string {
  const fitting = streams.filter((stream) => image === undefined || isOf(stream, image));
  const names = streams.map((stream) => `${stream.image}:${stream.imageVersion}`).join(", ") || "no stream";
  if (fitting.length === 1 && fitting[0] !== undefined) return fitting[0].description.streamId;
  if (fitting.length > 1) {
    throw new Fault("STREAM_UNCLEAR", {
      what: `${server.host} runs ${fitting.length} streams that this could mean.`,
      why: `It sends: ${names}.`,
      fix: `Name the image: asr://${server.host}/NAME:VERSION.`,
    });
  }
  throw new Fault("STREAM_UNKNOWN", {
    what: `${server.host} runs no stream${image === undefined ? "" : ` of ${[image.name, image.version ?? []].flat().join(":")}`}.`,
    why: `It sends: ${names}.`,
    fix: 'Start one there with "bootcast stream".',
  });
}

function isOf(stream: StreamInfo, { name, version }: ImageReference): boolean {
  return stream.image === name && (version === undefined || stream.imageVersion === version);
}
