import { createHash, type KeyObject } from "node:crypto";
import { Fault } from "../../fault.ts";
import type { Manifest } from "../../images/manifest.ts";
import { decodeManifest } from "../../images/manifest-codec.ts";
import type { StreamInfo } from "../contract.ts";
import type { StreamControl } from "./control.ts";

/** What is known of a stream before anything is received. The manifest's signature was checked. */
export type DescribedStream = { readonly info: StreamInfo; readonly manifest: Manifest };

/**
 * Asks the server for a stream and its manifest.
 *
 * @throws {Fault} MANIFEST_UNTRUSTED and others of `decodeManifest`; STREAM_MISMATCH; those of StreamControl
 */
export async function describeStream(
  control: StreamControl,
  streamId: string,
  trusted: readonly KeyObject[],
): Promise<DescribedStream> {
  const info = await control.info(streamId);
  return { info, manifest: manifestOf(info, await control.manifest(streamId), trusted) };
}

/**
 * Asks for a stream's description again: its symbols are others by now. Nothing else of it can change.
 *
 * @throws {Fault} STREAM_MISMATCH; those of StreamControl
 */
export async function describeAgain(
  control: StreamControl,
  { info, manifest }: DescribedStream,
): Promise<DescribedStream> {
  const { description } = info;
  const again = await control.info(description.streamId);
  if (again.description.manifestDigest !== description.manifestDigest) {
    throw mismatch(description.manifestDigest, again.description.manifestDigest);
  }
  const { symbolBytes } = again.description;
  return { info: { ...info, description: { ...description, symbolBytes } }, manifest };
}

/**
 * The manifest of a stream from its signed bytes.
 *
 * @throws {Fault} MANIFEST_UNTRUSTED and others of `decodeManifest`; STREAM_MISMATCH
 */
export function manifestOf(info: StreamInfo, bytes: Uint8Array, trusted: readonly KeyObject[]): Manifest {
  const digest = createHash("sha256").update(bytes).digest("hex");
  const manifest = decodeManifest(bytes, trusted);
  if (digest !== info.description.manifestDigest || manifest.diskBytes !== info.diskBytes) {
    throw mismatch(digest, info.description.manifestDigest);
  }
  return manifest;
}

function mismatch(digest: string, named: string): Fault {
  return new Fault("STREAM_MISMATCH", {
    what: "The stream is not of the image that its manifest describes.",
    why: `The manifest that came is ${digest.slice(0, 16)}…, the stream names ${named.slice(0, 16)}….`,
    fix: "Stop the stream and start it again; if it repeats, verify the image on the server.",
  });
}
