import { Fault } from "../../fault.ts";

/** What a stream died of, as a Fault: the source of its packs may throw anything the file system throws. */
export function asFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  return new Fault(
    "STREAM_BROKEN",
    {
      what: "The stream ended because the image could not be read any more.",
      why: error instanceof Error ? error.message : String(error),
      fix: "Look at the disk that holds the image, then start the stream again.",
    },
    error,
  );
}
